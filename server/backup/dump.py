"""The database as text: written by mariadb-dump in one snapshot, read by the mariadb client."""

import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from server.backup.errors import BackupError
from server.embedded.child import find_program
from sql.database import connect_options

_DUMP: Final = ("mariadb-dump", "mysqldump")
_LOAD: Final = ("mariadb", "mysql")
_OPTIONS: Final = (
    "--single-transaction",  # one snapshot; nobody waits for it
    "--quick",
    "--no-autocommit",
    "--no-tablespaces",
    "--skip-triggers",
    "--hex-blob",
)
_FASTEST: Final = 1
_PIECE: Final = 1 << 20
_WORDS: Final = 1000


def tool() -> str | None:
    """Return the program that dumps; None if the machine has none."""
    return find_program(*_DUMP)


def dump(url: str, to: IO[bytes]) -> None:
    """Write all tables, compressed. Raises BackupError."""
    with _running(_DUMP, _OPTIONS, url, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as program:
        assert program.stdout
        with gzip.GzipFile(fileobj=to, mode="wb", compresslevel=_FASTEST, mtime=0) as packed:
            shutil.copyfileobj(program.stdout, packed, _PIECE)


def load(url: str, dumped: IO[bytes]) -> None:
    """Make the tables of a dump. Raises BackupError."""
    with _running(_LOAD, (), url, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as program:
        assert program.stdin
        try:
            with gzip.GzipFile(fileobj=dumped) as text, program.stdin:
                shutil.copyfileobj(text, program.stdin, _PIECE)
        except BrokenPipeError:
            pass  # it says why


@contextmanager
def _running(
    names: Sequence[str], options: Sequence[str], url: str, *, stdin: int, stdout: int
) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a program that is to end well. Raises BackupError with what it said if it does not."""
    program = find_program(*names)
    if program is None:
        raise BackupError(
            f"{names[0]} is missing, which comes with Debian's package mariadb-client: apt-get install mariadb-client"
        )
    where = connect_options(url)
    command = [program, "--no-defaults", *_address(where, Path(program).name), *options, "--", where["db"]]
    environ = os.environ | ({"MYSQL_PWD": where["password"]} if where["password"] else {})
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, env=environ, stdin=stdin, stdout=stdout, stderr=said) as running:
            yield running
        if running.returncode != 0:
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip()[-_WORDS:]
            raise BackupError(f"{Path(program).name} failed: {words}")


def _address(where: dict[str, Any], program: str) -> list[str]:
    """Return where the database is, as these programs are told; without the password, which everybody would see."""
    options = [f"--user={where['user']}", "--default-character-set=utf8mb4"]
    if "unix_socket" in where:
        return [*options, f"--socket={where['unix_socket']}"]
    options += ["--protocol=tcp", f"--host={where['host']}", f"--port={where['port']}"]
    if "ssl" in where:
        is_mysql = program.startswith("mysql")
        options += ["--ssl-mode=VERIFY_IDENTITY"] if is_mysql else ["--ssl", "--ssl-verify-server-cert"]
    return options

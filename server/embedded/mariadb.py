"""The private MariaDB (or MySQL, where that is what the machine has)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pymysql

from server.embedded.child import Child, find_program
from server.embedded.errors import PrivateServerError
from server.embedded.folder import SOCKET, DataFolder, socket_folder

DATABASE: Final = "matcha"
_SERVING: Final = "matcha"
"""The account that serves: it reads and writes rows and can do nothing else."""
_ON_START: Final = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    f"CREATE USER IF NOT EXISTS {_SERVING}@localhost",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {DATABASE}.* TO {_SERVING}@localhost",
)
BUFFER_POOL: Final = 256  # MiB, what a small machine can spare; the memory is taken only as it fills
_LOG: Final = "mariadb.log"

_LARGEST_LOG: Final = 1024  # MiB
_DURABLE: Final = ("--innodb-flush-log-at-trx-commit=1",)
# For tests, which would rather be fast than survive a power cut.
_FLEETING: Final = ("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-log-file-size=16M")
_FLEETING_MYSQL: Final = ("--innodb-flush-log-at-trx-commit=0", "--innodb-redo-log-capacity=32M")


class MariaDB:
    """A MariaDB whose data are in `<data>/mariadb`."""

    name = "MariaDB"

    def __init__(self, data: DataFolder, *, durable: bool, buffer_pool: int = BUFFER_POOL) -> None:
        """Find the program; raises PrivateServerError with what to install if there is none."""
        self._data = data
        self._folder = data.path / "mariadb"
        self._socket = data.sockets / SOCKET
        self._program = _find()
        self._buffer_pool = buffer_pool
        self._is_mysql = _is_mysql(self._program)
        fleeting = _FLEETING_MYSQL if self._is_mysql else _FLEETING
        self._options = (*_DURABLE, self._log_size()) if durable else fleeting

    @property
    def url(self) -> str:
        """Where it is reached by the account that serves."""
        return self._url(_SERVING)

    @property
    def migrate_url(self) -> str:
        """Where it is reached by the account that may change tables."""
        return self._url("root")

    def _log_size(self) -> str:
        """Return the option of the log that is to be written elsewhere yet: were it full, all would wait for the disk.

        MariaDB's own default is, after seconds of a busy hour.
        """
        name = "redo-log-capacity" if self._is_mysql else "log-file-size"
        return f"--innodb-{name}={min(2 * self._buffer_pool, _LARGEST_LOG)}M"

    def _url(self, account: str) -> str:
        return _url(self._socket, account)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make an empty database on the first start; what an interrupted first start left behind goes."""
        for left_over in self._data.path.glob("mariadb.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        if self._folder.is_dir():
            return
        say(f"Making the database in {self._folder} (once).")
        # Under a name of its own and renamed when complete, so that a half-made one is never taken for a database.
        # The name is relative because mariadb-install-db doesn't quote paths.
        new = self._data.path / f"mariadb.new-{os.getpid()}"
        Child("The making of the database", self._install_command(new.name), data=self._data, log=_LOG).run()
        new.rename(self._folder)

    def child(self) -> Child:
        """Return its process, not yet started."""
        command = (
            self._program,
            "--no-defaults",
            f"--datadir={self._folder}",
            f"--socket={self._socket}",
            f"--pid-file={self._data.sockets / 'mariadb.pid'}",
            f"--tmpdir={self._folder}",
            f"--secure-file-priv={self._data.sockets}",
            "--local-infile=0",
            "--skip-networking",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_bin",
            "--default-time-zone=+00:00",
            f"--innodb-buffer-pool-size={self._buffer_pool}M",
            *(("--mysqlx=OFF", "--skip-log-bin", "--performance-schema=OFF") if self._is_mysql else ()),
            *self._options,
            *_as_user(),
        )
        return Child(self.name, command, data=self._data, log=_LOG)

    def answers(self) -> bool:
        """Whether it lets us in; makes the database and the account that serves if they are not there."""
        try:
            connection = pymysql.connect(unix_socket=str(self._socket), user="root", connect_timeout=5)
        except pymysql.MySQLError:
            return False
        with connection, connection.cursor() as cursor:
            for statement in _ON_START:
                cursor.execute(statement)
        return True

    def _install_command(self, folder: str) -> tuple[str, ...]:
        if self._is_mysql:
            return (self._program, "--no-defaults", "--initialize-insecure", f"--datadir=./{folder}", *_as_user())
        script = find_program("mariadb-install-db", "mysql_install_db")
        if script is None:
            raise PrivateServerError("mariadb-install-db is missing. Install it: apt-get install mariadb-server-core")
        return (
            script,
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            f"--datadir=./{folder}",
            "--tmpdir=.",  # in a shared one, two that start at once delete each other's files
            *self._options,
            *_as_user(),
        )


def running(data: Path) -> str | None:
    """Return where the MariaDB of a server that runs on this data folder is reached; None if there is none."""
    socket = socket_folder(data.resolve()) / SOCKET
    try:
        pymysql.connect(unix_socket=str(socket), user=_SERVING, database=DATABASE, connect_timeout=5).close()
    except pymysql.MySQLError:
        return None
    return _url(socket, _SERVING)


def mariadb_url(data: Path) -> str:
    """Return where it would be reached on this data folder."""
    return _url(socket_folder(data.resolve()) / SOCKET, _SERVING)


def _url(socket: Path, account: str) -> str:
    return f"mysql://{account}@localhost/{DATABASE}?unix_socket={quote(str(socket), safe='/')}"


def _find() -> str:
    program = find_program("mariadbd", "mysqld")
    if program is None:
        raise PrivateServerError(
            "Neither mariadbd nor mysqld is on this machine. Install one (Debian, Ubuntu: apt-get install "
            "mariadb-server-core mariadb-client-core), or name a server with database.url (MATCHA_DATABASE_URL)."
        )
    return program


def _is_mysql(program: str) -> bool:
    if Path(program).name == "mariadbd":
        return False
    version = subprocess.run([program, "--no-defaults", "--version"], capture_output=True, text=True, check=False)
    return "MariaDB" not in version.stdout


def _as_user() -> tuple[str, ...]:
    # Started by root it refuses to run without a word that this is meant.
    return ("--user=root",) if os.geteuid() == 0 else ()

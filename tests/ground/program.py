"""The whole program, as an operator meets it: `python -m server …` as real processes in folders of their own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds after which a wait has failed; a good run takes a small part of it


class Program:
    """`python -m server …` as a process: what it said, who its children are, how it ended."""

    def __init__(self, command: str, data: Path, *arguments: str, said: Path, **environ: str) -> None:
        self.port = free_port()
        self.data = data
        self._said = said
        self.url = f"http://localhost:{self.port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MATCHA_")}
        with said.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", *command.split(), *arguments],
                cwd=said.parent,  # no config.yaml and no .env there
                env=clean
                | {"PYTHONPATH": str(ROOT), "MATCHA_SERVER_DATA": str(data), "MATCHA_SERVER_PORT": str(self.port)}
                | {"MATCHA_DEMO_USERS": "0", "MATCHA_DATABASE_BUFFER_POOL": "32"}
                | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a signal to us is not one to it
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def ready(self) -> "Program":
        """Wait for the ready line, and for every dependency to be there."""
        eventually(lambda: f"matcha42 is ready at {self.url}\n" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        assert self.status("/healthz") == 200
        eventually(lambda: self.status("/readyz") == 200)
        return self

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def children(self) -> dict[str, int]:
        return {name: pid for pid, name, parent in processes() if parent == self.process.pid}

    def end(self, signal_: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(signal_)
        return self.process.wait(PATIENCE)

    def sql(self, statement: str) -> Any:
        path = str(self.data / "run" / "mariadb.sock")
        with (
            pymysql.connect(unix_socket=path, user="root", database="matcha", autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return cursor.fetchall()


Start = Callable[..., Program]


def processes() -> Iterator[tuple[int, str, int]]:
    """Every living process of the machine: id, name, parent; one that only waits to be reaped is dead."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(re.findall(r"^(\w+):\s+(\S+)", status.read_text(), re.MULTILINE))
            if fields["State"] not in "ZX":
                yield int(fields["Pid"]), fields["Name"], int(fields["PPid"])


def alive(*pids: int) -> set[int]:
    return {pid for pid, _, _ in processes()} & set(pids)


def eventually(holds: Callable[[], bool], within: float = PATIENCE) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start_program(tmp_path: Path) -> Iterator[Start]:
    """`start_program("run", data)` starts the program; what still runs at the end of the test is killed."""
    started: list[Program] = []

    def start_(command: str, data: Path, *arguments: str, **environ: str) -> Program:
        started.append(Program(command, data, *arguments, said=tmp_path / f"said-{len(started)}", **environ))
        return started[-1]

    yield start_
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the schema and the towns in it, under a name that would break careless quoting."""
    folder = tmp_path_factory.mktemp("prepared") / 'it\'s "data" %41 &да'
    program = Program("migrate", folder, said=folder.parent / "said")
    assert program.process.wait(60) == 0, program.said
    assert "Making the database" in program.said
    towns = Program("towns", folder, said=folder.parent / "said")
    assert towns.process.wait(60) == 0, towns.said
    assert "The towns are there." in towns.said
    return folder


def copied(prepared: Path, to: Path) -> Path:
    """Copy it but for the zeros, which are four fifths of it: the disk would be the slowest part of many tests."""
    to.mkdir(mode=0o700, parents=True)
    kept = [one for one in prepared.iterdir() if one.name not in ("run", "log")]
    subprocess.run(["cp", "-a", "--sparse=always", *kept, to], check=True)
    return to

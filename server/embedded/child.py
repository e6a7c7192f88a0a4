"""A child process that ends when this process does, however this process ends."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Final

from server.embedded.errors import PrivateServerError
from server.embedded.folder import DataFolder

_PR_SET_PDEATHSIG: Final = 1
_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/usr/libexec")
_libc = ctypes.CDLL(None)


def find_program(*names: str) -> str | None:
    """Return the path of the first of these programs there is, also outside a plain user's PATH."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def _die_with(parent: int) -> Callable[[], None]:
    """Return what a child does first: ask the kernel to kill it once the parent's thread ends."""

    def in_child() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before prctl: no signal will come
            os._exit(1)

    return in_child


class Child:
    """A server program: started, asked whether it lives, started again, stopped."""

    def __init__(self, name: str, command: Sequence[str], *, data: DataFolder, log: str) -> None:
        """Name a command to run in the data folder, whose lock it shares, and a file in `<data>/log` for its words."""
        self.name = name
        self.log = data.logs / log
        self._command = list(command)
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the last start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, in a session of its own so that a Ctrl-C at the terminal is not meant for it."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the kernel kills a child when the thread that started it ends: use the main thread")
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._data.path,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(self._data.lock,),
                    preexec_fn=_die_with(os.getpid()),
                )
        except OSError as error:
            raise PrivateServerError(f"{self._command[0]} can't be started: {error.strerror}.") from error

    def run(self) -> None:
        """Run the command to its end, and say what it printed last if it fails."""
        self.start()
        try:
            if self.wait() != 0:
                raise PrivateServerError(f"{self.name} failed: {self.last_words()}")
        finally:
            self.kill()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit status; None if it still runs after `timeout` seconds."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End the process, and all it started, at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """Return the end of its log, for a message to a person."""
        try:
            end = self.log.read_bytes()[-4000:].decode("utf-8", "replace").strip().splitlines()[-lines:]
        except OSError:
            end = []
        return f"see {self.log}" + "".join(f"\n    {line}" for line in end)

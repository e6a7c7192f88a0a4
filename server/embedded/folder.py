"""The data folder: who uses it, and where in it the private servers keep their things."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from server.embedded.errors import PrivateServerError

_SOCKET_PATH_LIMIT: Final = 107  # bytes: the kernel's sun_path has 108, the last one a zero
SOCKET: Final = "mariadb.sock"
"""The longest name of a socket there."""
_DYING: Final = 15.0  # seconds the children of a server killed a moment ago may still hold the folder


class DataFolder:
    """A data folder that this process, and no other, uses; everything in it is for its owner's eyes only."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Make the folder if it is missing, and claim it; raises PrivateServerError if it is in use."""
        self.path = path.resolve()
        self.lock = -1
        try:
            for folder in (self.path, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(self.path)
            self.lock = _claim(self.path)
            self.sockets = socket_folder(self.path)
            self.sockets.mkdir(mode=0o700, exist_ok=True)
            self.sockets.chmod(0o700)  # the private servers know no passwords: who reaches a socket is let in
            if self.sockets.parent != self.path:
                say(f"The path of {self.path} is too long for sockets: they are in {self.sockets}.")
        except PrivateServerError:
            self.release()
            raise
        except OSError as error:
            self.release()
            raise PrivateServerError(
                f"The data folder {self.path} can't be used: {error.strerror}. "
                "Give the server rights to it, or name another with server.data (MATCHA_SERVER_DATA)."
            ) from error

    @property
    def logs(self) -> Path:
        """Where the private servers write their logs."""
        return self.path / "log"

    def release(self) -> None:
        """Let others use the folder, as soon as no child of ours does."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def _refuse_foreign(folder: Path) -> None:
    """Root could use the folder of another account, which then could not any more: its files would be root's."""
    owner = folder.stat().st_uid
    if (folder / "mariadb").exists() and owner != os.geteuid():
        raise PrivateServerError(
            f"The data folder {folder} belongs to the account {owner}: run this as that one (setpriv, sudo -u)."
        )


def holder(data: Path) -> int | None:
    """Return the process that uses the folder; None if none does."""
    try:
        lock = os.open(data / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pid = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        return int(pid) if not _locked(lock) and pid.isdecimal() else None
    finally:
        os.close(lock)


def socket_folder(data: Path) -> Path:
    """Return the folder for the sockets, outside the data folder if its path is too long for a socket."""
    inside = data / "run"
    return inside if _fits(inside) else _short_folder(data)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET)) <= _SOCKET_PATH_LIMIT


def _short_folder(data: Path) -> Path:
    """Make a folder with a short path, the same for the same data folder, that nobody else could have prepared."""
    name = f"matcha42-{os.getuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
    root = runtime if runtime.is_dir() and _fits(runtime / name) else Path("/tmp")
    folder = root / name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PrivateServerError(
            f"{folder} was made by another user: remove it, or use a data folder with a shorter path."
        )
    return folder


def _claim(folder: Path) -> int:
    """Lock the folder and return the descriptor that holds the lock.

    The private servers inherit it, so the folder is free only when the last of them has ended.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _DYING
    while not _locked(lock):
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        if _alive(holder) or time.monotonic() > deadline:
            os.close(lock)
            raise PrivateServerError(
                f"The data folder {folder} is in use by the server with process id {holder or 'unknown'}. "
                "Stop that one, or name another folder with server.data (MATCHA_SERVER_DATA)."
            )
        time.sleep(0.02)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: str) -> bool:
    """Whether a process is there and is more than an entry that waits to be reaped."""
    try:
        status = Path("/proc", pid, "stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")

"""The machine: Python, packages, disk, clock, files that may be open."""

import ctypes
import importlib.metadata
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from server.doctor.findings import Finding, Level, Look, Unseen

REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements.in"
_OLDEST_PYTHON: Final = (3, 11)
_BOUND: Final = re.compile(r"([<>]=?)([0-9.]+)")
_OWN_FILES: Final = 200
"""Files besides the sockets of people: libraries, databases, photos."""
_TRIES: Final = 9
_UNSYNCHRONISED: Final = 5
_SYSTEMD: Final = Path("/run/systemd/system")


async def python(look: Look) -> AsyncIterator[Finding]:
    """Python is new enough."""
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding(
            "machine.python",
            f"This is Python {sys.version.split()[0]}.",
            "The server is written for Python 3.11 and newer.",
            "Install a newer one, remove .venv and run scripts/install.sh run.",
        )


async def packages(look: Look, requirements: Path | None = None) -> AsyncIterator[Finding]:
    """Packages are there, and within the bounds of requirements.in."""
    for line in (requirements or REQUIREMENTS).read_text().splitlines():
        required = line.partition("#")[0].strip()
        name = re.split(r"[\[<>=]", required)[0]
        if name and (fault := _fault(name, required)):
            yield Finding(
                "machine.packages",
                f"{name} {fault}; {required} is needed.",
                "The program was not tried with it; older ones have faults that are known, also of security.",
                "Install what is locked: scripts/install.sh run (make run does so).",
            )


def _fault(name: str, required: str) -> str | None:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "is missing"
    there = _numbers(version)
    for sign, bound in _BOUND.findall(required):
        if (sign == ">=" and there < _numbers(bound)) or (sign == "<" and there >= _numbers(bound)):
            return f"is at {version}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


async def space(look: Look) -> AsyncIterator[Finding]:
    """There is room on the disk."""
    place = _existing(look.data)
    free = shutil.disk_usage(place).free
    if free < look.bounds.free_bytes:
        yield Finding(
            "machine.disk",
            f"{free / 2**30:.1f} GiB are free in {place}.",
            "When the disk is full, nothing can be stored any more: every write answers `unavailable`.",
            "Make room (old backups, logs), or move the data folder to a larger disk (docs/operating.md).",
        )
    files = os.statvfs(place)
    if files.f_files and files.f_favail < files.f_files / 100:
        yield Finding(
            "machine.inodes",
            f"{files.f_favail} files can still be made in {place}.",
            "Photos are many small files; without free inodes none can be added, though there is room.",
            "Remove files that are not needed, or use a file system with more inodes.",
        )


async def sync(look: Look) -> AsyncIterator[Finding]:
    """The disk answers soon: each commit waits for it."""
    if not os.access(look.data, os.W_OK):
        raise Unseen(f"{look.data} is not there, or not ours")
    took = []
    with tempfile.TemporaryFile(dir=look.data) as file:
        for _ in range(_TRIES):
            file.write(bytes(4096))
            begun = time.perf_counter()
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    median = statistics.median(took)
    if median > look.bounds.sync_seconds:
        yield Finding(
            "machine.sync",
            f"The disk takes {median * 1000:.1f} ms to confirm a write (fsync).",
            "Whoever sends a message waits at least so long: it is confirmed when it is on the disk.",
            "Use a local SSD for the data folder; a network disk or a spinning one is too slow.",
            Level.ADVICE,
        )


async def open_files(look: Look) -> AsyncIterator[Finding]:
    """So many sockets may be open as people are expected."""
    limit, needed = _limit(look.pid), look.bounds.sockets + _OWN_FILES
    if limit < needed:
        yield Finding(
            "machine.ulimit",
            f"The server may open {limit} files; {look.bounds.sockets} people need {needed}.",
            "Each person connected takes one; beyond the limit nobody else gets in.",
            "Raise it: LimitNOFILE= in the systemd unit (deploy/systemd), or `ulimit -Hn` before the start.",
        )


def _limit(pid: int | None) -> int:
    """Return the limit of a process that runs; else what a server could raise its own to."""
    if pid is None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    else:
        try:
            hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
        except OSError as fault:
            raise Unseen(f"the server is somebody else's: {fault.strerror}") from fault
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


async def clock(look: Look) -> AsyncIterator[Finding]:
    """The clock is set by others; asked only where systemd runs, since in containers it is the host's matter."""
    if not _SYSTEMD.is_dir():
        raise Unseen("whether the clock is set by NTP is known on machines with systemd alone")
    if kernel_clock_state() == _UNSYNCHRONISED:
        yield unsynchronised()


def unsynchronised() -> Finding:
    """Return what is said of a clock that nobody sets."""
    return Finding(
        "machine.clock",
        "The clock is not synchronised.",
        "Tokens and links end by the clock; several servers whose clocks differ by a minute refuse each other's.",
        "Turn it on: timedatectl set-ntp true",
        Level.ADVICE,
    )


def kernel_clock_state() -> int:
    """Return what the kernel knows of its clock: 5 when nobody sets it."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)

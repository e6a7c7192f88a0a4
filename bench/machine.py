"""The machine: which core is whose, and what the figures of a run depend on."""

import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_PACKAGES = ("python-socketio", "python-engineio", "aiohttp", "uvloop", "msgspec", "redis", "aiomysql")


class Cores:
    """The last core is the server's alone; all others are for databases and generator. With one, all share it."""

    def __init__(self) -> None:
        *others, last = sorted(os.sched_getaffinity(0))
        self.server = {last}
        self.others = set(others) or {last}

    def leave_the_server_alone(self) -> None:
        """Keep this process, and whatever it starts from now on, off the server's core."""
        os.sched_setaffinity(0, self.others)

    def only_server(self) -> Callable[[], None]:
        """Return what a new process does to be alone on the server's core."""
        return lambda: os.sched_setaffinity(0, self.server)

    def share(self, pids: Iterable[int]) -> None:
        """Let these processes run anywhere from now on, with all their threads."""
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), self.server | self.others)

    def all_of_them(self) -> Callable[[], None]:
        """Return what a new process does to run anywhere."""
        return lambda: os.sched_setaffinity(0, self.server | self.others)


def facts() -> dict[str, Any]:
    """Return what a figure depends on beside the code."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
        | {"MariaDB": _number("mariadbd"), "Redis": _number("redis-server")},
    }


def moment() -> dict[str, Any]:
    """Return when and on which code this is, and what else the machine was at."""
    changed = "+" if _said("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": (_said("git", "rev-parse", "--short=12", "HEAD") or "unknown") + changed,
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _number(program: str) -> str:
    """Return the version that a program says it has."""
    found = re.search(r"[0-9]+\.[0-9]+\.[0-9]+", _said(program, "--version"))
    return found[0] if found else "unknown"


def _said(*command: str) -> str:
    """Return the first line that a program says; nothing if it is not there."""
    environ = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""

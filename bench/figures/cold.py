"""cold: how long it takes from a fresh clone until the first person can come in, and what takes so long."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from threading import Timer

from bench.figure import Bench, Beside, Line, Value, figure
from bench.ground import free_port
from bench.machine import ROOT

_PARTS = {
    r"Making .venv": "venv",
    r"Installing .*Python packages": "pip",
    r"Installing Node ": "Node",
    r"Installing JavaScript": "npm",
    r"Drawing portraits": "portraits",
    r"(Python packages installed|Portraits drawn)": "imports",
    r"Making the database": "MariaDB",
    r"schema:": "migration",
    r"Putting the towns": "towns",
    r"Making \d+ invented people": "demo people",
    r"is ready at": "",
}
"""What a line says is beginning."""
_PATIENCE = 600.0


@figure("cold")
def cold(bench: Bench) -> list[Line]:
    """Clone what is committed, `make run` it until it is ready, and start it a second time; once, as it takes long.

    The caches of pip and npm are as they are. To try it out, a server without invented people is started from here.
    """
    with tempfile.TemporaryDirectory(prefix="matcha-cold-") as name:
        folder = ROOT if bench.tiny else Path(name) / "clone"
        if not bench.tiny:
            subprocess.run(("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)), check=True)
        command = (sys.executable, "-m", "server", "run") if bench.tiny else ("make", "run")
        more = {"MATCHA_SERVER_DATA": str(Path(name) / "var")} | ({"MATCHA_DEMO_USERS": "0"} if bench.tiny else {})
        parts, again = (_until_ready(command, folder, more, bench) for _ in range(2))
        shutil.rmtree(Path(name) / "clone", ignore_errors=True)
    total, second = sum(parts.values()), sum(again.values())
    notes = {part or "begin": f"{seconds:.1f} s" for part, seconds in parts.items()}
    beside = Beside("its second start", Value.of([second]))
    return [Line("make run in a fresh clone until ready", "s", Value.of([total]), beside, None, notes)]


def _until_ready(command: tuple[str, ...], folder: Path, more: dict[str, str], bench: Bench) -> dict[str, float]:
    """Return the seconds of each part, in the order in which they began."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MATCHA_")}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=clean | more | {"MATCHA_SERVER_PORT": str(free_port())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=bench.ground.cores.all_of_them(),
    )
    too_long = Timer(_PATIENCE, process.kill)
    too_long.start()
    try:
        return _parts(process)
    finally:
        too_long.cancel()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def _parts(process: "subprocess.Popen[str]") -> dict[str, float]:
    assert process.stdout
    seconds, heard = defaultdict[str, float](float), list[str]()
    part, since = "imports", time.monotonic()
    for line in process.stdout:
        heard.append(line)
        if (begun := _begins(line)) is not None:
            now = time.monotonic()
            seconds[part] += now - since
            part, since = begun, now
            if not part:
                return dict(seconds)
    raise RuntimeError(f"it ended before it was ready: {''.join(heard[-20:])}")


def _begins(line: str) -> str | None:
    return next((part for pattern, part in _PARTS.items() if re.search(pattern, line)), None)

"""Processes that neither answer nor end."""

import os
import re
import signal
import time
from pathlib import Path

_PATIENCE = 5.0
_STATE = re.compile(r"^State:\s+(\w)", re.MULTILINE)


def freeze(pid: int) -> None:
    """Stop a process, and return when the last of its threads has stopped: until then it may still answer."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + _PATIENCE
    while not _is_frozen(pid):
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.0005)


def thaw(pid: int) -> None:
    """Let it go on."""
    os.kill(pid, signal.SIGCONT)


def _is_frozen(pid: int) -> bool:
    try:
        states = [_STATE.search(status.read_text()) for status in Path(f"/proc/{pid}/task").glob("*/status")]
    except OSError:  # a thread has ended meanwhile
        return False
    return all(state and state[1] == "T" for state in states)

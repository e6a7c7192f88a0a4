"""The processes of a run: a server on its core, ours or a peer's, and the generator on another."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

from bench.machine import ROOT


class Process:
    """A program that runs until the block is left."""

    def __init__(self, command: Sequence[str], *, log: Path, begin: Callable[[], None] = lambda: None) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MATCHA_")}
        self._name = " ".join(command)
        self._log = log
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=begin,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tell(self, line: str) -> None:
        """Write a line to it."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self, words: str = "", *, within: float = 60.0) -> str:
        """Return the next line that it says with these words; one that says nothing for too long is ended."""
        assert self._process.stdout
        too_long = Timer(within, self._process.kill)
        too_long.start()
        try:
            while line := self._process.stdout.readline():
                if words in line:
                    return line.strip()
        finally:
            too_long.cancel()
        raise RuntimeError(f"{self._name} has ended: {self._log.read_text()[-2000:]}")


class Served(Process):
    """A server that runs, on a port of its own."""

    port = 0


class Generator(Process):
    """The process that asks."""

    def __init__(self, *, log: Path) -> None:
        super().__init__((sys.executable, "-m", "bench.generator"), log=log)

    def run(self, job: str, *, at_most: float = 300.0, **parameters: Any) -> Any:
        """Have a job done in so many seconds at most, and return its result."""
        self.tell(json.dumps({"job": job, "parameters": parameters}))
        told = json.loads(self.hear(within=at_most))
        if "fault" in told:
            raise RuntimeError(told["fault"])
        return told["result"]

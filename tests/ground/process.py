"""A server in a process of its own, to be killed: `python -m tests.ground.process`, with options and clock on stdin."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from server import logs
from server.app import create_app
from server.clock import Clock
from server.config import Config
from server.ephemeral.hints import Hints
from tests.ground.clock import FakeClock
from tests.ground.server import RunningServer

_ROOT = Path(__file__).parent.parent.parent


class Process:
    """A running server process."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self.pid = process.pid
        self._process = process

    async def kill(self) -> None:
        """End it without a word, as a crash does."""
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def beside(server: RunningServer) -> AsyncIterator[Process]:
    """Start a process beside a server of the test: same database and Redis, and the clock as it stands now."""
    running = await start(server.config, offset=server.clock.offset)
    try:
        yield running
    finally:
        await running.kill()


async def start(config: Config, *, offset: float | None = None, drop: float = 0.0, log: Path | None = None) -> Process:
    """Start a process with this config, which drops this share of the hints it would give; no offset: the true time."""
    with log.open("ab") if log else contextlib.nullcontext() as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", __name__),
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdin and process.stdout
    told = {"config": config.model_dump(mode="json"), "offset": offset, "drop": drop}
    process.stdin.write(json.dumps(told).encode() + b"\n")
    running = Process(process, "")
    try:
        async with asyncio.timeout(60):
            running.url = (await process.stdout.readline()).decode().strip()
    except BaseException:
        await running.kill()
        raise
    return running


async def _serve() -> None:
    told = json.loads(sys.stdin.readline())
    clock = FakeClock() if told["offset"] is not None else Clock()
    if isinstance(clock, FakeClock):
        clock.offset = told["offset"]
    _drop_hints(told["drop"])
    config = Config.model_validate(told["config"], strict=False)
    logs.configure(config.log)  # not to stdout: nobody reads there, and a pipe that is full stops the process
    runner = web.AppRunner(create_app(config, clock=clock))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def _drop_hints(share: float) -> None:
    publish = Hints._publish

    def sometimes(hints: Hints, channel: str, text: str) -> None:
        if random.random() >= share:
            publish(hints, channel, text)

    Hints._publish = sometimes  # type: ignore[method-assign]


if __name__ == "__main__":
    asyncio.run(_serve())

"""A server in a process of its own, to be killed: `python -m tests.ground.process`, with options and clock on stdin."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from server.app import create_app
from server.config import Config
from tests.ground.clock import FakeClock
from tests.ground.server import RunningServer

_ROOT = Path(__file__).parent.parent.parent


class Process:
    """A running server process."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    async def kill(self) -> None:
        """End it without a word, as a crash does."""
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def beside(server: RunningServer) -> AsyncIterator[Process]:
    """Start a process beside a server of the test: same database and Redis, and the clock as it stands now."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, cwd=_ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin and process.stdout
    told = {"config": server.config.model_dump(mode="json"), "offset": server.clock.offset}
    process.stdin.write(json.dumps(told).encode() + b"\n")
    running = Process(process, "")
    try:
        async with asyncio.timeout(20):
            running.url = (await process.stdout.readline()).decode().strip()
        yield running
    finally:
        await running.kill()


async def _serve() -> None:
    told = json.loads(sys.stdin.readline())
    clock = FakeClock()
    clock.offset = told["offset"]
    runner = web.AppRunner(create_app(Config.model_validate(told["config"], strict=False), clock=clock))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())

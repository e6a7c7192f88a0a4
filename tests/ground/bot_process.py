"""A bot that posts numbers and says so, to be killed: `python -m tests.ground.bot_process URL TOKEN FILE TO FIRST`."""

import asyncio
import itertools
import os
import sys
from pathlib import Path
from typing import Self

from client_sdk import Client

_ROOT = Path(__file__).parent.parent.parent
_PAUSE = 0.005
_HURRY = 0.02
"""How much sooner than others it comes back after a loss."""


class BotProcess:
    """A running bot."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.posted: list[int] = []
        """What it said that it has posted."""

    @classmethod
    async def start(cls, url: str, token: str, file: Path, to: int, first: int) -> Self:
        """Start one that posts `first` and all numbers after it to somebody."""
        command = sys.executable, "-m", __name__, url, token, str(file), str(to), str(first)
        return cls(await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE))

    async def posts(self, count: int) -> None:
        """Wait until it has posted so many."""
        assert self._process.stdout
        async with asyncio.timeout(20):
            while len(self.posted) < count and (line := await self._process.stdout.readline()):
                self.posted.append(int(line))

    async def kill(self) -> None:
        """End it without a word, and read what it said last."""
        self._process.kill()
        await self.posts(sys.maxsize)
        await self._process.wait()


async def _post(url: str, token: str, file: str, to: str, first: str) -> None:
    def hurry(seconds: float) -> asyncio.Future[None]:
        return asyncio.ensure_future(asyncio.sleep(_HURRY * seconds))

    async with Client(url, token=token, outbox=Path(file), wait=hurry) as client:
        for number in itertools.count(int(first)):
            client.message.post(int(to), f"{number}")
            os.write(1, f"{number}\n".encode())
            await asyncio.sleep(_PAUSE)


if __name__ == "__main__":
    asyncio.run(_post(*sys.argv[1:]))

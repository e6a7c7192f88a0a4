"""Workers: processes that decode images, a few at a time; one that takes too long is killed and replaced."""

import asyncio
import sys
from pathlib import Path
from typing import Self

import msgspec
import structlog

from server.config import Photos
from server.outside.pictures.kept import Processed, Unreadable
from server.wire.errors import Unavailable

log = structlog.get_logger("photos")

_ROOT = Path(__file__).parents[3]
_MODULE = "server.outside.pictures.worker"
_READY_WITHIN = 20.0
_HEAD = 4
_LARGEST_ANSWER = 32_000_000


class Workers:
    """Begin on first use; more images than the queue holds are refused."""

    def __init__(self, options: Photos) -> None:
        self._options = options
        self._most = self._room = options.workers + options.queue
        self._turns = asyncio.Semaphore(options.workers)
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()

    @property
    def waiting(self) -> int:
        """How many images are being worked at, or wait for it."""
        return self._most - self._room

    async def process(self, image: bytes) -> Processed:
        """Return what is kept of an image. Raises Unreadable, Unavailable."""
        if self._room <= 0:
            raise Unavailable(retry_after=5)
        self._room -= 1
        try:
            async with self._turns:
                answer = await self._ask(await self._worker(), image)
        finally:
            self._room += 1
        if not answer:
            raise Unreadable
        return msgspec.msgpack.decode(answer, type=Processed)

    async def _worker(self) -> "Worker":
        """Return one that waits for work, or a new one. Raises Unavailable."""
        while self._idle:
            worker = self._idle.pop()
            if worker.lives:
                return worker
            await self._end(worker)
        try:
            worker = await Worker.start(self._options)
        except (OSError, EOFError, TimeoutError) as fault:
            log.error("photos.no_worker", reason=str(fault))
            raise Unavailable(retry_after=5) from fault
        self._all.add(worker)
        return worker

    async def _ask(self, worker: "Worker", image: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._options.timeout):
                answer = await worker.ask(image)
        except (TimeoutError, OSError, EOFError, ValueError) as fault:
            log.warning("photos.worker_lost", size=len(image), reason=type(fault).__name__)
            await self._end(worker)
            return b""
        except BaseException:
            await self._end(worker)  # it is in the midst of something that nobody waits for
            raise
        self._idle.append(worker)
        return answer

    async def _end(self, worker: "Worker") -> None:
        self._all.discard(worker)
        await worker.end()

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self._end(worker) for worker in list(self._all)))


class Worker:
    """One of them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout
        self._process = process
        self._to, self._from = process.stdin, process.stdout

    @classmethod
    async def start(cls, options: Photos) -> Self:
        """Start a process, which sees nothing of this one's environment. Raises OSError, EOFError, TimeoutError."""
        limits = (options.pixels, options.memory_mib, 2 * options.timeout)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULE, *map(str, limits)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT,
            env={},
            start_new_session=True,  # Ctrl-C is for the server
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(_READY_WITHIN):
                await worker._answer()
        except BaseException:
            await worker.end()
            raise
        return worker

    @property
    def lives(self) -> bool:
        """Tell whether the process has not ended."""
        return self._process.returncode is None

    async def ask(self, image: bytes) -> bytes:
        """Hand over an image and return the answer. Raises OSError, EOFError, ValueError."""
        self._to.write(len(image).to_bytes(_HEAD) + image)
        await self._to.drain()
        return await self._answer()

    async def _answer(self) -> bytes:
        size = int.from_bytes(await self._from.readexactly(_HEAD))
        if size > _LARGEST_ANSWER:
            raise ValueError("more than any picture")
        return await self._from.readexactly(size)

    async def end(self) -> None:
        """Kill it."""
        if self.lives:
            self._process.kill()
        await self._process.wait()

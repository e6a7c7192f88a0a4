"""Crowd: what many do at once is done for all of them together, without a timer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 256


class Crowd(Generic[T]):
    """One round is under way while the next one gathers; who is alone does not wait."""

    def __init__(self, act: Callable[[list[T]], Awaitable[None]]) -> None:
        """Take what is done for up to 256 at a time; what it raises, all of them are told."""
        self._act = act
        self._gathered: list[tuple[T, asyncio.Future[None]]] = []
        self._rounds: asyncio.Task[None] | None = None

    async def join(self, one: T) -> None:
        """Wait until it is done for this one. Raises what the round raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._gathered.append((one, done))
        if self._rounds is None:
            self._rounds = loop.create_task(self._go_round())
        await done

    async def _go_round(self) -> None:
        try:
            while self._gathered:
                now, self._gathered = self._gathered[:_MOST], self._gathered[_MOST:]
                fault = await self._fault_of([one for one, _ in now])
                for _, done in now:
                    _settle(done, fault)
        finally:
            self._rounds = None

    async def _fault_of(self, now: list[T]) -> Exception | None:
        try:
            await self._act(now)
        except Exception as fault:
            return fault
        return None


def _settle(done: asyncio.Future[None], fault: Exception | None) -> None:
    """Tell one of the round; whoever was cut off meanwhile no longer listens."""
    if done.done():
        return
    if fault:
        done.set_exception(fault)
    else:
        done.set_result(None)

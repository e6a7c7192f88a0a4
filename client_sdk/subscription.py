"""The events of a client, seen from now on."""

import asyncio
from typing import Generic, TypeVar

from client_sdk.pushes import Push

E = TypeVar("E", bound=Push)


class Subscription(Generic[E]):
    """An async iterator over the events of some kinds; it ends when the client does."""

    def __init__(self, kinds: tuple[type[E], ...]) -> None:
        self._kinds = kinds
        self._queue: asyncio.Queue[E | None] = asyncio.Queue()

    def put(self, event: Push) -> None:
        """Keep an event for whoever iterates, if it is of a kind that is wanted."""
        if isinstance(event, self._kinds):
            self._queue.put_nowait(event)

    def end(self) -> None:
        """Let the iteration end after what is already here."""
        self._queue.put_nowait(None)

    def __aiter__(self) -> "Subscription[E]":
        return self

    async def __anext__(self) -> E:
        event = await self._queue.get()
        if event is None:
            self.end()
            raise StopAsyncIteration
        return event

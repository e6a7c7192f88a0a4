"""A message on its way."""

import asyncio
from collections.abc import Generator
from typing import Any

from client_sdk.types import Sent


class Draft:
    """A message on its way: `await draft` waits until it has arrived, and returns where it stands.

    Raises what the server refuses it with; or ConnectionLost or SessionEnded when the client is closed before.
    """

    def __init__(self, user_id: int, text: str, random_id: int, *, drawn: bool, number: int | None = None) -> None:
        self.user_id = user_id
        self.text = text
        self.random_id = random_id
        self.drawn = drawn
        """Whether the outbox chose the `random_id`, and may choose another."""
        self.number = number
        """Under which it stands in the outbox's file."""
        self._end: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self._end.add_done_callback(lambda end: end.exception())  # nobody has to wait for it

    def __repr__(self) -> str:
        return f"<Draft to {self.user_id}, random_id {self.random_id}>"

    def __await__(self) -> Generator[Any, None, Sent]:
        return asyncio.shield(self._end).__await__()

    @property
    def done(self) -> bool:
        """Whether it has arrived, or never will."""
        return self._end.done()

    async def settled(self) -> None:
        """Wait until it is done, well or badly."""
        await asyncio.wait([self._end])

    def succeed(self, sent: Sent) -> None:
        """Say that it has arrived."""
        self._end.set_result(sent)

    def fail(self, error: Exception) -> None:
        """Say that it never will."""
        if not self._end.done():
            self._end.set_exception(error)

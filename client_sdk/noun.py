"""What the methods of every noun stand on."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from client_sdk.errors import MatchaError

if TYPE_CHECKING:
    from client_sdk.client import Client

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MOST = 50
"""The longest page that the server gives."""


class Paged(Protocol[T_co]):
    """A page of a list, and where the next one begins; None at the end."""

    @property
    def cursor(self) -> str | None:
        """What to ask for the next page with."""

    def __iter__(self) -> Iterator[T_co]: ...


def draw() -> int:
    """Return any int32, for a `random_id`."""
    return secrets.randbits(32) - 2**31


async def each(page: Callable[[str | None], Awaitable[Paged[T]]], cursor: str | None = None) -> AsyncIterator[T]:
    """Yield everything of a list whose pages are got by their cursor, from the first one on."""
    while True:
        part = await page(cursor)
        for item in part:
            yield item
        cursor = part.cursor
        if cursor is None:
            return


class Noun:
    """The events about one thing, called through a client."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    async def _once(self, answer: type[T], event: str, /, **fields: Any) -> T:
        """Call an event that does something new each time."""
        return _typed(answer, event, await self._client.call(event, **fields))

    async def _again(self, answer: type[T], event: str, /, **fields: Any) -> T:
        """Call an event that may be repeated, so that a lost connection does not matter."""
        return _typed(answer, event, await self._client.insist(event, **fields))


def _typed(answer: type[T], event: str, data: Any) -> T:
    try:
        return msgspec.convert(data, answer)
    except msgspec.ValidationError as error:
        raise MatchaError(f"The server's answer to {event} is not understood: {error}") from error

"""What the methods of every noun stand on."""

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from client_sdk.errors import MatchaError

if TYPE_CHECKING:
    from client_sdk.client import Client

T = TypeVar("T")


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

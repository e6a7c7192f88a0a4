"""Messages between two connected people."""

import secrets

from msgspec import UNSET, UnsetType

from client_sdk.errors import AlreadyExists
from client_sdk.noun import Noun
from client_sdk.types import History, Sent


class Messages(Noun):
    """Messages."""

    async def send(self, user_id: int, text: str, random_id: int | None = None) -> Sent:
        """Send a text; it arrives once, however often the connection is lost on the way.

        Raises Blacklisted, NotFound, NotConnected, RateLimited, and AlreadyExists for another text's `random_id`.
        """
        if random_id is not None:
            return await self._send(user_id, text, random_id)
        while True:
            try:
                return await self._send(user_id, text, _draw())
            except AlreadyExists:
                continue  # that number was used for another text, long ago

    async def history(
        self,
        user_id: int,
        before: int | UnsetType = UNSET,
        after: int | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
    ) -> History:
        """Return messages, newest first, or with `after` (a `seq`) oldest first. Raises NotFound, NotConnected."""
        return await self._again(
            History, "message/history", target_user_id=user_id, before=before, after=after, limit=limit
        )

    async def read(self, user_id: int, seq: int) -> None:
        """Say that everything up to `seq` was read. Raises NotFound, NotConnected."""
        await self._client.insist("message/read", target_user_id=user_id, seq=seq)

    async def typing(self, user_id: int) -> None:
        """Let somebody know that one is writing to them. Raises NotFound, NotConnected."""
        await self._client.call("message/typing", target_user_id=user_id)

    async def _send(self, user_id: int, text: str, random_id: int) -> Sent:
        return await self._again(Sent, "message/send", target_user_id=user_id, message=text, random_id=random_id)


def _draw() -> int:
    """Return any int32."""
    return secrets.randbits(32) - 2**31

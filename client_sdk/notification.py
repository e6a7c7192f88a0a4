"""Notifications: what happened to one, and the nudge, which makes one for somebody else."""

from collections.abc import AsyncIterator

from msgspec import UNSET, UnsetType

from client_sdk.noun import MOST, Noun, draw, each
from client_sdk.types import Notice, Notices, UnreadLeft


class Notifications(Noun):
    """Notifications."""

    async def nudge(self, user_id: int, random_id: int | None = None) -> None:
        """Let someone know that one thinks of them; it arrives once, however often the connection is lost on the way.

        Once a day and person; a `random_id` that was used before does nothing more. Raises NotFound, PhotoRequired,
        RateLimited.
        """
        number = draw() if random_id is None else random_id
        await self._client.insist("notifications", user_id=user_id, random_id=number)

    async def list(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Notices:
        """Return a page of what happened to one, newest first; `limit` is 1 to 50, or 20. Raises InvalidPayload."""
        return await self._again(Notices, "notifications/list", limit=limit, cursor=cursor or UNSET)

    def all(self) -> AsyncIterator[Notice]:
        """Yield all that happened to one, newest first."""
        return each(lambda cursor: self.list(MOST, cursor))

    async def read(self, seq: int) -> int:
        """Mark as read what was told up to `seq`, a notification's, and return how many are still unread."""
        return (await self._again(UnreadLeft, "notifications/read", seq=seq)).unread

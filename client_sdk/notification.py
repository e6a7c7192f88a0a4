"""Notifications: what happened to one, and the nudge, which makes one for somebody else."""

import secrets

from msgspec import UNSET, UnsetType

from client_sdk.noun import Noun
from client_sdk.types import Notices, UnreadLeft


class Notifications(Noun):
    """Notifications."""

    async def nudge(self, user_id: int, random_id: int | None = None) -> None:
        """Let someone know that one thinks of them; it arrives once, however often the connection is lost on the way.

        Raises NotFound, PhotoRequired, RateLimited.
        """
        number = secrets.randbits(32) - 2**31 if random_id is None else random_id
        await self._client.insist("notifications", user_id=user_id, random_id=number)

    async def list(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Notices:
        """Return a page of what happened to one, newest first."""
        return await self._again(Notices, "notifications/list", limit=limit, cursor=cursor or UNSET)

    async def read(self, seq: int) -> int:
        """Mark as read what was told up to `seq`, and return how many notifications are still unread."""
        return (await self._again(UnreadLeft, "notifications/read", seq=seq)).unread

"""Visits: who looked at one's profile."""

from collections.abc import AsyncIterator

from msgspec import UNSET, UnsetType

from client_sdk.noun import MOST, Noun, each
from client_sdk.types import Visit, Visits


class Visitors(Noun):
    """Those who visited the caller; looking at someone is `client.profile.get`."""

    async def history(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Visits:
        """Return a page of the people who looked at one's profile, newest first, each once with the last time.

        `limit` is 1 to 50, or 20. Raises InvalidPayload.
        """
        return await self._again(Visits, "user/history", limit=limit, cursor=cursor or UNSET)

    def all(self) -> AsyncIterator[Visit]:
        """Yield everyone who looked at one's profile, newest first."""
        return each(lambda cursor: self.history(MOST, cursor))

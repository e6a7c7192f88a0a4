"""Visits: who looked at one's profile."""

from msgspec import UNSET, UnsetType

from client_sdk.noun import Noun
from client_sdk.types import Visits


class Visitors(Noun):
    """Those who visited the caller; looking at someone is `client.profile.get`."""

    async def history(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Visits:
        """Return a page of the people who looked at one's profile, newest first, each once with the last time."""
        return await self._again(Visits, "user/history", limit=limit, cursor=cursor or UNSET)

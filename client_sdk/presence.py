"""Being here, and seeing who else is."""

from collections.abc import Sequence

from client_sdk.noun import Noun
from client_sdk.types import Watched


class Presences(Noun):
    """Presence."""

    async def online(self) -> None:
        """Be here for five minutes, socket or not, and no longer away. Raises Unavailable."""
        await self._client.insist("user/set_online")

    async def offline(self) -> None:
        """Be away until `online` or the next connection. Raises Unavailable."""
        await self._client.insist("user/set_offline")

    async def watch(self, user_ids: Sequence[int]) -> Watched:
        """Return how connected people stand, and be pushed `Presence` when that changes, until the next call.

        A connection that was lost watches nobody when it is back: watch again.
        """
        return await self._again(Watched, "presence/watch", user_ids=user_ids)

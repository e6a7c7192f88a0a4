"""Places."""

from client_sdk.noun import Noun
from client_sdk.types import Places


class Towns(Noun):
    """The towns of the world."""

    async def complete(self, prefix: str) -> Places:
        """Return the largest towns with a name that begins so; their `place_id` is one to search from."""
        return await self._again(Places, "places", prefix=prefix)

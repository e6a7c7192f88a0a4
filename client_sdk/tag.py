"""Tags."""

from client_sdk.noun import Noun
from client_sdk.types import TagCounts


class Tags(Noun):
    """The tags that people use."""

    async def complete(self, prefix: str) -> TagCounts:
        """Return the tags that begin so, most used first; none that fewer than 5 people use."""
        return await self._again(TagCounts, "tags", prefix=prefix)

"""The search for people."""

from collections.abc import AsyncIterator, Sequence
from typing import TypedDict, Unpack

from client_sdk.noun import Noun
from client_sdk.types import Card, Page


class Filters(TypedDict, total=False):
    """What to look for; `sort_by`: 0 recommended, 1 distance, 2 age, 3 fame, 4 common tags.

    `online`: only those who are seen to be there, or (False) not to be. `place_id`: from that town, not from home.
    """

    sort_by: int
    order: str
    age_min: int
    age_max: int
    distance_max: int
    fame_min: int
    fame_max: int
    tags: Sequence[str]
    common_tags_min: int
    online: bool
    place_id: int
    limit: int
    cursor: str | None


class Research(Noun):
    """The search."""

    async def search(self, **filters: Unpack[Filters]) -> Page:
        """Return a page of people; its `cursor` with the same filters gives the next one.

        Raises RateLimited, InvalidPayload (a town that there is not, an old cursor), Unavailable.
        """
        return await self._again(Page, "research", **filters)

    async def all(self, **filters: Unpack[Filters]) -> AsyncIterator[Card]:
        """Yield everyone found, page by page."""
        while True:
            page = await self.search(**filters)
            for card in page:
                yield card
            if page.cursor is None:
                return
            filters["cursor"] = page.cursor

"""The search for people."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypedDict, Unpack

from client_sdk.noun import Noun, each
from client_sdk.types import Card, Page


class Filters(TypedDict, total=False):
    """What to look for; `sort_by`: 0 recommended, 1 distance, 2 age, 3 fame, 4 common tags; `order`: `asc`, `desc`.

    Ages are in years, distances in km, fame is 0 to 100; `tags` must all be there. `online`: only those who are seen to
    be there, or (False) not to be. `place_id`: from that town, not from home. `limit`: 1 to 50, or 20.
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

        Raises RateLimited, InvalidPayload (a town that there is not, a cursor of more than an hour ago), Unavailable.
        """
        return await self._again(Page, "research", **filters)

    def all(self, **filters: Unpack[Filters]) -> AsyncIterator[Card]:
        """Yield everyone found, page by page; each page counts as a search. Raises what `search` raises."""

        def page(cursor: str | None) -> Awaitable[Page]:
            filters["cursor"] = cursor
            return self.search(**filters)

        return each(page, filters.get("cursor"))

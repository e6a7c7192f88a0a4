"""Looking people up in an order, stretch by stretch, until there are enough, nobody is left, or time is short."""

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

from handlers.matching.plan import Group, Outlook, bounds_of, followed, stretch
from sql import research
from sql.candidate import LEVELS, SLOTS
from sql.research import BUCKETS, Found, Left, Search, Step
from sql.transaction import Tx

PLACED, PLACELESS = 240, 60
"""How many make a pool: of those whose distance is known the nearest, and some of those of whom it is not."""

_SHORT_ENOUGH = 30_000
"""So many people are looked at for common tags before the ways by single tags, which are longer."""

_UNBOUNDED = 1_000_000
_BEFORE_ALL = -1
_AFTER_ALL = (BUCKETS + 1) * SLOTS


_BOUND_BY = {f"c{level}": {"distance_max"} for level in LEVELS} | {
    "tag": {"tags"},
    "born": {"age_min", "age_max"},
    "fame": {"fame_min", "fame_max"},
}
"""The filters that an index has seen to."""


class Seen(NamedTuple):
    """Who comes next; where to go on, if there may be more; and whether it stopped for want of time."""

    people: list[Found]
    rest: "Found | Pool | None"
    pool: "Pool | None" = None
    partial: bool = False


class Pool(NamedTuple):
    """Between which places a pool lies, of those whose distance is known and of the others, the ends within.

    An end is None as long as it is not known. `last`: who of it was shown last.
    """

    placed: tuple[int, int | None]
    placeless: tuple[int, int | None]
    last: Found | None = None


FIRST_POOL = Pool((_BEFORE_ALL, None), (_BEFORE_ALL, None))


class Look:
    """One search, as long as it takes."""

    def __init__(self, tx: Tx, search: Search, outlook: Outlook, *, order: str, budget: float, at_most: float) -> None:
        self._tx = tx
        self._search = search
        self._outlook = outlook
        self._order = order
        self._until = _time() + budget
        self._at_most = _time() + at_most

    def is_late(self, found: object) -> bool:
        """Tell whether time is short; as long as nobody was found there is more of it: an empty page is the truth."""
        return _time() > (self._until if found else self._at_most)

    # -- sorts 1 to 4 --------------------------------------------------------------------------------------------------

    async def list_sorted(self, sort_by: int, after: Found | None, wanted: int) -> Seen:
        """Return the next so many in an order by value and tie."""
        groups, found = self._groups(sort_by), list[Found]()
        at, tie = _begin(groups, after) if after else (0, 0)
        while at < len(groups):
            limit = wanted - len(found)
            planned = stretch(groups, at, tie, wanted=limit, key=self._search.key)
            found += await research.list_found(
                self._tx,
                search=self._search,
                step=planned.step,
                sort_by=sort_by,
                order=self._order,
                after=after,
                limit=limit,
            )
            if len(found) == wanted:
                return Seen(found, found[-1])
            at, tie = planned.end, planned.end_tie
            if self.is_late(found) and at < len(groups):
                return Seen(found, Found(0, bounds_of(groups)[at][0], tie - 1), partial=True)
        return Seen(found, None)

    def _groups(self, sort_by: int) -> Sequence[Group]:
        outlook = self._outlook
        short = outlook.shortcut(most=_SHORT_ENOUGH) if sort_by == 4 else outlook.shortcut()
        if short is not None:
            return [short]
        if sort_by == 4:
            groups = outlook.by_common_tags()
            return groups if self._order == "DESC" else groups[::-1]
        known, unknown = {
            1: (outlook.by_distance, outlook.of_unknown_distance),
            2: (outlook.by_age, outlook.of_unknown_age),
            3: (outlook.by_fame, list[Group]),
        }[sort_by]
        last = list(unknown())
        if self._order == "DESC":
            return [*known()[::-1], *last]
        return followed(known(), last)

    # -- what the filters leave ----------------------------------------------------------------------------------------

    async def count_left(self, given: Collection[str]) -> Left:
        """Return how many each filter leaves; those of all people are counted among some, and multiplied."""
        step, times = self._outlook.everybody()
        some = await research.count_left(self._tx, search=self._search, step=step)
        after, without = ({name: times * count for name, count in counts.items()} for counts in some)
        if (short := self._outlook.shortcut()) is not None:
            exact = await research.count_left(self._tx, search=self._search, step=Step(short.by, short.keys))
            bound = _BOUND_BY[short.by] & set(given)
            names = list(after)
            for place, name in enumerate(names):
                if bound <= set(names[: place + 1]):
                    after[name] = exact.after[name]
                if name not in bound:
                    without[name] = exact.without[name]
        return Left(after, without)

    # -- sort 0 --------------------------------------------------------------------------------------------------------

    async def list_best(self, pool: Pool, wanted: int) -> Seen:
        """Return the next so many of a pool by score; `rest` is the next pool if this one has no more."""
        rows, pool, is_late = await self._list_pool(pool, wanted)
        if len(rows) == wanted:
            return Seen(rows, pool._replace(last=rows[-1]), pool)
        assert pool.placed[1] is not None and pool.placeless[1] is not None
        if pool.placed[1] == pool.placeless[1] == _AFTER_ALL:
            return Seen(rows, None, pool)
        return Seen(rows, Pool((pool.placed[1], None), (pool.placeless[1], None)), pool, partial=is_late)

    async def _list_pool(self, pool: Pool, wanted: int) -> tuple[list[Found], Pool, bool]:
        """Return the best of a pool, and the pool with its ends."""
        placed, placeless = self._parts()
        most = (PLACED, PLACELESS) if placed else (0, PLACED + PLACELESS)
        parts = (
            self._list_part(placed, pool.placed, most[0], pool.last, wanted),
            self._list_part(placeless, pool.placeless, most[1], pool.last, wanted),
        )
        both = await asyncio.gather(*parts) if self._tx.only_reads else [await part for part in parts]
        (near, placed_end, is_late), (far, placeless_end, is_later) = both
        sign = 1 if self._order == "ASC" else -1
        ordered = sorted([*near, *far], key=lambda row: (sign * row.value, row.tie))[:wanted]
        pool = pool._replace(placed=(pool.placed[0], placed_end), placeless=(pool.placeless[0], placeless_end))
        return ordered, pool, is_late or is_later

    def _parts(self) -> tuple[Sequence[Group], Sequence[Group]]:
        placed, placeless = self._outlook.by_distance(), self._outlook.of_unknown_distance()
        if (short := self._outlook.shortcut()) is None:
            return placed, placeless
        return (
            [short._replace(least=0, most=BUCKETS - 1)] if placed else [],
            [short._replace(least=BUCKETS, most=BUCKETS)] if placeless else [],
        )

    async def _list_part(
        self, groups: Sequence[Group], between: tuple[int, int | None], most: int, after: Found | None, wanted: int
    ) -> tuple[list[Found], int, bool]:
        """Return the best of one part of a pool, where it ends, and whether it ends there for want of time."""
        (start, end), rows, people = between, list[Found](), 0
        at, tie = _begin(groups, Found(0, *divmod(start, SLOTS))) if start >= 0 else (0, 0)
        while at < len(groups) and (end is None or _place(groups, at, tie) <= end):
            left = _UNBOUNDED if end is not None else most - people
            planned = stretch(groups, at, tie, wanted=min(left, most), key=self._search.key)
            last = _place(groups, planned.end, planned.end_tie) - 1
            first, last = max(start + 1, _place(groups, at, tie)), last if end is None else min(last, end)
            best = await research.list_pool(
                self._tx,
                search=self._search,
                step=planned.step._replace(least=first, most=last),
                pool=left,
                order=self._order,
                after=after,
                limit=wanted,
            )
            rows += best.ranked
            people += best.people
            if end is None and people >= most:
                return rows, _AFTER_ALL if best.end is None else best.end, False
            at, tie = planned.end, planned.end_tie
            if end is None and self.is_late(rows) and at < len(groups):
                return rows, _place(groups, at, tie) - 1, True
        return rows, _AFTER_ALL if end is None else end, False


def _begin(groups: Sequence[Group], after: Found) -> tuple[int, int]:
    """Return the group and the tie to go on with after a place."""
    for at, (least, most) in enumerate(bounds_of(groups)):
        if least <= after.value <= most:
            if least < most:
                return at, 0
            return (at, after.tie + 1) if after.tie + 1 < SLOTS else (at + 1, 0)
    return len(groups), 0


def _place(groups: Sequence[Group], at: int, tie: int) -> int:
    """Return the place in a pool's order at which a group, and a tie in it, begin."""
    bounds = bounds_of(groups)
    return bounds[at][0] * SLOTS + tie if at < len(bounds) else (bounds[-1][1] + 1) * SLOTS


def _time() -> float:
    return asyncio.get_running_loop().time()

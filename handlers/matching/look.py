"""Looking people up in an order, stretch by stretch, until there are enough, nobody is left, or time is short."""

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

from handlers.matching.outlook import Outlook
from handlers.matching.plan import Group, Stretch, bounds_of, followed, stretch
from sql import research
from sql.candidate import LEVELS, SLOTS
from sql.eligible import BUCKETS
from sql.research import Found, Left, Search, Step
from sql.transaction import Tx

PLACED, PLACELESS = 100, 20
"""How many make a pool: of those whose distance is known the nearest, and some of those of whom it is not."""

_SHORT_ENOUGH = 30_000
"""So many people are looked at for common tags before the ways by single tags, which are longer."""

_UNBOUNDED = 1_000_000
_BEFORE_ALL = -1
_AFTER_ALL = (BUCKETS + 1) * SLOTS


_BOUND_BY = {f"c{level}": {"distance_max"} for level in LEVELS} | {
    "tag": {"tags", "common_tags_min"},
    "born": {"age_min", "age_max"},
    "fame": {"fame_min", "fame_max"},
}
"""The filters that an index has seen to; whether people are online is none of those that are counted."""


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
        at, tie = _begin(groups, after, is_rising=self._order == "ASC") if after else (0, 0)
        looks = 0
        while at < len(groups):
            limit = wanted - len(found)
            planned = stretch(groups, at, tie, wanted=limit, key=self._search.key, looks=looks)
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
            looks = looks + 1 if planned.end == at else 0
            at, tie = planned.end, planned.end_tie
            if self.is_late(found) and at < len(groups):
                return Seen(found, Found(0, bounds_of(groups)[at][0], tie - 1), partial=True)
        return Seen(found, None)

    def _groups(self, sort_by: int) -> Sequence[Group]:
        outlook = self._outlook
        if outlook.is_in_vain:
            return []
        short = outlook.shortcut(most=_SHORT_ENOUGH if sort_by == 4 else 0, is_by_place=sort_by == 1)
        if sort_by == 4:
            groups = outlook.by_common_tags(short)
            return groups if self._order == "DESC" else groups[::-1]
        if short is not None:
            return [short]
        if sort_by == 1:
            known = outlook.by_distance() if self._order == "ASC" else outlook.farthest_first()
            return followed(known, outlook.of_unknown_distance())
        by_value = outlook.by_age() if sort_by == 2 else outlook.by_fame()
        return [*by_value[:: 1 if self._order == "ASC" else -1], *(outlook.of_unknown_age() if sort_by == 2 else [])]

    # -- what the filters leave ----------------------------------------------------------------------------------------

    async def count_left(self, given: Collection[str]) -> Left:
        """Return how many each filter leaves; those of all people are counted among some, and multiplied."""
        step, times = self._outlook.everybody()
        some = await research.count_left(self._tx, search=self._search, step=step)
        after, without = ({name: times * count for name, count in counts.items()} for counts in some)
        if (short := self._outlook.shortcut()) is not None and short.by in _BOUND_BY:
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
        near, far = _Part(placed, pool.placed, most[0]), _Part(placeless, pool.placeless, most[1])
        rows = list[Found]()
        while not (near.is_done and far.is_done):
            rows += await self._look_at(near, far, pool.last, wanted)
            if self.is_late(rows):
                near.stop()
                far.stop()
        sign = 1 if self._order == "ASC" else -1
        rows.sort(key=lambda row: (sign * row.value, row.tie))
        pool = pool._replace(placed=(pool.placed[0], near.end), placeless=(pool.placeless[0], far.end))
        return rows[:wanted], pool, near.is_cut or far.is_cut

    async def _look_at(self, near: "_Part", far: "_Part", after: Found | None, wanted: int) -> list[Found]:
        """Look at the next step of each part."""
        best = await research.list_pool(
            self._tx,
            search=self._search,
            placed=near.next(self._search.key),
            pool=near.left,
            placeless=far.next(self._search.key),
            far_pool=far.left,
            order=self._order,
            after=after,
            limit=wanted,
        )
        near.note(best.placed, best.placed_end)
        far.note(best.placeless, best.placeless_end)
        return best.ranked

    def _parts(self) -> tuple[Sequence[Group], Sequence[Group]]:
        if self._outlook.is_in_vain:
            return [], []
        placed, placeless = self._outlook.by_distance(), self._outlook.of_unknown_distance()
        if (short := self._outlook.shortcut()) is None:
            return placed, placeless
        if placed and placeless and self._outlook.is_shorter(placeless[0], PLACELESS, short):
            return [short._replace(least=0, most=BUCKETS - 1)], placeless
        return (
            [short._replace(least=0, most=BUCKETS - 1)] if placed else [],
            [short._replace(least=BUCKETS, most=BUCKETS)] if placeless else [],
        )


class _Part:
    """One part of a pool while it is looked through: those whose distance is known, or the others."""

    def __init__(self, groups: Sequence[Group], between: tuple[int, int | None], most: int) -> None:
        self._groups = groups
        self._start, self._end = between
        self._left = most
        self._most = most
        self._at, self._tie = (0, 0)
        if self._start >= 0:
            self._at, self._tie = _begin(groups, Found(0, *divmod(self._start, SLOTS)), is_rising=True)
        self._looks = 0
        self._planned: Stretch | None = None
        self.is_cut = False
        """Whether it ends there for want of time."""
        self.end: int | None = None
        """Where it ends, once that is known."""
        self._see()

    @property
    def is_done(self) -> bool:
        """Tell whether all of it was looked at."""
        return self.end is not None

    @property
    def left(self) -> int:
        """How many more it takes, at most."""
        return self._left if self._end is None else _UNBOUNDED

    def next(self, key: int) -> Step | None:
        """Return the next step; none if it is done."""
        if self.is_done:
            return None
        wanted = min(self.left, self._most)
        self._planned = planned = stretch(self._groups, self._at, self._tie, wanted=wanted, key=key, looks=self._looks)
        last = _place(self._groups, planned.end, planned.end_tie) - 1
        first = max(self._start + 1, _place(self._groups, self._at, self._tie))
        return planned.step._replace(least=first, most=last if self._end is None else min(last, self._end))

    def note(self, people: int, last: int | None) -> None:
        """Take down how many the step has found, and the place of the last one."""
        if self.is_done or self._planned is None:
            return
        self._left -= people
        if self._end is None and self._left <= 0:
            self.end = last
            return
        self._looks = self._looks + 1 if self._planned.end == self._at else 0
        self._at, self._tie = self._planned.end, self._planned.end_tie
        self._see()

    def _see(self) -> None:
        if self._at >= len(self._groups):
            self.end = _AFTER_ALL if self._end is None else self._end
        elif self._end is not None and _place(self._groups, self._at, self._tie) > self._end:
            self.end = self._end

    def stop(self) -> None:
        """Let it end here; where it was to end, far more may live by now than do in a pool."""
        if not self.is_done:
            self.end, self.is_cut = _place(self._groups, self._at, self._tie) - 1, True


def _begin(groups: Sequence[Group], after: Found, *, is_rising: bool) -> tuple[int, int]:
    """Return the group and the tie to go on with after a place; by now there may be no group with that value."""
    for at, (least, most) in enumerate(bounds_of(groups)):
        if least > after.value if is_rising else most < after.value:
            return at, 0
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

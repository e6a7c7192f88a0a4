"""A sample of those whom search finds, in memory: how many live about where, how old they are, what they like.

Nothing that anybody is shown depends on it; it tells only how much to look at in one go. Empty, it tells of nobody.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sql import candidate
from sql.candidate import LEVELS, SLOTS, Seen

_PEOPLE = 16_384
"""So many at most, however many there are."""
_PAGE = 500


class Sample:
    """Counts, each to be multiplied by `rate`."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.genders: Counter[int] = Counter()
        self.born: Counter[int] = Counter()
        self.fame: Counter[int] = Counter()
        self.tags: Counter[str] = Counter()
        self._cells: dict[int, Counter[tuple[int, int]]] = {level: Counter() for level in LEVELS}

    async def load(self, read: Callable[[Callable[..., Awaitable[Any]]], Awaitable[Any]]) -> None:
        """Draw a sample anew: all of those with the least slots, fewer of them the more people there are."""
        drawn, below, after = Sample(), SLOTS, 0
        seen: list[Seen] = []
        while page := await read(
            lambda tx, after=after, below=below: candidate.list_sample(tx, after=after, below=below, limit=_PAGE)
        ):
            seen += page
            after = page[-1].slot
            if len(seen) >= _PEOPLE:
                below = after
        drawn._count(seen, SLOTS / below)
        vars(self).update(vars(drawn))

    def _count(self, seen: Iterable[Seen], rate: float) -> None:
        self.rate = rate
        for one in seen:
            self.genders[one.gender] += 1
            self.born[one.born] += 1
            self.fame[one.fame] += 1
            self.tags.update(one.tags.split(",") if one.tags else ())
            for level, cell in zip(LEVELS, one[4:10], strict=True):
                self._cells[level][cell, one.gender] += 1

    def people(self, level: int, cells: Iterable[int], genders: Iterable[int]) -> float:
        """Return about how many people of these genders there are in these cells."""
        counts, wanted = self._cells[level], tuple(genders)
        return self.rate * sum(counts[cell, gender] for cell in cells for gender in wanted if (cell, gender) in counts)

    def everybody(self, genders: Iterable[int]) -> float:
        """Return about how many people of these genders there are."""
        return self.rate * sum(self.genders[gender] for gender in genders)

    def share(self, counts: Counter[Any], keys: Iterable[Any]) -> float:
        """Return what share of all people has one of these keys; never none, for few are too few to be in a sample."""
        total = self.genders.total()
        return max(sum(counts[key] for key in keys), 0.5) / total if total else 1.0

"""A sample of those whom search finds, in memory: how many live about where, how old they are, what they like.

Nothing that anybody is shown depends on it; it tells only how much to look at in one go. Empty, it tells of nobody.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sql import candidate
from sql.candidate import LEVELS, SLOTS, Seen, keys_of

_PEOPLE = 32_768
"""So many at most, however many there are."""
_PAGE = 500


class Sample:
    """Counts, each to be multiplied by `rate`."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.kinds: Counter[int] = Counter()
        self.born: Counter[int] = Counter()
        self.fame: Counter[int] = Counter()
        self.tags: Counter[str] = Counter()
        self._keys: Counter[int] = Counter()
        """Of tags, and of two together."""
        self._cells: dict[int, dict[int, dict[int, int]]] = {level: {} for level in LEVELS}
        """By level and cell: how many of each kind."""
        self._points: dict[int, NDArray[np.float64]] = {}
        """By kind: where they are, as rows of unit vectors."""

    async def load(self, read: Callable[[Callable[..., Awaitable[Any]]], Awaitable[Any]]) -> None:
        """Draw a sample anew: all of those with the least slots, fewer of them the more people there are."""
        drawn, below, after, count = Sample(), SLOTS, 0, 0
        points: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        while page := await read(
            lambda tx, after=after, below=below: candidate.list_sample(tx, after=after, below=below, limit=_PAGE)
        ):
            drawn._count(page)
            for one in page:
                if one.x is not None:
                    points[one.kind].append((one.x, one.y, one.z))
            count += len(page)
            after = page[-1].slot
            if count >= _PEOPLE:
                below = after
        drawn.rate = SLOTS / below
        drawn._points = {kind: np.array(rows) for kind, rows in points.items()}
        vars(self).update(vars(drawn))

    def _count(self, seen: Iterable[Seen]) -> None:
        for one in seen:
            self.kinds[one.kind] += 1
            self.born[one.born] += 1
            self.fame[one.fame] += 1
            tags = one.tags.split(",") if one.tags else []
            self.tags.update(tags)
            self._keys.update(keys_of(tags))
            for level, cell in zip(LEVELS, one.cells, strict=True):
                there = self._cells[level].setdefault(cell, {})
                there[one.kind] = there.get(one.kind, 0) + 1

    def people(self, level: int, cells: Iterable[int], kinds: Iterable[int]) -> float:
        """Return about how many people of these kinds there are in these cells."""
        populated, wanted, count = self._cells[level], frozenset(kinds), 0
        for cell in cells:
            if (there := populated.get(cell)) is not None:
                count += sum(number for kind, number in there.items() if kind in wanted)
        return self.rate * count

    def within(self, middle: Sequence[float], cosines: Iterable[float], kinds: Iterable[int]) -> list[float]:
        """Return about how many people of these kinds there are within each of these angles of a unit vector."""
        points = [self._points[kind] for kind in kinds if kind in self._points]
        near = np.concatenate(points) @ np.array(middle) if points else np.empty(0)
        return [self.rate * int(np.count_nonzero(near >= cosine)) for cosine in cosines]

    def tagged(self, keys: Iterable[int]) -> float:
        """Return about how many times people have one of these tags, or two."""
        return self.rate * sum(max(self._keys[key], 0.5) for key in keys)

    def everybody(self, kinds: Iterable[int]) -> float:
        """Return about how many people of these kinds there are."""
        return self.rate * sum(self.kinds[kind] for kind in kinds)

    @property
    def everybody_at_all(self) -> float:
        """About how many people there are."""
        return self.rate * self.kinds.total()

    def share(self, counts: Counter[Any], keys: Iterable[Any]) -> float:
        """Return what share of all people has one of these keys; never none, for few are too few to be in a sample."""
        total = self.kinds.total()
        return max(sum(counts[key] for key in keys), 0.5) / total if total else 1.0


def kinds_of(genders: Iterable[int], own_gender: int | None = None) -> tuple[int, ...]:
    """Return the kinds of people of these genders, or those of them who seek the own one.

    A kind is gender times 8 plus those sought.
    """
    return tuple(
        gender * 8 + sex for gender in genders for sex in range(8) if own_gender is None or not sex or sex & own_gender
    )

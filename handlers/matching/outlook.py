"""What leads to those who are looked for: which indexes, by which keys, and to how many people."""

import math
from collections.abc import Collection, Sequence
from datetime import date
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from handlers.matching import plan
from handlers.matching.age import AGES, months
from handlers.matching.distance import COSINES, EDGES, Vector
from handlers.matching.grid import LEVEL_OF, area_share, beyond, covers, inner, ring, spots
from handlers.matching.plan import Group, Groups, followed
from server.ephemeral.presence import Here
from server.ephemeral.sample import Sample, kinds_of
from sql.candidate import NOWHERE, SLOTS, key_of
from sql.eligible import OUTSIDE
from sql.research import Step

_SOME = 2000
"""So many are counted to know how many fit of all."""
_SHORT_ENOUGH = 60_000
"""A way that is not longer is gone where hardly anybody fits."""
_CHEAPER = 4
"""So many times as many are looked at in the same time, if what the index knows tells of most that they don't fit."""
_DEARER = 8
"""So many times as long it takes to look at somebody whom a tag leads to: all but the tags stands somewhere else."""
_MOST_PEOPLE = 0.3
"""Where so large a share of those who are found is wanted, there is no need to look more closely."""
_LAST = len(EDGES) - 1
_NEAR = 3
"""The last bucket that has but few cells of 1 km."""
_AROUND = range(3, 6)
"""The buckets around a town or a metropolis."""
_ALL = -(10**6), 10**6


class Filters(NamedTuple):
    """What bounds those who are looked for, as far as it matters here."""

    genders: tuple[int, ...]
    own_gender: int
    today: date
    age_min: int | None = None
    age_max: int | None = None
    bucket: int | None = None
    """The last bucket of distance within reach."""
    fame_min: int | None = None
    fame_max: int | None = None
    tags: tuple[str, ...] = ()
    own_tags: tuple[str, ...] = ()
    common_min: int = 0
    here: Here | None = None
    """Who is here, if only these are wanted."""


class Outlook:
    """What there is to go by for one search, and how many people that leads to."""

    def __init__(self, sample: Sample, filters: Filters, vector: Vector | None, unknown: int) -> None:
        """`unknown`: the value of those of whom it is not known."""
        self._sample = sample
        self._filters = filters
        self._vector = vector
        self._unknown = unknown
        self._kinds = kinds_of(filters.genders)
        self._everybody = sample.everybody(self._kinds)
        seeking = sample.everybody(kinds_of(filters.genders, filters.own_gender))
        self._seeking_share = max(seeking, sample.rate / 2) / self._everybody if self._everybody else 1.0
        self._months = months(filters.age_min, filters.age_max, filters.today)
        self._fame = tuple(range(filters.fame_min or 0, (100 if filters.fame_max is None else filters.fame_max) + 1))
        self._age_share = sample.share(sample.born, self._months) if self._months else 1.0
        self._fame_share = sample.share(sample.fame, self._fame) if len(self._fame) <= 100 else 1.0
        self._tag_share = math.prod(sample.share(sample.tags, (tag,)) for tag in filters.tags)
        self._likely = _distribution([sample.share(sample.tags, (tag,)) for tag in filters.own_tags])
        self._common_share = sum(self._likely[filters.common_min :]) or 1e-6

    @property
    def is_in_vain(self) -> bool:
        """Tell whether nobody can fit: no place to measure a distance from, or fewer tags than are to be shared."""
        filters = self._filters
        is_nowhere = self._vector is None and filters.bucket is not None
        return is_nowhere or filters.common_min > len(filters.own_tags)

    @property
    def _share(self) -> float:
        shares = self._age_share, self._fame_share, self._tag_share, self._common_share, self._here_share
        return self._seeking_share * math.prod(shares)

    def shortcut(self, *, most: int = 0, is_by_place: bool = True) -> Group | None:
        """Return a way to all who fit that is short enough to look at them all, if there is one; so many always are.

        `is_by_place`: without one, those who are near are looked at first.
        """
        shortest = min(self._ways(), key=_length, default=None)
        share = self._share * (1.0 if is_by_place else self._near_share)
        walk = plan.LEAST * plan.MORE / share  # so many are looked at, if it goes by the order
        if shortest is None:
            return None
        is_short = shortest.looked_at <= max(most, plan.FEW) or _length(shortest) <= min(walk, _SHORT_ENOUGH)
        return shortest if is_short else None

    def is_shorter(self, group: Group, wanted: int, shortcut: Group) -> bool:
        """Tell whether so many of a group are found sooner in the order of ties than by a shortcut."""
        share = min(1.0, wanted * plan.MORE / max(group.fitting, 1e-9))
        return group.looked_at * share / _CHEAPER <= _length(shortcut)

    def everybody(self) -> tuple[Step, int]:
        """Return some of all people, drawn by chance, and how many times as many there are."""
        times = 1 << max(0, math.ceil(math.log2(max(self._everybody, 1.0) / _SOME)))
        return Step("everybody", (), 0, SLOTS // times - 1), times

    def _ways(self) -> list[Group]:
        """Return whatever leads to all who fit."""
        filters = self._filters
        wanted = [key_of(*two) for two in combinations(filters.tags, 2)] or [key_of(tag) for tag in filters.tags]
        tags: list[tuple[int, ...]] = [(key,) for key in wanted]
        if filters.common_min and not self.is_in_vain:
            tags.append(self._keys_of(filters.common_min))
        ways = [self._way("tag", keys, self._tagged(keys)) for keys in tags]
        if self._vector and filters.bucket is not None and filters.bucket < _LAST:
            ways.append(self._way(*self._circle(filters.bucket)))
        if self._months:
            ways.append(self._way("born", self._months, self._everybody * self._age_share))
        if filters.here and filters.here.user_ids is not None:
            ways.append(self._way("user_id", filters.here.user_ids, len(filters.here.user_ids)))
        if len(self._fame) <= 100:
            ways.append(self._way("fame", self._fame, self._everybody * self._fame_share))
        return ways

    @staticmethod
    def _way(index: str, keys: tuple[object, ...], people: float) -> Group:
        return Group("alone", *_ALL, index, keys, people, 0.0)

    def _circle(self, bucket: int) -> tuple[str, tuple[int, ...], float]:
        assert self._vector is not None
        cells, level = covers(self._vector)[bucket], LEVEL_OF[bucket]
        return f"c{level}", cells, self._sample.people(level, cells, self._kinds)

    def by_distance(self) -> Sequence[Group]:
        """Return a group for each bucket of distance within reach, nearest first; nobody's distance may be known."""
        if self._vector is None:
            return []
        last = _LAST if self._filters.bucket is None else self._filters.bucket
        return Groups([(bucket, bucket) for bucket in range(last + 1)], self._at_distance)

    def farthest_first(self) -> Sequence[Group]:
        """Return the same, farthest first; where hardly anybody lives outside of one place, all of these as one."""
        groups = self.by_distance()
        for bucket in _AROUND:
            if (outside := self._outside(bucket, len(groups) - 1)) is not None:
                return followed([outside], groups[bucket::-1])
        return groups[::-1]

    def _outside(self, bucket: int, last: int) -> Group | None:
        """Return the group of all beyond a circle, if these are few and those within many."""
        if self._vector is None or last <= bucket or self._circle(bucket)[2] <= plan.FEW:
            return None
        within = inner(self._vector, bucket, 4)
        elsewhere = self._sample.people(4, (*within, NOWHERE), self._kinds)
        people = self._everybody - elsewhere
        if people > plan.FEW:
            return None
        return Group("alone", bucket + 1, last, OUTSIDE, (*within, NOWHERE), people, people * self._share)

    def _at_distance(self, bucket: int) -> Group:
        assert self._vector is not None
        inside = self._within(bucket - 1) if bucket else 0.0
        if bucket == _LAST:
            return self._far(max(self._everybody - inside, 0.0))
        circle = by, cells, people = self._circle(bucket)
        fitting = max(self._within(bucket) - inside, 0.0)
        if people > plan.FEW:
            by, cells, people = self._ring(bucket, LEVEL_OF[bucket])
            if people > plan.FEW and fitting < people * _MOST_PEOPLE:  # most of them live farther inside
                by, cells, people = self._ring(bucket, max(1, LEVEL_OF[bucket] // 4))
            if people > plan.FEW and fitting < people * _MOST_PEOPLE and bucket <= _NEAR:
                cells = spots(self._vector, bucket)
                people = self._sample.people(1, cells, self._kinds)
        return Group("circle", bucket, bucket, by, cells, people, fitting * self._share, circle)

    def _within(self, bucket: int) -> float:
        """Return about how many people there are within the circle of a bucket."""
        _, cells, people = self._circle(bucket)
        return people * area_share(bucket, len(cells)) if people <= plan.FEW else self._near[bucket]

    @cached_property
    def _near(self) -> list[float]:
        """About how many people there are within each circle: wherever in their cells they crowd."""
        assert self._vector is not None
        return self._sample.within(self._vector, COSINES, self._kinds)

    def _ring(self, bucket: int, level: int) -> tuple[str, tuple[int, ...], float]:
        assert self._vector is not None
        cells = ring(self._vector, bucket, level)
        return f"c{level}", cells, self._sample.people(level, cells, self._kinds)

    def _far(self, people: float) -> Group:
        """Return the group of those beyond the last circle: by all cells there are, if it has but few of all people."""
        assert self._vector is not None
        if people > self._everybody * _MOST_PEOPLE:
            return Group("alone", _LAST, _LAST, "everybody", (), self._everybody, people * self._share)
        return Group("alone", _LAST, _LAST, f"c{LEVEL_OF[-1]}", beyond(self._vector), people, people * self._share)

    def of_unknown_distance(self) -> list[Group]:
        """Return the group of those whose distance is not known; everybody, if that is so for the viewer."""
        if self._filters.bucket is not None:
            return []
        if self._vector is None:
            people = self._everybody
            return [Group("alone", self._unknown, self._unknown, "everybody", (), people, people * self._share)]
        people = self._sample.people(1024, (NOWHERE,), self._kinds)
        return [Group("alone", self._unknown, self._unknown, "c1024", (NOWHERE,), people, people * self._share)]

    def by_age(self) -> list[Group]:
        """Return a group for each age that fits, youngest first."""
        filters, share = self._filters, self._share / self._age_share * self._near_share
        groups = []
        for age in range(filters.age_min or AGES[0], (filters.age_max or AGES[-1]) + 1):
            keys = months(age, age, filters.today)
            people = self._everybody * self._sample.share(self._sample.born, keys)
            groups.append(Group("list", age, age, "born", keys, people, people * share))
        return groups

    def of_unknown_age(self) -> list[Group]:
        """Return the group of those whose age is not known, which no filter lets through."""
        if self._months:
            return []
        people = self._everybody * self._sample.share(self._sample.born, (0,))
        return [Group("alone", self._unknown, self._unknown, "born", (0,), people, people * self._share)]

    def by_fame(self) -> list[Group]:
        """Return a group for each fame that fits, least first."""
        groups, share = [], self._share / self._fame_share * self._near_share
        for fame in self._fame:
            people = self._everybody * self._sample.share(self._sample.fame, (fame,))
            groups.append(Group("list", fame, fame, "fame", (fame,), people, people * share))
        return groups

    def by_common_tags(self, short: Group | None = None) -> list[Group]:
        """Return a group for each number of common tags, most first; all by a shortcut, if there is one."""
        fewest = max(self._filters.common_min, len({*self._filters.tags} & {*self._filters.own_tags}))
        return [self._with_common(common, short) for common in range(len(self._filters.own_tags), fewest - 1, -1)]

    def _with_common(self, common: int, short: Group | None) -> Group:
        """Return the group of those with so many common tags."""
        share = self._share / self._common_share * self._near_share * self._likely[common]
        fitting, keys = self._everybody * share, self._keys_of(common)
        tagged, alike = self._tagged(keys), sum(self._likely[common:])
        if short and not (keys and tagged * _DEARER <= _length(short)):
            there = short.by, short.keys, short.looked_at * max(1 / _CHEAPER, alike)
            return Group("circle", common, common, *there, fitting, there)
        if keys and tagged < self._everybody:
            there = "tag", keys, max(tagged / _CHEAPER, min(tagged, self._everybody * alike))
            return Group("common", common, common, *there, fitting, there)
        return Group("alone", common, common, "everybody", (), self._everybody, fitting)

    def _keys_of(self, common: int) -> tuple[int, ...]:
        """Return what finds all who have at least so many of the own tags, and a tag that is asked for, if one is.

        Of any n tags, whoever has k has one of the n-k+1 that fewest people have, and two of the n-k+2.
        """
        uses = self._sample.tags.__getitem__
        own = sorted(self._filters.own_tags, key=uses)
        if not self._filters.tags:
            if common < 2:
                return tuple(key_of(tag) for tag in own) * common
            return tuple(key_of(*two) for two in combinations(own[: len(own) - common + 2], 2))
        wanted = min(self._filters.tags, key=uses)
        others = [tag for tag in own if tag != wanted]
        fewest = common - len(own) + len(others)
        if fewest < 1:
            return (key_of(wanted),)
        return tuple(key_of(wanted, tag) for tag in others[: len(others) - fewest + 1])

    def _tagged(self, keys: Collection[int]) -> float:
        """Return about how many times one finds people by these keys."""
        return self._sample.tagged(keys) * self._everybody / max(self._sample.everybody_at_all, 1.0)

    @property
    def _here_share(self) -> float:
        if self._filters.here is None or not self._everybody:
            return 1.0
        return min(1.0, max(self._filters.here.people, 1) / self._sample.everybody_at_all)

    @property
    def _near_share(self) -> float:
        """What share of all is within reach."""
        bucket = self._filters.bucket
        if self._vector is None or bucket is None or bucket == _LAST or not self._everybody:
            return 1.0
        return max(self._circle(bucket)[2], self._sample.rate / 2) / self._everybody


def _length(way: Group) -> float:
    """Return how long it takes to go a way, in people looked at."""
    return way.looked_at * (_DEARER if way.by == "tag" else 1)


def _distribution(shares: Sequence[float]) -> list[float]:
    """Return how likely it is that none, one, two … of these come together, were they independent."""
    likely = [1.0]
    for share in shares:
        likely = [
            (likely[n] if n < len(likely) else 0.0) * (1 - share) + (likely[n - 1] * share if n else 0.0)
            for n in range(len(likely) + 1)
        ]
    return likely

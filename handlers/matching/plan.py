"""How to look people up: how many of them in one go.

What is found does not depend on it, only how long that takes. Groups stand in the order that was asked for; within one,
people come by tie. A tie is somebody's slot with some bits turned over, the same ones for all, so that all ties of an
aligned range are the slots of another aligned range: the first so many of a group are found by the index alone, however
many it has.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sql.candidate import SLOTS
from sql.research import Step

FEW = 4000
"""So many people are looked at in one go without thinking about it."""
MANY = 16_000
"""More are not looked at in one go."""
AS_WELL = 1000
"""So many more are looked at sooner than it takes to look again."""
LEAST = 100
"""Fewer are not looked for: each look takes its time."""
MORE = 1.5
"""What is expected to fit is taken so much larger, so that one look mostly does."""


_BOLDER = 4
"""So many times as much is looked at if there were fewer than expected."""


class Group(NamedTuple):
    """People with one value, or with several in a row: whom an index finds by these keys."""

    kind: str
    """`circle`: its keys find all before it, too; `common`: all with a higher value; `list`: keys add up; `alone`."""
    least: int
    most: int
    by: str
    keys: tuple[object, ...]
    looked_at: float
    """How many people these keys find, about."""
    fitting: float
    """How many of them have the value and fit the filters, about."""
    joined: "tuple[str, tuple[object, ...], float] | None" = None
    """What to go by for this and all smaller circles together, and how many people that leads to."""


class Groups(Sequence[Group]):
    """Groups that are made when they are looked at: mostly the first few are enough."""

    def __init__(self, bounds: list[tuple[int, int]], make: Callable[[int], Group]) -> None:
        """`bounds`: of the values of each."""
        self.bounds = bounds
        self._make = cache(make)

    def __len__(self) -> int:
        return len(self.bounds)

    def __getitem__(self, at: Any) -> Any:
        """Return one, or some, which are not made yet either."""
        if not isinstance(at, slice):
            return self._make(range(len(self))[at])
        places = range(len(self))[at]
        return Groups([self.bounds[place] for place in places], lambda place: self._make(places[place]))


def bounds_of(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """Return the least and the most value of each."""
    return groups.bounds if isinstance(groups, Groups) else [(group.least, group.most) for group in groups]


def followed(groups: Sequence[Group], last: Sequence[Group]) -> Sequence[Group]:
    """Return the groups, and some after them."""
    bounds, count = [*bounds_of(groups), *bounds_of(last)], len(groups)
    return Groups(bounds, lambda at: groups[at] if at < count else last[at - count])


class Stretch(NamedTuple):
    """What to look at in one go: some groups, and of the only one maybe just the ties below an end."""

    step: Step
    end: int
    """The group to go on with."""
    end_tie: int
    """The tie to go on with there."""


def stretch(groups: Sequence[Group], at: int, tie: int, *, wanted: int, key: int, looks: int = 0) -> Stretch:
    """Return what to look at next to find so many; after some looks at a group in vain, more of it each time."""
    end = at if tie else _whole_groups(groups, at, wanted)
    if end > at:
        return Stretch(_joined(groups[at:end]), end, 0)
    group = groups[at]
    if group.least < group.most:  # not in the order of ties
        return Stretch(_joined([group]), at + 1, 0)
    many, fitting = max(group.looked_at, 1e-9), max(group.fitting, 1e-9)
    share = max(wanted * MORE / fitting, min(LEAST * MORE / fitting, AS_WELL / many))
    share = min(share * _BOLDER**looks, MANY / many, 1.0)
    size = SLOTS >> max(0, math.floor(-math.log2(share)))
    if looks:
        size = min(size, tie & -tie)  # what was looked at ends here
    block = tie // size
    low = (block ^ (key // size)) * size
    step = Step(group.by, group.keys, low, low + size - 1, group.least, group.most)
    is_last = (block + 1) * size >= SLOTS
    return Stretch(step, at + is_last, 0 if is_last else (block + 1) * size)


def _whole_groups(groups: Sequence[Group], at: int, wanted: int) -> int:
    """Return the group before which to stop, if whole ones are looked at."""
    end, fitting, looked_at = at, 0.0, 0.0
    while end < len(groups) and fitting < wanted:
        group = groups[end]
        before = looked_at
        if group.joined:
            looked_at = group.joined[2] if end > at else group.looked_at
        else:
            looked_at += group.looked_at
        fitting += group.fitting
        is_apart = end > at and (group.kind == "alone" or group.kind != groups[at].kind)
        is_too_much = fitting > MORE * wanted and looked_at - before > AS_WELL
        if is_apart or looked_at > FEW or is_too_much:
            break
        end += 1
    return end


def _joined(groups: Sequence[Group]) -> Step:
    least, most = min(group.least for group in groups), max(group.most for group in groups)
    if groups[0].kind == "common":
        largest = next(group for group in groups if group.least == least)
        return Step(largest.by, largest.keys, least=least, most=most)
    largest = next(group for group in groups if group.most == most)
    by, keys = largest.by, tuple({key: None for group in groups for key in group.keys})
    if len(groups) > 1 and largest.joined:
        by, keys, _ = largest.joined
    return Step(by, keys, least=least, most=most)

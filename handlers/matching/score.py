"""The score: a sum of whole points out of 100, made of what cards and profiles show."""

from typing import NamedTuple

NEAR = {1: 40, 2: 38, 5: 35, 10: 30, 20: 24, 50: 16, 100: 10, 200: 6, 500: 3, 1000: 2, 2000: 1, 20000: 0}
"""Points for each bucket of distance."""

NEAR_UNKNOWN = 12
"""Points when a distance is not known or hidden: a constant, so that it tells nothing."""

TAG, TAGS_COUNTED = 6, 5
"""Points a common tag, and how many count."""

FAME_STEP = 5
"""Of fame 0–100, each so many make a point."""

AGE, AGE_UNKNOWN = 10, 4
"""Points for the same age, one less a year of difference; and when an age is not known."""


class Points(NamedTuple):
    """The parts; together at most 100."""

    distance: int
    tags: int
    fame: int
    age: int

    @property
    def score(self) -> float:
        """The whole, 0–1."""
        return sum(self) / 100

    @property
    def why(self) -> dict[str, float]:
        """The parts, which add up to the score."""
        return {name: points / 100 for name, points in self._asdict().items()}


def points(*, distance: int | None, common_tags: int, fame: int, age: int | None, own_age: int | None) -> Points:
    """Return the parts of one person's score for one viewer."""
    return Points(
        distance=NEAR_UNKNOWN if distance is None else NEAR[distance],
        tags=TAG * min(common_tags, TAGS_COUNTED),
        fame=fame // FAME_STEP,
        age=AGE_UNKNOWN if age is None or own_age is None else max(0, AGE - abs(age - own_age)),
    )

"""Figures: how one is measured is a function in `bench/figures/`; what comes of it is lines, each beside another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, TypeVar

from bench.ground import Ground

T = TypeVar("T")


@dataclass(frozen=True)
class Value:
    """The median of some runs, and between which values it lies."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Value":
        """Return what these runs come to."""
        all_of_them = list(values)
        return cls(median(all_of_them), min(all_of_them), max(all_of_them))


@dataclass(frozen=True)
class Beside:
    """What a figure is compared with, measured in the same run."""

    what: str
    value: Value


@dataclass(frozen=True)
class Target:
    """A bound, on the value itself or on its ratio to what it is compared with."""

    bound: float
    at_least: bool = False
    of_ratio: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}{' ×' if self.of_ratio else ''}"

    def is_met(self, number: float) -> bool:
        """Tell whether a number is on the right side."""
        return number >= self.bound if self.at_least else number <= self.bound


@dataclass(frozen=True)
class Line:
    """One figure as it is printed: what was measured, in which unit, beside what, and whether that is good enough."""

    what: str
    unit: str
    value: Value
    beside: Beside | None = None
    target: Target | None = None
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times what it is compared with."""
        return self.value.median / self.beside.value.median if self.beside and self.beside.value.median else None

    @property
    def verdict(self) -> str:
        """`met` or `missed`; nothing without a target."""
        if self.target is None:
            return ""
        number = self.ratio if self.target.of_ratio else self.value.median
        return "met" if number is not None and self.target.is_met(number) else "missed"

    def as_json(self) -> dict[str, Any]:
        """Return all of it in plain values."""
        judged = {"ratio": self.ratio, "target": str(self.target or ""), "verdict": self.verdict}
        return {name: value for name, value in asdict(self).items() if name != "target"} | judged


@dataclass(frozen=True)
class Bench:
    """What a figure is measured with: the ground, how often, and whether this is only to see that it can be."""

    ground: Ground
    runs: int = 5
    tiny: bool = False

    def size(self, full: T, tiny: T) -> T:
        """Return how much, how many or how long."""
        return tiny if self.tiny else full

    def alternate(self, *sides: Callable[[], T]) -> list[list[T]]:
        """Measure each side in turn, as often as asked, and return the results of each side."""
        results: list[list[T]] = [[] for _ in sides]
        for run in range(1 if self.tiny else self.runs):
            order = list(enumerate(sides))
            for place, side in order if run % 2 == 0 else reversed(order):
                results[place].append(side())
        return results


Measure = Callable[[Bench], Sequence[Line]]
figures: dict[str, Measure] = {}
seldom: set[str] = set()
"""Those that `make bench` leaves out: they take hours."""


def figure(name: str, *, on_request: bool = False) -> Callable[[Measure], Measure]:
    """Register how a figure is measured; `make bench-<name>` measures it alone, and that only if it is on request."""

    def register(measure: Measure) -> Measure:
        figures[name] = measure
        if on_request:
            seldom.add(name)
        return measure

    return register

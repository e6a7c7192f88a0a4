"""Quantiles: what a list of times comes to."""

from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of all is not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return how many there are, and their usual quantiles in milliseconds."""
    named = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {"count": len(seconds)} | {name: 1000 * quantile(seconds, share) for name, share in named.items()}

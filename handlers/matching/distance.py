"""Distance between two cells, as a bucket: the same one for display, filter, sort and score."""

import math

from handlers.matching.cells import EARTH_KM

EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 20000)
"""Upper edges of the buckets, km."""

REACH = (1.5, *EDGES[1:-1])
"""Between the middles, km; the middles of two cells of 1 km that touch are up to 1.5 km apart."""

COSINES = tuple(math.cos(reach / EARTH_KM) for reach in REACH)
"""The same as cosines of the angle at the centre of the earth: the dot product of the two unit vectors."""

Vector = tuple[float, float, float]


def bucket(one: Vector | None, other: Vector | None) -> int | None:
    """Return the upper edge in km of the bucket that two cells' middles fall in; None when one is not known."""
    if one is None or other is None:
        return None
    dot = one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
    return next((edge for edge, cosine in zip(EDGES, COSINES, strict=False) if dot >= cosine), EDGES[-1])


def round_up(kilometres: int) -> int:
    """Return the edge that a wish for a distance is rounded up to."""
    return next(edge for edge in EDGES if edge >= kilometres)

"""The grids that search looks people up in: cells of several sizes, each an integer that an index can hold.

They only find; what decides is the distance between the middles of the cells of `cells.py`. A cover may hold more than
the circle, never less.
"""

import math
from functools import cache, lru_cache

from handlers.matching.cells import EARTH_KM, cells_around
from handlers.matching.distance import COSINES, EDGES, REACH, Vector
from sql.candidate import LEVELS, ROW, ROWS

LEVEL_OF = (1, 1, 4, 4, 16, 16, 64, 64, 256, 256, 1024)
"""The grid for the circle of each bucket but the last: its cells are so many that they fit the circle, but few."""

_HALF_DIAGONAL = 0.9
"""More than half the diagonal of a cell, in edges: cells near the poles are a little wider than high."""

_ROUNDING = 1e-13
"""More than floats differ, as cosines and as parts of the earth's circumference; less than any cell measures."""

_SLACK, _SLACK_KM = 1.002, 0.01
"""What circles are drawn larger by, so that no rounding of floats leaves anybody out."""


@lru_cache(4096)
def covers(middle: Vector) -> tuple[tuple[int, ...], ...]:
    """Return, for each bucket but the last, the cells that the circle around a middle touches."""
    return tuple(_cover(middle, reach, level) for reach, level in zip(REACH, LEVEL_OF, strict=True))


@lru_cache(4096)
def ring(middle: Vector, bucket: int, level: int) -> tuple[int, ...]:
    """Return the cells of a level that may hold somebody in a bucket: those not wholly in the circle before."""
    is_own = level == LEVEL_OF[bucket]
    cells = covers(middle)[bucket] if is_own else _cover(middle, REACH[bucket], level)
    if bucket == 0 or REACH[bucket - 1] <= _HALF_DIAGONAL * level:
        return cells
    return tuple(cell for cell in cells if not _is_inside(middle, REACH[bucket - 1], level, cell))


@lru_cache(4096)
def spots(middle: Vector, bucket: int) -> tuple[int, ...]:
    """Return the cells of 1 km that may hold somebody in a bucket: those with the middle of a cell to be snapped to.

    A ring takes whatever cells it touches. Where many live in one of them, that they live farther inside is worth
    knowing.
    """
    nearest = COSINES[bucket - 1] + _ROUNDING if bucket else math.inf
    found: dict[int, None] = {}
    for cell in cells_around(middle, REACH[bucket]):
        vector = cell.vector
        if COSINES[bucket] - _ROUNDING <= sum(a * b for a, b in zip(middle, vector, strict=True)) < nearest:
            found |= dict.fromkeys(_cells_at(vector, 1))
    return tuple(found)


@lru_cache(4096)
def inner(middle: Vector, bucket: int, level: int) -> tuple[int, ...]:
    """Return the cells of a level that lie wholly in the circle of a bucket."""
    cells = _cover(middle, REACH[bucket], level)
    return tuple(cell for cell in cells if _is_inside(middle, REACH[bucket], level, cell))


@lru_cache(4096)
def beyond(middle: Vector) -> tuple[int, ...]:
    """Return the largest cells that may hold somebody in the last bucket."""
    return tuple(cell for cell in _all_cells(LEVELS[-1]) if not _is_inside(middle, REACH[-1], LEVELS[-1], cell))


def _is_inside(middle: Vector, reach: float, level: int, cell: int) -> bool:
    """Tell whether all of a cell is within reach, with something to spare."""
    angle = (reach / _SLACK - _SLACK_KM - _HALF_DIAGONAL * level) / EARTH_KM
    if angle <= 0:
        return False
    one = _middle_of(level, cell)
    return sum(a * b for a, b in zip(middle, one, strict=True)) > math.cos(angle)


def _cells_at(vector: Vector, level: int) -> set[int]:
    """Return the cell around a spot; if it is at a border, also the other one, as rounding may have it."""
    count = ROWS[level]
    rows = _rounded(math.asin(max(-1.0, min(1.0, vector[2]))) / math.pi + 0.5, count)
    lon = math.atan2(vector[1], vector[0]) / math.tau + 0.5
    return {
        row * ROW + column % columns
        for row in rows
        for columns in [_count_columns(row, count)]
        for column in _rounded(lon, columns)
    }


def _rounded(share: float, count: int) -> set[int]:
    return {min(int((share + error) * count), count - 1) for error in (-_ROUNDING, _ROUNDING)}


def _middle_of(level: int, cell: int) -> Vector:
    row, column = divmod(cell, ROW)
    lat = ((row + 0.5) / ROWS[level] - 0.5) * math.pi
    lon = ((column + 0.5) / _count_columns(row, ROWS[level]) - 0.5) * math.tau
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


@cache
def _all_cells(level: int) -> tuple[int, ...]:
    count = ROWS[level]
    return tuple(row * ROW + column for row in range(count) for column in range(_count_columns(row, count)))


def _count_columns(row: int, count: int) -> int:
    return max(1, math.floor(2 * count * math.cos(((row + 0.5) / count - 0.5) * math.pi)))


def _cover(middle: Vector, reach: float, level: int) -> tuple[int, ...]:
    lat, lon = math.asin(max(-1.0, min(1.0, middle[2]))), math.atan2(middle[1], middle[0])
    angle, count = (reach * _SLACK + _SLACK_KM) / EARTH_KM, ROWS[level]
    first, last = (int((edge / math.pi + 0.5) * count) for edge in (lat - angle, lat + angle))
    cells: list[int] = []
    for row in range(max(0, first), min(count - 1, last) + 1):
        cells += _columns(lat, lon, angle, row, count)
    return tuple(cells)


def _columns(lat: float, lon: float, angle: float, row: int, count: int) -> list[int]:
    """Return the cells of a row that a circle touches."""
    columns = _count_columns(row, count)
    width = _half_width(lat, angle, (row / count - 0.5) * math.pi, ((row + 1) / count - 0.5) * math.pi)
    west, east = (math.floor((edge / math.tau + 0.5) * columns) for edge in (lon - width, lon + width))
    if east - west + 1 >= columns:
        west, east = 0, columns - 1
    return [row * ROW + column % columns for column in range(west, east + 1)]


def _half_width(lat: float, angle: float, south: float, north: float) -> float:
    """Return how far a circle reaches east and west between two latitudes; it is widest where a meridian touches it."""
    if abs(lat) + angle >= math.pi / 2:
        return math.pi
    widest = math.asin(math.sin(lat) / math.cos(angle))
    at = min(max(widest, south, lat - angle), north, lat + angle)
    cosine = (math.cos(angle) - math.sin(lat) * math.sin(at)) / (math.cos(lat) * math.cos(at))
    return math.acos(max(-1.0, min(1.0, cosine)))


def area_share(bucket: int, cells: int) -> float:
    """Return how much of so many cells the circle of a bucket takes."""
    return min(1.0, math.pi * REACH[bucket] ** 2 / max(1, cells * LEVEL_OF[bucket] ** 2))


assert len(LEVEL_OF) == len(EDGES) - 1

"""The grid that positions are snapped to before anything else sees them.

Rows of equal height from pole to pole; each row is cut into as many equal columns as make its cells square at its
middle. Cells of 16 km are cut into 4 x 4 of 4 km, and those into 4 x 4 of 1 km, so that a finer cell lies whole in a
coarser one and no border cuts a sliver off; all of one edge have the same area within a percent (away from the poles).
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

EARTH_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""

COARSEST = 16
"""Edge in km of the cells that decide how fine the grid is within them."""

_TOWN = 100_000
"""Where so many people live around, cells are finest: a square kilometre holds some hundreds of them."""

_WIDER = 1.3
"""So many times as far east and west lie cells that are in reach, at most; at a pole, all around."""

_ROWS = round(math.pi * EARTH_KM / COARSEST)


class Cell(NamedTuple):
    """A square of `edge` km; two people in one cell can't be told apart."""

    edge: int
    row: int
    column: int

    @classmethod
    def at(cls, lat: float, lon: float, edge: int = 1) -> "Cell":
        """Return the cell of this edge around a position in degrees."""
        rows = _ROWS * COARSEST
        row = min(int((lat + 90) / 180 * rows), rows - 1)
        columns = _columns(1, row)
        column = int((lon + 180) / 360 * columns) % columns
        return cls(edge, row // edge, column // edge)

    @classmethod
    def around(cls, lat: float, lon: float, population: Callable[[float, float, float], int]) -> "Cell":
        """Return the cell that a position is snapped to: of 1 km in and around large towns, 4 by small ones, else 16.

        That depends on the middle of the cell of 16 km alone, and on what `population(lat, lon, kilometres)` says of
        the towns around it; never on who lives there, so that the grid tells nothing of anybody.
        """
        people = population(*cls.at(lat, lon, COARSEST).centre, COARSEST)
        return cls.at(lat, lon, 1 if people >= _TOWN else 4 if people else COARSEST)

    @classmethod
    def of_id(cls, id: int) -> "Cell":
        """Return the cell with this id."""
        return cls(id >> 32, id >> 16 & 0xFFFF, id & 0xFFFF)

    @property
    def id(self) -> int:
        """The cell as one integer below 2^37."""
        return self.edge << 32 | self.row << 16 | self.column

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude of the middle, degrees."""
        lat = (self.row + 0.5) * self.edge / (_ROWS * COARSEST) * 180 - 90
        return lat, (self.column + 0.5) / _columns(self.edge, self.row) * 360 - 180

    @property
    def vector(self) -> tuple[float, float, float]:
        """The middle as a unit vector from the centre of the earth."""
        lat, lon = map(math.radians, self.centre)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _columns(edge: int, row: int) -> int:
    """Return how many columns a row has: that of 16 km which it is part of is cut evenly."""
    finer = COARSEST // edge
    return finer * max(1, round(2 * _ROWS * math.sin(math.pi * (row // finer + 0.5) / _ROWS)))


def cells_around(middle: tuple[float, float, float], kilometres: float) -> Iterator[Cell]:
    """Yield all cells, of whatever edge, whose middles may be so near to that of another one, and some more."""
    lat, lon = math.degrees(math.asin(max(-1.0, min(1.0, middle[2])))), math.degrees(math.atan2(middle[1], middle[0]))
    is_at_a_pole = math.radians(90 - abs(lat)) * EARTH_KM < 4 * (kilometres + COARSEST)
    for edge in (1, 4, COARSEST):
        own, steps = Cell.at(lat, lon, edge), math.ceil(kilometres / edge) + 1
        for row in range(max(0, own.row - steps), min(_ROWS * COARSEST // edge - 1, own.row + steps) + 1):
            columns = _columns(edge, row)
            own_column = int((lon + 180) / 360 * columns)
            width = columns // 2 if is_at_a_pole else min(math.ceil(_WIDER * steps), columns // 2)
            yield from (Cell(edge, row, (own_column + step) % columns) for step in range(-width, width + 1))

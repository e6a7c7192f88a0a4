"""The grid that positions are snapped to before anything else sees them.

Rows of equal height from pole to pole; each row is cut into as many equal columns as make its cells square at its
middle, so that all cells of one edge length have the same area within a fraction of a percent (away from the poles).
"""

import math
from typing import NamedTuple

EARTH_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""


class Cell(NamedTuple):
    """A square of `edge` km; two people in one cell can't be told apart."""

    edge: int
    row: int
    column: int

    @classmethod
    def at(cls, lat: float, lon: float, edge: int = 1) -> "Cell":
        """Return the cell around a position in degrees."""
        rows = _rows(edge)
        row = min(int((lat + 90) / 180 * rows), rows - 1)
        columns = _columns(edge, row)
        return cls(edge, row, int((lon + 180) / 360 * columns) % columns)

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
        lat = (self.row + 0.5) / _rows(self.edge) * 180 - 90
        return lat, (self.column + 0.5) / _columns(self.edge, self.row) * 360 - 180

    @property
    def vector(self) -> tuple[float, float, float]:
        """The middle as a unit vector from the centre of the earth."""
        lat, lon = map(math.radians, self.centre)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _rows(edge: int) -> int:
    return round(math.pi * EARTH_KM / edge)


def _columns(edge: int, row: int) -> int:
    rows = _rows(edge)
    return max(1, round(2 * rows * math.sin(math.pi * (row + 0.5) / rows)))

"""Where invented people live: the towns that the server knows, and the grid that it snaps everybody to."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from handlers.matching.cells import Cell
from server.demo.population import Snap, Towns
from server.outside.places import Places
from sql.place import Town

_KNOWN: Final = 1 << 18
"""Cells, each with its town, that are kept in mind: many people live in few of them."""


def columns(towns: list[Town]) -> Towns:
    """Return the towns as columns."""
    return Towns(
        lat=np.array([town.lat for town in towns]),
        lon=np.array([town.lon for town in towns]),
        population=np.array([float(town.population) for town in towns]),
        country=[town.country for town in towns],
    )


def snapper(towns: list[Town]) -> Snap:
    """Return what snaps positions by the very code that everybody's go through, asking the same question only once."""
    places = Places(towns)
    population = lru_cache(_KNOWN)(places.population)

    @lru_cache(_KNOWN)
    def cell_and_town(cell: Cell) -> tuple[int, float, float, float, int]:
        return cell.id, *cell.vector, places.nearest(*cell.centre) or 0

    def snap(
        lat: NDArray[np.float64], lon: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        positions = zip(lat.tolist(), lon.tolist(), strict=True)
        ids, x, y, z, near = zip(
            *(cell_and_town(Cell.around(*position, population)) for position in positions), strict=True
        )
        return np.array(ids), np.array([x, y, z]), np.array(near)

    return snap

"""Places: the towns of the world, in memory: what they are called, what a spot is near, how many live around it."""

import math
import unicodedata
from array import array
from collections.abc import Awaitable, Callable, Iterator
from itertools import accumulate
from typing import Any

from sql import place
from sql.place import Town

LARGE = 50_000
"""People that make a town large."""

_EARTH_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""

_AROUND_KM, _FAR_KM = 25.0, 100.0
"""How far a large town lends its name to what is around it, and to what is in the country."""

_DRAW_KM = 3.0
"""Added to distances, so that the middle of a town draws no more than the town does."""

_PAGE = 5000
_SIDE = 360
"""The index has a box for each degree of latitude and longitude."""


def folded(name: str) -> str:
    """Return a name as it is looked for: case and accents do not matter, every other character stands for itself."""
    if name.isascii():
        return name.lower().strip()
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(character for character in parts if not unicodedata.combining(character)).strip()


class Places:
    """Knows the towns, by id and by where they are; about 8 MB. Without towns it answers that there are none."""

    def __init__(self, towns: list[Town] | None = None) -> None:
        self._put(towns or [])

    async def load(self, read: Callable[[Callable[..., Awaitable[Any]]], Awaitable[Any]]) -> None:
        """Read the towns from the database, once; they do not change while a process lives."""
        towns: list[Town] = []
        while not self._names:
            after = towns[-1].id if towns else 0
            page = await read(lambda tx, after=after: place.list_after(tx, after=after, limit=_PAGE))
            towns += page
            if len(page) < _PAGE:
                self._put(towns)
                return

    def _put(self, towns: list[Town]) -> None:
        """Sort them by box; `_starts` says where each box begins in the columns."""
        towns = sorted(towns, key=lambda town: (_box(town.lat, town.lon), town.id))
        sizes = [0] * (180 * _SIDE + 1)
        for town in towns:
            sizes[_box(town.lat, town.lon) + 1] += 1
        self._starts = array("I", accumulate(sizes))
        self._ids = array("I", [town.id for town in towns])
        self._names = [town.name for town in towns]
        self._populations = array("I", [town.population for town in towns])
        self._lats = array("d", [town.lat for town in towns])
        self._lons = array("d", [town.lon for town in towns])
        self._indices = {id: index for index, id in enumerate(self._ids)}

    def name(self, place_id: int) -> str | None:
        """Return the name of a town."""
        index = self._indices.get(place_id)
        return None if index is None else self._names[index]

    def position(self, place_id: int) -> tuple[float, float] | None:
        """Return latitude and longitude of a town."""
        index = self._indices.get(place_id)
        return None if index is None else (self._lats[index], self._lons[index])

    def population(self, lat: float, lon: float, kilometres: float) -> int:
        """Return how many people live in the towns within so many kilometres."""
        return sum(self._populations[index] for index, _ in self._within(lat, lon, kilometres))

    def nearest(self, lat: float, lon: float) -> int | None:
        """Return the town that a spot is called by: a large one if there is one, else whichever is nearest.

        Near by, the larger the town, the farther it reaches, as by Reilly's law of retail gravitation (1931): people
        over the square of the distance. So a quarter that counts as a town of its own does not hide its city.
        """
        near = self._large(lat, lon, _AROUND_KM)
        if near:
            return self._ids[max(near, key=lambda at: self._populations[at[0]] / (at[1] + _DRAW_KM) ** 2)[0]]
        far = self._large(lat, lon, _FAR_KM)
        if far:
            return self._ids[_closest(far)]
        return self._nearest_of_all(lat, lon)

    def _large(self, lat: float, lon: float, kilometres: float) -> list[tuple[int, float]]:
        return [at for at in self._within(lat, lon, kilometres) if self._populations[at[0]] >= LARGE]

    def _nearest_of_all(self, lat: float, lon: float) -> int | None:
        kilometres = _FAR_KM
        while not (found := list(self._within(lat, lon, kilometres))):
            if kilometres > math.pi * _EARTH_KM:
                return None
            kilometres *= 2
        return self._ids[_closest(found)]

    def _within(self, lat: float, lon: float, kilometres: float) -> Iterator[tuple[int, float]]:
        """Yield the towns within a distance, and how far each is."""
        for start, end in _boxes(lat, lon, kilometres / _EARTH_KM):
            for index in range(self._starts[start], self._starts[end]):
                distance = _kilometres(lat, lon, self._lats[index], self._lons[index])
                if distance <= kilometres:
                    yield index, distance


def _closest(found: list[tuple[int, float]]) -> int:
    return min(found, key=lambda at: at[1])[0]


def _box(lat: float, lon: float) -> int:
    return min(int(lat + 90), 179) * _SIDE + int(lon + 180) % _SIDE


def _boxes(lat: float, lon: float, angle: float) -> Iterator[tuple[int, int]]:
    """Yield ranges of boxes that hold everything within an angle (radians) of a spot.

    The bounding longitudes are those where a meridian touches the circle: J. P. Matuschek, "Finding Points Within a
    Distance of a Latitude/Longitude Using Bounding Coordinates" (2010).
    """
    south, north = lat - math.degrees(angle), lat + math.degrees(angle)
    width = 180.0
    if south > -90 and north < 90:
        width = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(lat))))
    west, east = math.floor(lon - width + 180), math.floor(lon + width + 180)
    for row in range(math.floor(max(south, -90) + 90), min(math.floor(north + 90), 179) + 1):
        first = row * _SIDE
        if east - west >= _SIDE:
            yield first, first + _SIDE
            continue
        yield first + max(west, 0), first + min(east, _SIDE - 1) + 1
        if west < 0:
            yield first + west + _SIDE, first + _SIDE
        if east >= _SIDE:
            yield first, first + east - _SIDE + 1


def _kilometres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Return the great-circle distance, by the haversine formula (R. W. Sinnott, 1984)."""
    north, east = math.radians(other_lat - lat), math.radians(other_lon - lon)
    across = math.cos(math.radians(lat)) * math.cos(math.radians(other_lat))
    half = math.sin(north / 2) ** 2 + across * math.sin(east / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))

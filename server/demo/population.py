"""The population: invented people by number, the same ones for the same seed, however many are asked for.

They are made in blocks, each from a random generator of its own, so that any block can be made by any process, and a
thousand people are the first thousand of ten million. Everything is drawn as columns; rows come at the end.
"""

import math
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.demo.identity import BLOCK, DEMO_LOGIN, SOCIABLE, person_id
from server.demo.names import LOCALES, Names, language, letters
from server.demo.portraits import Portrait
from server.demo.words import INTERESTS, INVENTED, SENTENCES
from sql.bulk import Rows
from sql.profile import GENDERS

_HOME: Final = (48.8566, 2.3522)
"""Paris: many of the first few live around it, so that a small world is not an empty one."""
_HOME_KM: Final = 60.0
_FIRST_FEW: Final = 300
_KM_PER_DEGREE: Final = 111.2
_DAY_MS: Final = 86_400_000

_MALE, _FEMALE, _NONBINARY = GENDERS["male"], GENDERS["female"], GENDERS["nonbinary"]
_GENDERS: Final = {0: 0.01, _MALE: 0.485, _FEMALE: 0.475, _NONBINARY: 0.03}
_SEEKS: Final = {"other": 0.80, "same": 0.06, "both": 0.04, "all": 0.10}
_TAGS_DRAWN: Final = 14
_KILOMETRES: Final = np.array([0, 10, 20, 50, 100, 200, 500])
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]

Snap = Callable[[_Floats, _Floats], tuple[_Ints, NDArray[np.float64], _Ints]]
"""Latitudes and longitudes → ids of cells, unit vectors to their middles (three columns), ids of towns (0: none)."""


class Towns(NamedTuple):
    """Where people can live, as columns."""

    lat: _Floats
    lon: _Floats
    population: _Floats
    country: list[str]


class Population:
    """Everybody there could be."""

    def __init__(
        self,
        seed: int,
        *,
        towns: Towns,
        snap: Snap,
        portraits: Sequence[Portrait],
        password_hash: str,
        now: datetime,
    ) -> None:
        known = [place for place, country in enumerate(towns.country) if country in LOCALES]
        self._towns = Towns(
            towns.lat[known], towns.lon[known], towns.population[known], [towns.country[place] for place in known]
        )
        self._seed = seed
        self._snap = snap
        self._by_gender = _by_gender(portraits)
        self._password_hash = password_hash
        self._now = np.datetime64(now.replace(tzinfo=None), "ms")
        self._anywhere = np.cumsum(self._towns.population)
        near = _kilometres(self._towns, _HOME) < _HOME_KM
        self._at_home = np.cumsum(np.where(near, self._towns.population, 0.0))
        tags = 1.0 / np.arange(4, 4 + len(INTERESTS))
        self._tags = np.cumsum(tags / tags.sum())
        self._names = cache(lambda locale: Names(locale, seed))

    def rows(self, start: int, stop: int) -> Rows:
        """Return the rows of the people of one block, from `start`, where it begins, until `stop`."""
        assert start % BLOCK == 0 and start < stop <= start + BLOCK
        return _Block(self, start).rows(stop - start)


class _Block:
    """The columns of one block."""

    def __init__(self, world: Population, start: int) -> None:
        self.world = world
        self.random = np.random.default_rng([world._seed, start])
        self.numbers = np.arange(start, start + BLOCK)
        self.ids = np.array([person_id(world._seed, number) for number in range(start, start + BLOCK)])
        self._live()
        self._be()
        self._wish()
        self._welcome(self.numbers < SOCIABLE)

    def _chance(self, share: float) -> NDArray[np.bool_]:
        return self.random.random(BLOCK) < share

    def _live(self) -> None:
        """Towns by their people, positions scattered around the middle as widely as the town is large."""
        random, towns = self.random, self.world._towns
        at_home = random.random(BLOCK) < _FIRST_FEW / (_FIRST_FEW + self.numbers)
        draw = random.random(BLOCK)
        self.town = np.where(at_home, _pick(self.world._at_home, draw), _pick(self.world._anywhere, draw))
        spread = np.clip(0.12 * np.sqrt(towns.population[self.town] / 1000), 0.5, 8) / _KM_PER_DEGREE
        north, east = random.standard_normal((2, BLOCK)) * spread
        lat = np.clip(towns.lat[self.town] + north, -89.9, 89.9)
        lon = (towns.lon[self.town] + east / np.cos(np.radians(lat)) + 180) % 360 - 180
        self.cell, self.vector, self.place = self.world._snap(lat, lon)
        self.placeless = self._chance(0.02)

    def _be(self) -> None:
        random = self.random
        self.gender = _draw(_GENDERS, random.random(BLOCK))
        years = np.minimum(18 + random.gamma(2.2, 6.5, BLOCK), 90)
        self.age_days = np.ceil(years * 365.2425).astype(np.int64) + 2
        self.fame = np.floor(100 * random.beta(1.3, 4.5, BLOCK)).astype(np.int64)
        # What the story tells of the first few happened lately, and after they came.
        since_active = np.minimum(random.exponential(2.5, BLOCK), np.where(self.numbers < SOCIABLE, 0.01, 60)) * _DAY_MS
        since_created = since_active + np.clip(random.exponential(150, BLOCK), 4, 700) * _DAY_MS
        self.active_at = self.world._now - since_active.astype("timedelta64[ms]")
        self.created_at = self.world._now - since_created.astype("timedelta64[ms]")
        self.looks_female = np.where(
            self.gender == _FEMALE, True, np.where(self.gender == _MALE, False, self._chance(0.5))
        )

    def _wish(self) -> None:
        random = self.random
        kind = _draw(_SEEKS, random.random(BLOCK))
        both = _MALE | _FEMALE
        binary = (self.gender & both) > 0
        self.sex = np.select(
            [kind == "all", (kind == "both") | ~binary, kind == "same"], [0, both, self.gender], both ^ self.gender
        )
        # Whoever seeks one gender beside the two is open to the third as often as not.
        self.sex |= np.where((self.sex > 0) & self._chance(0.4), _NONBINARY, 0)
        age = self.age_days // 366
        self.wish_age_min = np.maximum(18, age - random.integers(2, 12, BLOCK))
        self.wish_age_max = age + random.integers(2, 14, BLOCK)
        self.wish_distance = _KILOMETRES[random.integers(0, len(_KILOMETRES), BLOCK)]
        self.wishless = self._chance(0.3)

    def _welcome(self, sociable: NDArray[np.bool_]) -> None:
        """Whoever these meet fits them, and they have a place."""
        self.sex[sociable] = 0
        self.placeless[sociable] = False
        self.wishless[sociable] = True
        self.age_days[sociable] = np.minimum(self.age_days[sociable], 45 * 366)
        other = sociable & ((self.gender == 0) | (self.numbers == 0))  # whom many would not be shown
        self.gender[other] = np.where(self.looks_female[other], _FEMALE, _MALE)

    # -- rows --------------------------------------------------------------------------------------------------------

    def rows(self, count: int) -> Rows:
        """Return the rows of the first so many, each table in the order of its key."""
        people = self._people()
        rows = Rows(
            account=self._accounts(people),
            profile=self._profiles(people),
            profile_tag=self._tags(),
            photo=self._photos(),
            user_stream=[(id,) for id in self.ids.tolist()],
        )
        if count == BLOCK:
            return rows
        end = int(self.ids[count])
        return Rows(*([row for row in table if row[0] < end] for table in rows))

    def _people(self) -> list[tuple[str, str, str, str]]:
        """Return login, first name, last name and language of each."""
        random, countries = self.random, self.world._towns.country
        which = random.integers(0, 1 << 30, (BLOCK, 3)).tolist()
        towns, female, numbers = self.town.tolist(), self.looks_female.tolist(), self.numbers.tolist()
        return [
            self._person(countries[towns[n]], not female[n], numbers[n], *which[n])  # women's names come first
            for n in range(BLOCK)
        ]

    def _person(self, country: str, male: bool, number: int, *which: int) -> tuple[str, str, str, str]:
        names = self.world._names(LOCALES[country])
        first, last = (
            names.first[male][which[0] % len(names.first[male])],
            names.last[male][which[1] % len(names.last[male])],
        )
        # The number makes it nobody else's.
        login = DEMO_LOGIN if number == 0 else f"{letters(first)[:10]}{'._-'[which[2] % 3]}{letters(last)[:12]}{number}"
        return login, first, last, language(country)

    def _accounts(self, people: list[tuple[str, str, str, str]]) -> list[tuple[Any, ...]]:
        password_hash, created = self.world._password_hash, self.created_at.astype(str).tolist()
        return [
            (id, login, f"{login}@demo.example.org", f"{login}@demo.example.org", password_hash, language, made)
            for id, (login, _, _, language), made in zip(self.ids.tolist(), people, created, strict=True)
        ]

    def _profiles(self, people: list[tuple[str, str, str, str]]) -> list[tuple[Any, ...]]:
        born = (self.world._now.astype("datetime64[D]") - self.age_days).astype(str)
        columns: list[list[Any]] = [
            self.ids.tolist(),
            [first for _, first, _, _ in people],
            [last for _, _, last, _ in people],
            self.gender.tolist(),
            self.sex.tolist(),
            born.tolist(),
            self._descriptions([language for *_, language in people]),
            _unless(self.wishless, self.wish_age_min),
            _unless(self.wishless, self.wish_age_max),
            _unless(self.wishless | (self.wish_distance == 0), self.wish_distance),
            _unless(self.placeless, self.cell),
            *(_unless(self.placeless, self.vector[axis]) for axis in range(3)),
            _unless(self.placeless | (self.place == 0), self.place),
            self.fame.tolist(),
            self.active_at.astype(str).tolist(),
        ]
        return list(zip(*columns, strict=True))

    def _descriptions(self, languages: list[str]) -> list[str]:
        draws = self.random.integers(0, 1 << 30, (BLOCK, 3)).tolist()
        return [_description(language, *draw) for language, draw in zip(languages, draws, strict=True)]

    def _tags(self) -> list[tuple[Any, ...]]:
        """Draw more than are needed, and keep the first few that did not come before."""
        random = self.random
        drawn = _pick(self.world._tags, random.random((BLOCK, _TAGS_DRAWN)))
        order = np.argsort(drawn, axis=1, kind="stable")
        ranked = np.take_along_axis(drawn, order, axis=1)
        again = np.zeros_like(drawn, dtype=bool)
        np.put_along_axis(again[:, :], order[:, 1:], ranked[:, 1:] == ranked[:, :-1], axis=1)
        wanted = random.integers(2, 9, BLOCK)
        kept = ~again & ((~again).cumsum(axis=1) <= wanted[:, None])
        position = kept.cumsum(axis=1) - 1
        who, place = np.nonzero(kept)
        return [
            (id, INTERESTS[tag], at)
            for id, tag, at in zip(
                self.ids[who].tolist(), drawn[who, place].tolist(), position[who, place].tolist(), strict=True
            )
        ]

    def _photos(self) -> list[tuple[Any, ...]]:
        random = self.random
        counts = 1 + (self._chance(0.35)).astype(int) + (self._chance(0.12)).astype(int)
        start = random.integers(0, 1 << 30, BLOCK).tolist()
        names = random.bytes(BLOCK * 3 * 16)
        added = self.created_at.astype(str).tolist()
        return [
            (id, _photo_id(names, n * 3 + position), position, portrait.file, portrait.thumbhash, added[n])
            for n, id in enumerate(self.ids.tolist())
            for position, portrait in enumerate(self._album(n, start[n], int(counts[n])))
        ]

    def _album(self, n: int, start: int, count: int) -> list[Portrait]:
        shelf = self.world._by_gender[int(self.gender[n])]
        return [shelf[(start + step) % len(shelf)] for step in range(min(count, len(shelf)))]


def _pick(cumulative: _Floats, draws: _Floats) -> _Ints:
    """Return places in a list, each as often as its weight says."""
    places: _Ints = np.searchsorted(cumulative, draws * cumulative[-1], side="right")
    return places


def _draw(shares: Mapping[Any, float], draws: _Floats) -> NDArray[Any]:
    """Return keys, each as often as its share says."""
    return np.array(list(shares))[_pick(np.cumsum(list(shares.values())), draws)]


def _kilometres(towns: Towns, centre: tuple[float, float]) -> _Floats:
    """Return how far towns are, roughly."""
    lat, lon = centre
    east = (towns.lon - lon) * math.cos(math.radians(lat))
    return np.hypot(towns.lat - lat, east) * _KM_PER_DEGREE


def _unless(hidden: NDArray[np.bool_], column: NDArray[Any]) -> list[Any]:
    return [None if hide else value for hide, value in zip(hidden.tolist(), column.tolist(), strict=True)]


def _description(language: str, one: int, other: int, count: int) -> str:
    sentences = SENTENCES[language]
    first = one % len(sentences)
    second = (first + 1 + other % (len(sentences) - 1)) % len(sentences)
    said = (sentences[first], sentences[second])[: 1 + (count % 3 > 0)]
    return " ".join((*said, INVENTED[language]))


def _photo_id(names: bytes, place: int) -> str:
    return urlsafe_b64encode(names[place * 16 : place * 16 + 16])[:22].decode()


def _by_gender(portraits: Sequence[Portrait]) -> dict[int, list[Portrait]]:
    """Return which portraits may show whom; where none would fit, any does."""
    looks = {_MALE: ("male", "any"), _FEMALE: ("female", "any"), _NONBINARY: ("any",), 0: ("any",)}
    fitting = {gender: [one for one in portraits if one.look in names] for gender, names in looks.items()}
    return {gender: shelf or list(portraits) for gender, shelf in fitting.items()}

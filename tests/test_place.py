"""Places: the table of towns, what a spot is called, and how fine the grid is there."""

import asyncio
import math
import unicodedata
from collections import defaultdict
from datetime import UTC, datetime
from random import Random

import pytest

from client_sdk import InvalidPayload
from handlers.matching.cells import Cell
from server.app import SERVICES
from server.outside import towns
from server.outside.places import LARGE, Places, folded
from sql import place
from sql.database import Database
from sql.migration import migrate
from sql.place import Town
from sql.transaction import Budget, Tx

PARIS, LYON, MOSCOW = 2988507, 2996944, 524901


def town(number, lat, lon, population=20_000):
    return Town(number, f"town {number}", "XX", population, lat, lon)


def kilometres(one, other):
    """As the ground truth: the angle between two vectors."""
    (lat, lon), (other_lat, other_lon) = (map(math.radians, at) for at in (one, other))
    dot = math.sin(lat) * math.sin(other_lat) + math.cos(lat) * math.cos(other_lat) * math.cos(lon - other_lon)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, dot)))


# -- in memory ---------------------------------------------------------------------------------------------------------


def test_what_is_around_a_spot_is_found_as_if_every_town_was_looked_at():
    rng = Random(3)
    spots = [(90, 0), (-90, 0), (0, 180), (0, -180), (0, 0), (89.9, 10), (-89.95, 179.99), (0.0, -179.999), (65, 180)]
    spots += [(rng.uniform(-90, 90), rng.uniform(-180, 180)) for _ in range(60)]
    world = [town(n, rng.uniform(-90, 90), rng.uniform(-180, 180), rng.randrange(1000, 90_000)) for n in range(1, 400)]
    world += [
        town(1000 + n, max(-90, min(90, lat + rng.uniform(-1, 1))), (lon + rng.uniform(-1, 1) + 180) % 360 - 180)
        for n, (lat, lon) in enumerate(spots * 3)
    ]
    places = Places(world)
    for spot in spots:
        for reach in (16, 130, 2500, 20_100):
            expected = sum(one.population for one in world if kilometres(spot, (one.lat, one.lon)) <= reach)
            assert places.population(*spot, reach) == expected, (spot, reach)
        if not any(kilometres(spot, (one.lat, one.lon)) < 101 and one.population >= LARGE for one in world):
            nearest = min(world, key=lambda one: kilometres(spot, (one.lat, one.lon)))
            assert places.nearest(*spot) == nearest.id, spot


def test_a_spot_is_called_by_the_large_town_that_draws_it_most_and_far_from_all_by_the_nearest():
    city, quarter = town(1, 50.0, 10.0, 2_000_000), town(2, 50.0, 10.05, 60_000)
    beside, village, far = town(3, 50.0, 10.3, 80_000), town(4, 50.0, 10.01, 20_000), town(5, 50.0, 12.0, 16_000)
    places = Places([city, quarter, beside, village, far])
    assert places.nearest(50.0, 10.01) == city.id, "not the village"
    assert places.nearest(50.0, 10.04) == city.id, "not one of its quarters"
    assert places.nearest(50.0, 10.29) == beside.id, "but a town of its own"
    assert places.nearest(50.0, 11.0) == beside.id, "the nearest large one within 100 km"
    assert places.nearest(50.0, 13.0) == far.id
    assert places.nearest(-50.0, -170.0) is not None, "on the other side of the earth too"
    assert places.name(city.id) == "town 1"
    assert places.position(beside.id) == (50.0, 10.3)


def test_without_towns_there_are_none():
    places = Places()
    assert places.nearest(0, 0) is None
    assert places.population(0, 0, 20_100) == 0
    assert places.name(1) is None and places.position(1) is None


def test_the_grid_is_fine_in_towns_and_coarse_in_the_country():
    places = Places([town(1, 48.85, 2.35, 2_000_000), town(2, 46.5, 2.0, 15_000)])
    assert Cell.around(48.86, 2.34, places.population).edge == 1
    assert Cell.around(46.51, 2.01, places.population).edge == 4
    assert Cell.around(44.0, 2.0, places.population).edge == 16
    assert Cell.around(0.0, 0.0, places.population).edge == 16


def test_every_position_is_in_one_cell_whatever_its_size():
    """Across a border between fine and coarse: a cell's own middle is snapped to that very cell."""
    places = Places([town(1, 48.85, 2.35, 200_000), town(2, 48.85, 2.9, 15_000)])
    rng = Random(5)
    edges = set()
    for _ in range(3000):
        cell = Cell.around(48.85 + rng.uniform(-0.5, 0.5), 2.6 + rng.uniform(-1, 1), places.population)
        assert Cell.around(*cell.centre, places.population) == cell
        edges.add(cell.edge)
    assert edges == {1, 4, 16}


def test_names_are_folded_but_for_what_is_no_accent():
    assert folded("São PAULO") == "sao paulo"
    assert folded("Ёлки") == folded("елки") == "елки"
    assert folded("L’Haÿ-les-Roses ") == "l’hay-les-roses"
    assert folded(r"%_\ ") == r"%_\ ".strip()
    assert folded("\u0301") == ""


# -- the table ---------------------------------------------------------------------------------------------------------


async def test_the_whole_table_is_loaded_once_also_by_two_processes_at_a_time(private_servers):
    _, urls = private_servers
    url, owner = (one.replace("/matcha?", "/all_towns?") for one in (urls.database_url, urls.migrate_url))
    assert "all_towns" in url and "all_towns" in owner
    await migrate(owner)
    database = Database(owner, timeout=30)
    await database.fetch("SELECT 1")
    try:
        assert not await towns.are_there(owner)
        await asyncio.gather(towns.load_apart(owner), towns.load_apart(owner))
        assert await towns.are_there(owner)
        [(count,)] = await database.fetch("SELECT COUNT(*) FROM town")
        [(names,)] = await database.fetch("SELECT COUNT(*) FROM town_name")
        assert count > 30_000 and names > 100_000
        known = await database.fetch("SELECT name FROM town_name WHERE town_id = %s", MOSCOW)
        assert {("moscow",), ("москва",), ("moskva",), ("moscou",)} <= set(known)
        assert ("mow",) not in known, "the code of an airport"
        await check_beginnings(database)
        await database.fetch("DELETE FROM town WHERE id = %s", PARIS)
        await towns.load(owner)
        assert (count - 1,) in await database.fetch("SELECT COUNT(*) FROM town"), "the second time costs nothing"
        await database.fetch("UPDATE town_edition SET edition = %s", "an older one")
        await towns.load(owner, fewest=5_000_000)
        assert not await database.fetch("SELECT id FROM town WHERE id = %s", PARIS)
        assert await database.fetch("SELECT id FROM town WHERE id = %s", MOSCOW) == [(MOSCOW,)]
    finally:
        await database.fetch("DROP DATABASE all_towns")
        database.close()


async def check_beginnings(database):
    """Every letter that there is, and some longer beginnings, against all the names."""
    names = await database.fetch("SELECT name, town_id, population FROM town_name")
    sizes = {town_id: population for _, town_id, population in names}
    begun = defaultdict(set)
    for name, town_id, _ in names:
        for length in (1, 2, 3):
            begun[name[:length]].add(town_id)
    letters = [prefix for prefix in begun if len(prefix) == 1]
    longer = Random(1).sample(sorted(begun.keys() - letters), 100)
    assert {"a", "z", "м", "ю", "'"} < set(letters) and len(letters) > 60
    tx = Tx(database, now=datetime.now(UTC), budget=Budget(60))
    for prefix in [*letters, *longer, "東", "%", "_"]:
        largest = sorted(begun[prefix], key=lambda town_id: (-sizes[town_id], town_id))[:20]
        found = await place.list_by_prefix(tx, prefix=prefix, limit=20)
        assert [town.place_id for town in found] == largest, prefix


async def test_what_keeps_the_towns_from_being_loaded_is_told_in_words():
    with pytest.raises(towns.TownsError, match="could not be loaded"):
        await towns.load_apart("mysql://nobody@localhost:1/nowhere")


async def test_every_statement_goes_by_its_index_and_looks_at_few_names(empty_world):
    database = Database(empty_world.database_url, size=1)
    await database.fetch("ANALYZE TABLE town, town_name")
    for statement, values, key in (
        (place._LIST_BY_INITIAL, {"prefix": "s"}, "initial"),
        (place._LIST_BY_PREFIX, {"prefix": "mosc", "last": "mosc\U0010ffff"}, "PRIMARY"),
    ):
        text, bound = statement.bind(values | {"limit": 20})
        plan = {row[2]: row for row in await database.fetch(f"EXPLAIN {text}", *bound)}
        assert plan["t"][3] == "eq_ref"
        kind, chosen, rows, extra = (plan["town_name"][column] for column in (3, 5, 8, 9))
        assert (kind, chosen) == ("ref" if key == "initial" else "range", key)
        assert "temporary" not in extra if key == "initial" else int(rows) < 100, (rows, extra)
    tx = Tx(database, now=datetime.now(UTC), budget=Budget(60))
    for letter in "sma":
        before = await names_read(database)
        assert len(await place.list_by_prefix(tx, prefix=letter, limit=20)) == 20
        assert await names_read(database) - before < 500, letter
    database.close()


async def names_read(database):
    """What is read of an index one by one."""
    [(_, count)] = await database.fetch("SHOW SESSION STATUS LIKE 'Handler_read_next'")
    return int(count)


# -- places ------------------------------------------------------------------------------------------------------------


async def found(person, prefix):
    return [place.name for place in await person.place.complete(prefix)]


async def test_places_are_found_by_how_they_begin_largest_first(alice):
    first, *_ = await alice.place.complete("Par")
    assert (first.place_id, first.name, first.country) == (PARIS, "Paris", "FR")
    assert (await found(alice, "мОск"))[0] == "Moscow"
    assert (await found(alice, "Моско"))[0] == "Moscow"
    assert (await found(alice, "mün"))[0] == (await found(alice, "MUN"))[0] == "Munich"
    assert (await found(alice, "sao pau"))[0] == (await found(alice, unicodedata.normalize("NFD", "São")))[0]
    assert await found(alice, "new york city") == ["New York City"]
    assert len(await alice.place.complete("a")) == 20
    assert await found(alice, "no such town anywhere") == []
    assert await found(alice, "\uff9e") == [], "an accent alone is no beginning"
    assert await found(alice, "東") == []


async def test_wildcards_are_letters(alice):
    for prefix in ("%", "_", "\\", "%a", "p_ris", "par%", "\\%", "%" * 64, "%a%a%a%a%a%a%a%a"):
        assert await found(alice, prefix) == [], prefix


async def test_a_prefix_is_one_to_64_characters(alice):
    for prefix in ("", " ", "x" * 65, "a\0"):
        with pytest.raises(InvalidPayload):
            await alice.place.complete(prefix)
    assert await found(alice, "x" * 64) == []


# -- people ------------------------------------------------------------------------------------------------------------


async def test_a_card_has_the_town_unless_either_hides_where_they_are(alice, bob, carol):
    assert (await bob.profile.get(alice.id)).place == "Paris"
    assert (await bob.profile.get(carol.id)).place == "Lyon"
    assert (await alice.profile.me()).place == "Paris"
    for person in (alice, bob):
        await person.settings.change(show_distance=False)
        for one, other in ((alice, bob), (bob, alice)):
            card = await one.profile.get(other.id)
            assert card.place is None and card.distance is None
        await person.settings.change(show_distance=True)
    await alice.profile.save(gps=None)
    assert (await bob.profile.get(alice.id)).place is None
    assert (await alice.profile.me()).place is None


async def test_one_is_told_the_middle_of_ones_cell_and_all_in_a_cell_are_in_one_town(server, people):
    places = server.app[SERVICES].places
    for number, (lat, lon) in enumerate([(48.8566, 2.3522), (46.5, 2.0), (0.0, 0.0), (90.0, 0.0), (-90.0, 180.0)]):
        person = await people(f"person{number}", gps={"lat": lat, "lon": lon})
        me = await person.profile.me()
        cell = Cell.around(lat, lon, places.population)
        assert (me.gps.lat, me.gps.lon) == cell.centre
        assert me.place == places.name(places.nearest(*cell.centre))
        await person.profile.save(gps={"lat": me.gps.lat, "lon": me.gps.lon})
        again = await person.profile.me()
        assert (again.gps, again.place) == (me.gps, me.place)

"""Attacks on where people are: nobody finds more than a cell, whatever is asked and from wherever."""

import math
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from handlers.matching.cells import EARTH_KM, Cell
from handlers.matching.distance import EDGES, bucket
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.worlds import Witness, Worlds, settled

ANNA = {"gender": "female", "age": 30, "tags": ["tea"]}
PARIS, LYON = 2988507, 2996944
TOWN, COUNTRY = (48.8566, 2.3522), (44.6, 2.05)
"""In the middle of Paris, where cells are of 1 km; and where they are of 16."""


def gps(lat: float, lon: float) -> dict[str, Any]:
    return {"gps": {"lat": lat, "lon": lon}}


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    north = math.radians(other[0] - one[0])
    east = math.radians(other[1] - one[1]) * math.cos(math.radians(one[0]))
    return EARTH_KM * math.hypot(north, east)


def inside(cell: Cell, draw: Random) -> tuple[float, float]:
    """Return a random position in a cell."""
    reach = 0.5 * 180 / math.pi / EARTH_KM * cell.edge
    while True:
        north, east = draw.uniform(-reach, reach), draw.uniform(-reach, reach)
        lat = cell.centre[0] + north
        lon = cell.centre[1] + east / math.cos(math.radians(cell.centre[0]))
        if Cell.at(lat, lon, cell.edge) == cell:
            return lat, lon


@asynccontextmanager
async def dialled(server: Any, person: Any) -> AsyncIterator[RawSocket]:
    async with await RawSocket.open(server.url, auth={"token": person.token}) as socket:
        yield socket


async def stalk(witness: Witness, victim: Any, around: tuple[float, float], *, rounds: int) -> None:
    """Look for a victim from everywhere, in every way that there is."""
    draw = Random(7)
    for _ in range(rounds):
        reach = draw.choice([0.005, 0.02, 0.2, 3])
        lat, lon = around[0] + draw.uniform(-reach, reach), around[1] + draw.uniform(-reach, reach)
        await witness.ask("user/save_profile", gps(lat, lon))
        fields: dict[str, Any] = {"sort_by": draw.randrange(5), "order": draw.choice(["asc", "desc"])}
        fields |= draw.choice([{}, {"distance_max": draw.choice([1, 2, 5, 10, 50, 500, 20000])}])
        fields |= draw.choice([{}, {}, {"place_id": draw.choice([PARIS, LYON])}, {"limit": 2}, {"online": False}])
        await witness.ask("research", fields)
        await witness.ask("profile", {"target_user_id": victim.id})


async def transcripts(
    worlds: Worlds, *positions: tuple[float, float], hides: str = "nobody", rounds: int = 35
) -> list[list[str]]:
    """Return what a stalker is told, who looks around the first, in worlds that differ in where the victim is alone."""
    async with worlds.begin() as server:
        victim, stalker = await settled(server, "victim", **ANNA), await settled(server, "stalker")
        for number, at in enumerate([TOWN, (48.87, 2.36), (48.6, 2.2), COUNTRY]):
            await settled(server, f"decoy{number}", **ANNA, **gps(*at))
        for person in (victim, stalker):
            async with dialled(server, person) as socket:
                ok(await socket.call("user/settings", {"show_distance": person.login != hides}))
    told = []
    for position in positions:
        async with worlds.go_on() as server:
            async with dialled(server, victim) as socket:
                ok(await socket.call("user/save_profile", gps(*position)))
                ok(await socket.call("user/set_offline"))
            async with dialled(server, stalker) as socket:
                witness = Witness(socket)
                await stalk(witness, victim, positions[0], rounds=rounds)
                told.append([*witness.answers, *map(str, socket.pushes)])
    return told


# -- R71: inside a cell ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("around", "edge"), [(TOWN, 1), (COUNTRY, 16)], ids=["in town", "in the country"])
async def test_where_in_a_cell_somebody_is_cannot_be_told(
    worlds: Worlds, around: tuple[float, float], edge: int
) -> None:
    """R71, R75: two worlds, two ends of a cell; the same questions, from everywhere: the same bytes."""
    cell, draw = Cell.at(*around, edge), Random(1)
    one, other = await transcripts(worlds, inside(cell, draw), inside(cell, draw), rounds=167)
    assert one == other
    assert len(one) >= 500
    assert any("'distance': 1," in line for line in one if line.startswith("profile")), "it came as near as can be"


async def test_a_cell_farther_off_is_told_apart_so_that_the_test_above_means_something(worlds: Worlds) -> None:
    one, other = await transcripts(worlds, TOWN, (TOWN[0] + 0.1, TOWN[1]))
    assert one != other


async def test_the_exact_position_is_nowhere(server: Any, people: Any) -> None:
    """R71: neither in the database nor in a log nor in any answer."""
    person = await people("anna", **gps(48.857_314_159, 2.352_718_281))
    await person.profile.save(**gps(48.907_314_159, 2.402_718_281))
    kept = [row for (table,) in await server.database.fetch("SHOW TABLES") for row in await _rows(server, table)]
    said = [str(await person.profile.me()), *(record.getMessage() for record in server.log)]
    for text in (*kept, *said):
        for digits in ("8573141", "3527182", "9073141", "4027182"):
            assert digits not in text, text


async def _rows(server: Any, table: str) -> list[str]:
    return (
        [] if table.startswith("town") else [str(row) for row in await server.database.fetch(f"SELECT * FROM {table}")]
    )


# -- R74: who hides it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hides", ["victim", "stalker"])
async def test_where_somebody_is_who_hides_it_shows_nowhere(worlds: Worlds, hides: str) -> None:
    """R74: from Paris to Lyon, and nothing is different: no card, filter, sort or score. Who hides it sees nobody's."""
    one, other = await transcripts(worlds, TOWN, (45.764, 4.8357), hides=hides)
    assert one == other


# -- R72, R73: from many sides -----------------------------------------------------------------------------------------


def victims(seed: int) -> list[tuple[float, float]]:
    draw = Random(seed)
    return [(TOWN[0] + draw.uniform(-0.1, 0.1), TOWN[1] + draw.uniform(-0.15, 0.15)) for _ in range(200)]


def test_five_hundred_distances_give_no_more_than_the_cell() -> None:
    """R72: an attacker who knows the grid and the buckets keeps the cells that agree with every answer."""
    draw, errors = Random(2), []
    steps = [step / 250 for step in range(-28, 29)]  # less than half a cell
    city = dict.fromkeys(Cell.at(TOWN[0] + north, TOWN[1] + 1.5 * east) for north in steps for east in steps)
    city = {cell: cell.vector for cell in city}
    for at in victims(2):
        victim, left = Cell.at(*at), set(city)
        for _ in range(500):
            seen_from = Cell.at(TOWN[0] + draw.uniform(-0.4, 0.4), TOWN[1] + draw.uniform(-0.6, 0.6)).vector
            answer = bucket(seen_from, victim.vector)
            left = {cell for cell in left if bucket(seen_from, city[cell]) == answer} if len(left) > 1 else left
        assert victim in left
        middles = [cell.centre for cell in left]
        errors.append(kilometres(at, _mean(middles)))
    median = statistics.median(errors)
    print(f"median error {1000 * median:.0f} m, least {1000 * min(errors):.0f} m, in cells of 1 km")
    assert median >= 0.3


def test_five_hundred_orders_among_decoys_give_no_more_than_the_cell() -> None:
    """R72: an attacker with accounts at known places sees before which of them the victim is listed, by distance.

    The same distance falls by chance, so an order tells at most whether the one distance is not above the other.
    """
    draw, errors = Random(6), []
    steps = [step / 250 for step in range(-28, 29)]
    city = dict.fromkeys(Cell.at(TOWN[0] + north, TOWN[1] + 1.5 * east) for north in steps for east in steps)
    city = {cell: cell.vector for cell in city}
    for at in victims(6):
        victim, left = Cell.at(*at), set(city)
        for _ in range(500):
            seen_from = Cell.at(TOWN[0] + draw.uniform(-0.4, 0.4), TOWN[1] + draw.uniform(-0.6, 0.6)).vector
            decoy = Cell.at(TOWN[0] + draw.uniform(-0.2, 0.2), TOWN[1] + draw.uniform(-0.3, 0.3)).vector
            theirs = bucket(seen_from, decoy) or 0
            is_first = (bucket(seen_from, victim.vector) or 0) <= theirs
            if len(left) > 1:
                left = {cell for cell in left if ((bucket(seen_from, city[cell]) or 0) <= theirs) is is_first}
        assert victim in left
        errors.append(kilometres(at, _mean([cell.centre for cell in left])))
    median = statistics.median(errors)
    print(f"median error {1000 * median:.0f} m, least {1000 * min(errors):.0f} m, by orders among decoys")
    assert median >= 0.3


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.fmean(lat for lat, _ in points), statistics.fmean(lon for _, lon in points)


def test_where_a_distance_flips_is_no_nearer_to_the_victim_than_the_cell() -> None:
    """R72: bisect along lines around the victim, to the metre; the victim is in the middle between two flips."""
    draw, errors = Random(3), []
    for at in victims(3):
        lat, lon = at[0] + draw.uniform(-0.02, 0.02), at[1] + draw.uniform(-0.03, 0.03)
        beside = [step / 200 for step in range(-4, 5)]
        lats = [_between_flips(at, (lat, lon + step), (1, 0))[0] for step in beside]
        lons = [_between_flips(at, (lat + step, lon), (0, 1))[1] for step in beside]
        errors.append(kilometres(at, (statistics.fmean(lats), statistics.fmean(lons))))
    median = statistics.median(errors)
    print(f"median error {1000 * median:.0f} m, least {1000 * min(errors):.0f} m, by flips")
    assert median >= 0.3


def _between_flips(at: tuple[float, float], start: tuple[float, float], way: tuple[int, int]) -> tuple[float, float]:
    """Return the middle between the two points of a line at which the victim's distance comes to be more than 5 km."""
    victim, flips = Cell.at(*at).vector, []
    for sign in (-1, 1):
        near, far = 0.0, 0.2
        for _ in range(20):
            middle = (near + far) / 2
            here = Cell.at(start[0] + sign * middle * way[0], start[1] + sign * middle * way[1])
            near, far = (middle, far) if (bucket(here.vector, victim) or 0) <= 5 else (near, middle)
        flips.append((start[0] + sign * near * way[0], start[1] + sign * near * way[1]))
    return _mean(flips)


async def test_filter_sort_and_score_go_by_the_distance_that_is_shown(server: Any, people: Any) -> None:
    """R73: two in one cell, from many sides: one distance, one fate in every filter, one order between them."""
    draw, cell = Random(4), Cell.at(*TOWN)
    names = ["left", "right"]
    for name in names:
        await people(name, **ANNA, **gps(*inside(cell, draw)))
    stalker = await people("mallory")
    orders = set()
    for _ in range(25):
        lat, lon = TOWN[0] + draw.uniform(-0.1, 0.1), TOWN[1] + draw.uniform(-0.1, 0.1)
        await stalker.profile.save(**gps(lat, lon))
        shown = list(await stalker.research.search(sort_by=1))
        assert len({(card.distance, card.score, card.place) for card in shown}) == 1
        assert shown[0].distance == bucket(Cell.at(lat, lon).vector, cell.vector)
        orders.add(tuple(card.login for card in shown))
        for edge in draw.sample(EDGES, 3):
            found = {card.login for card in await stalker.research.search(distance_max=edge)}
            assert found == (set(names) if shown[0].distance <= edge else set())
    assert len(orders) == 1


# -- R76, R82: how often -----------------------------------------------------------------------------------------------

_REAL = {"scale": 1, "socket_burst": 10_000, "registrations": 100, "research_minute": 1000}


@pytest.mark.config(limits=_REAL)
async def test_who_looks_from_many_places_needs_many_days(server: Any, mallory: Any) -> None:
    """R76: twenty moves a day, own and by towns together; no other socket, session or way round begins anew."""
    draw, made = Random(5), 0
    for number in range(60):
        if number % 15 == 14:
            await mallory.session.login(mallory.login, mallory.password)
        async with dialled(server, mallory) as socket:
            place = [PARIS, LYON, 524901, 2643743, 2950159, 5128581][number % 6]
            there = gps(draw.uniform(40, 50), draw.uniform(0, 10))
            answers = [
                await socket.call("user/save_profile", there),
                await socket.call("research", {"place_id": place}),
                await socket.call("user/save_profile", {"gps": None}),
            ]
            made += sum(answer["code"] == 200 for answer in (answers[0], answers[2]))
            made += number < 6 and answers[1]["code"] == 200
            for answer in answers:
                if answer["code"] != 200:
                    assert refused(answer, "rate_limited")["retry_after"] > 3600
    assert made <= 20 + 20, "taking a position away and giving one are a move together"
    used = await server.database.fetch("SELECT used FROM quota WHERE user_id=%s AND kind=3 AND target_id=0", mallory.id)
    assert used == [(20,)]
    server.clock.advance(86_400)
    await mallory.session.login(mallory.login, mallory.password)
    await mallory.profile.save(**gps(10, 10))


@pytest.mark.config(limits=_REAL | {"research_minute": 20})
async def test_a_crawl_stops_at_twenty_pages_a_minute_by_whatever_way(server: Any, people: Any) -> None:
    """R82: pages count like searches, and all sockets and sessions of one person together."""
    mallory = await people("mallory")
    for number in range(3):
        await people(f"woman{number}", **ANNA)
    first = await mallory.research.search(limit=1)
    pages = 1
    await mallory.session.login(mallory.login, mallory.password)
    for _ in range(25):
        async with dialled(server, mallory) as socket:
            answer = await socket.call("research", {"limit": 1, "cursor": first.cursor})
            pages += answer["code"] == 200
    assert pages == 20
    refused(answer, "rate_limited")

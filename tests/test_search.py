"""What is under research: grids that leave nobody out, plans that change nothing, and a pool as it is published."""

import gc
import hashlib
import math
from datetime import UTC, date, datetime
from functools import partial
from random import Random

import pytest

from handlers.matching import look, pages, plan
from handlers.matching.age import age_on
from handlers.matching.cells import Cell
from handlers.matching.distance import COSINES, EDGES, REACH, bucket
from handlers.matching.fame import fame_of
from handlers.matching.grid import LEVEL_OF, beyond, covers, inner, ring, spots
from handlers.matching.outlook import Filters, Outlook
from handlers.matching.pages import Place
from handlers.matching.score import points
from handlers.research import _SCORE
from server.app import SERVICES
from server.clock import Clock
from server.ephemeral.presence import Here
from server.ephemeral.sample import Sample
from server.outside.tokens import Tokens
from sql import candidate
from sql.candidate import NOWHERE, ROWS, SLOTS, flavour_of, key_of, keys_of, slot_of, taste_of
from sql.database import Database
from sql.eligible import OUTSIDE
from sql.research import _COUNT, _LIST, _POOL, Found, Search, Step, list_found
from sql.transaction import Budget, Tx, transact
from tests.ground.crowd import TAGS, Crowd
from tests.ground.recorders import SqlRecorder
from tests.ground.waiting import until

PARIS = {"lat": 48.8606, "lon": 2.3376}


@pytest.fixture
def in_small_steps(monkeypatch):
    """Let a crowd of some dozens be looked through like one of a million: piece by piece, pool by pool."""
    for name, value in {"FEW": 6, "MANY": 12, "LEAST": 2, "AS_WELL": 1}.items():
        monkeypatch.setattr(plan, name, value)
    monkeypatch.setattr(look, "PLACED", 12)
    monkeypatch.setattr(look, "PLACELESS", 4)


# -- grids -------------------------------------------------------------------------------------------------------------


def vector(lat, lon):
    lat, lon = math.radians(lat), math.radians(lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def around(middle, kilometres, bearing):
    """The point so far away in a direction."""
    lat, lon = math.asin(middle[2]), math.atan2(middle[1], middle[0])
    angle = kilometres / 6371.0088
    north = math.asin(math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(bearing))
    east = lon + math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(lat), math.cos(angle) - math.sin(lat) * math.sin(north)
    )
    return vector(math.degrees(north), math.degrees(east))


EDGES_OF_THE_EARTH = [(90, 0), (-90, 0), (89.99, 17), (-89.6, -120), (0, 180), (0, -180), (51, 179.999), (0, 0)]


async def test_whoever_is_within_a_circle_is_in_a_cell_of_its_cover(database):
    """The database reckons the cells of people, this program those of circles: no rounding leaves anybody out."""
    draw = Random(5)
    middles = [vector(*at) for at in EDGES_OF_THE_EARTH]
    middles += [vector(draw.uniform(-85, 85), draw.uniform(-180, 180)) for _ in range(22)]
    rows, expected = [], []
    for middle in middles:
        for place, reach in enumerate(REACH):
            for share in (1.0, 0.97, draw.random()):
                rows.append(around(middle, reach * share * 0.9999999, draw.uniform(0, math.tau)))
                expected.append((middle, place, share == 1.0))
    for start in range(0, len(rows), 500):
        values = ",".join(
            f"({start + n + 1},1,'','',{x!r},{y!r},{z!r})" for n, (x, y, z) in enumerate(rows[start : start + 500])
        )
        await database.fetch(f"INSERT INTO profile (user_id,found,first_name,last_name,x,y,z) VALUES {values}")
    await fill(database)
    columns = ",".join(f"c{level}" for level in ROWS)
    found = await database.fetch(f"SELECT {columns} FROM candidate ORDER BY user_id")
    assert len(found) == len(rows)
    for cells, (middle, place, is_at_the_edge) in zip(found, expected, strict=True):
        there = dict(zip(ROWS, cells, strict=True))
        assert there[LEVEL_OF[place]] in covers(middle)[place], (middle, REACH[place])
        is_outside = place + 1 < len(REACH)
        for level in _levels(place):
            cells = ring(middle, place + 1, level) if is_outside else beyond(middle)
            assert there[level] in cells or not is_at_the_edge, (middle, REACH[place], level)


async def test_whoever_is_in_a_bucket_is_at_one_of_its_spots(database):
    """People are nowhere but in the middles of cells: so is whoever is near, whatever the rounding of their cells."""
    draw = Random(9)
    rows, expected = [], []
    for lat, lon in [*EDGES_OF_THE_EARTH, *((draw.uniform(-85, 85), draw.uniform(-180, 180)) for _ in range(22))]:
        middle = Cell.at(lat, lon, draw.choice((1, 4, 16))).vector
        for _ in range(40):
            far = around(middle, draw.uniform(0, 10.2), draw.uniform(0, math.tau))
            one = Cell.at(
                math.degrees(math.asin(far[2])), math.degrees(math.atan2(far[1], far[0])), draw.choice((1, 4))
            )
            if (edge := bucket(middle, one.vector)) in EDGES[:4]:
                rows.append(one.vector)
                expected.append((middle, EDGES.index(edge)))
    assert len({place for _, place in expected}) == 4
    values = ",".join(f"({n},1,'','',{x!r},{y!r},{z!r})" for n, (x, y, z) in enumerate(rows, 1))
    await database.fetch(f"INSERT INTO profile (user_id,found,first_name,last_name,x,y,z) VALUES {values}")
    await fill(database)
    found = await database.fetch("SELECT c1, c4 FROM candidate ORDER BY user_id")
    for (cell, larger), (middle, place) in zip(found, expected, strict=True):
        assert cell in spots(middle, place), (middle, place)
        assert larger not in inner(middle, place - 1, 4) if place else True
    for place, most in ((2, 130), (3, 400)):
        assert max(len(spots(middle, place)) for middle, _ in expected if abs(middle[2]) < 0.98) < most


async def test_both_reckon_with_the_same_number_of_columns_in_every_row(database):
    """A column more or less would shift a whole row around the earth."""
    for count in ROWS.values():
        text = f"SELECT seq,FLOOR(2*{count}*COS(((seq+0.5e0)/{count}-0.5e0)*{math.pi!r})) FROM seq_0_to_{count - 1}"
        for row, columns in await database.fetch(text):
            assert max(1, columns) == max(1, math.floor(2 * count * math.cos(((row + 0.5) / count - 0.5) * math.pi)))


def test_covers_are_few_cells_and_hold_the_middle():
    draw = Random(6)
    for _ in range(50):
        cells = covers(Cell.at(draw.uniform(-80, 80), draw.uniform(-180, 180)).vector)
        assert [len(cover) for cover in cells] == [len(set(cover)) for cover in cells]
        assert max(map(len, cells)) < 130


# -- candidates --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def database(empty_world):
    database = Database(empty_world.database_url, size=1, timeout=60)
    yield database
    database.close()


async def fill(database):
    after = 0
    while True:
        ids, _ = await transact(
            database, datetime.now(UTC), partial(candidate.fill, after=after, limit=1000), random=Random(1)
        )
        if not ids:
            return
        after = ids[-1]


async def test_what_search_goes_by_is_what_profiles_say_whatever_happens(server, people):
    """After each act the copy is as it would be if it were made anew."""
    bob = await people("bob")
    anna = await people("anna", gender="female", tags=["tea", "chess"], gps=PARIS, age=30)

    async def rows():
        tags = await server.database.fetch("SELECT * FROM candidate_tag")
        rows = await server.database.fetch("SELECT * FROM candidate")
        return sorted((*row, *sorted(tag for tag in tags if tag[3] == row[0])) for row in rows)

    async def anew():
        before = await rows()
        await server.database.fetch("DELETE FROM candidate_tag")
        await server.database.fetch("DELETE FROM candidate")
        await fill(server.database)
        assert await rows() == before
        return {row[0]: row for row in before}

    assert (await anew()).keys() == {bob.id, anna.id}
    for change in (
        anna.profile.save(tags=["books"], gender="nonbinary", sex=["male"]),
        anna.profile.save(age=44, gps={"lat": -33.9, "lon": 151.2}),
        anna.settings.change(show_distance=False),
        anna.settings.change(show_online=False),
        anna.profile.save(gps=None, tags=[]),
    ):
        before = await rows()
        await change
        assert (await anew())[anna.id] != {row[0]: row for row in before}.get(anna.id)
    assert (await rows())[0] and NOWHERE in (await anew())[anna.id]
    await anna.profile.save(image=[])
    assert (await anew()).keys() == {bob.id}


async def test_bits_of_tags_are_the_same_in_the_database_and_here(server, people):
    """Letters of any script: who has not the bits has not the tags."""
    tags = ["tea", "été", "чай", "茶", "a-b"]
    anna = await people("anna", tags=tags)
    bits = await server.database.fetch("SELECT taste, flavour FROM candidate WHERE user_id=%s", anna.id)
    assert bits == [(taste_of(tags), flavour_of(tags))]
    rows = await server.database.fetch("SELECT tags FROM candidate_tag WHERE user_id=%s", anna.id)
    assert {key for (key,) in rows} == keys_of(tags) and len(rows) == 15


async def test_a_database_that_knew_no_candidates_makes_them_when_it_is_served(start_server):
    server = await start_server()
    crowd = Crowd(server, 1)
    ids = {await crowd.join() for _ in range(3)}
    await server.database.fetch("DELETE FROM candidate")
    await start_server()
    assert {row[0] for row in await server.database.fetch("SELECT user_id FROM candidate")} == ids


# -- the pool ----------------------------------------------------------------------------------------------------------


async def reference(server, viewer_id, day, *, order, pools):
    """Sort 0 by its published definition, from the tables alone."""
    columns = "user_id,gender,sex,birth_date,fame,x,y,z,show_distance"
    rows = {row[0]: row for row in await server.database.fetch(f"SELECT {columns} FROM profile WHERE found = 1")}
    tags = {id: set() for id in rows}
    for id, tag in await server.database.fetch("SELECT user_id, tag FROM profile_tag"):
        tags[id].add(tag)
    own = rows[viewer_id]
    key = int.from_bytes(hashlib.sha256(f"{viewer_id}:{day}".encode()).digest()) % SLOTS
    placed, placeless = [], []
    for id, gender, sex, born, fame, x, y, z, shows in rows.values():
        fits = (not own[2] or gender & own[2]) and (not sex or sex & own[1])
        if id == viewer_id or not fits:
            continue
        both_show = shows and own[8] and x is not None and own[5] is not None
        distance = bucket(own[5:8], (x, y, z)) if both_show else None
        score = points(
            distance=distance,
            common_tags=len(tags[id] & tags[viewer_id]),
            fame=fame,
            age=age_on(born, day) if born else None,
            own_age=age_on(own[3], day) if own[3] else None,
        )
        tie = slot_of(id) ^ key
        where = placeless if distance is None else placed
        where.append(((0 if distance is None else EDGES.index(distance)), tie, sum(score), id))
    placed.sort()
    placeless.sort()
    near, far = (look.PLACED, look.PLACELESS) if placed else (0, look.PLACED + look.PLACELESS)
    expected = []
    for number in range(pools):
        pool = placed[number * near : (number + 1) * near] + placeless[number * far : (number + 1) * far]
        pool.sort(key=lambda one: ((-1 if order == "desc" else 1) * one[2], one[1]))
        expected += [id for *_, id in pool]
    return expected


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("home", [PARIS, {"lat": 47.0, "lon": 3.0}, None])
async def test_the_recommended_are_those_of_the_published_definition(server, people, in_small_steps, home, order):
    """In pieces, over many pages, several pools: exactly the reference."""
    bob = await people("bob", gps=home, tags=TAGS[:3], gender="male", age=33)
    crowd = Crowd(server, 17)
    for number in range(70):
        await crowd.join(**({"gps": PARIS, "show_distance": 1} if number % 2 else {}), sex=number % 3)
    await server.app[SERVICES].sample.load(server.app[SERVICES].read)
    expected = await reference(server, bob.id, server.clock.now().date(), order=order, pools=20)
    seen = [card.user_id async for card in bob.research.all(order=order, limit=7)]
    assert seen == expected
    one_by_one = [card.user_id async for card in bob.research.all(order=order, limit=50)]
    assert one_by_one == expected


async def test_the_plan_changes_nothing_of_what_is_found(server, people, monkeypatch):
    """Looked through whole or in the smallest pieces, with a sample and without: the same people in the same order."""
    bob = await people("bob", tags=TAGS[:3])
    crowd = Crowd(server, 23)
    for number in range(50):
        await crowd.join(**({"gps": PARIS} if number % 2 else {}))
    asked = [
        {"sort_by": sort_by, "order": order} | filters
        for sort_by in range(5)
        for order in ("asc", "desc")
        for filters in (
            {},
            {"distance_max": 50},
            {"age_min": 30, "fame_max": 80},
            {"tags": [TAGS[0]]},
            {"common_tags_min": 1},
            {"common_tags_min": 2, "fame_min": 20},
        )
    ]
    whole = [[card.user_id async for card in bob.research.all(**fields, limit=50)] for fields in asked]
    await server.app[SERVICES].sample.load(server.app[SERVICES].read)
    for name, value in {"FEW": 5, "MANY": 9, "LEAST": 2, "AS_WELL": 1}.items():
        monkeypatch.setattr(plan, name, value)
    pieces = [[card.user_id async for card in bob.research.all(**fields, limit=9)] for fields in asked]
    for fields, one, other in zip(asked, whole, pieces, strict=True):
        assert one == other, fields


@pytest.mark.config(research={"budget": 1e-9})
async def test_a_pool_that_has_grown_meanwhile_takes_no_longer_than_others(server, people, in_small_steps):
    """Whoever seeks others by now finds a crowd between the ends of what was a handful: time is short all the same."""
    bob = await people("bob", sex=["nonbinary"])
    crowd = Crowd(server, 5)
    for number in range(105):
        await crowd.join(gps=PARIS, show_distance=1, sex=0, gender=4 if number < 5 else 2)
    await server.app[SERVICES].sample.load(server.app[SERVICES].read)
    first = await bob.research.search(limit=2)
    await bob.profile.save(sex=[])
    with SqlRecorder() as recorder:
        page = await bob.research.search(limit=2, cursor=first.cursor)
    assert sum("GROUP_CONCAT(CASE" in statement.sql for statement in recorder.statements) < 4
    rest = [card async for card in bob.research.all(limit=50, cursor=page.cursor)]
    shown = [card.user_id for card in (*first, *page, *rest)]
    assert len(shown) == len(set(shown)) > 50, "whoever was not reached in time comes later"


async def test_not_everybody_is_shown_the_same_few(server, people, in_small_steps):
    """Where more live than make a pool, other viewers, and other days, have others in it."""
    bob, carol = [await people(name, gps=PARIS) for name in ("bob", "carol")]
    crowd = Crowd(server, 29)
    for _ in range(60):
        await crowd.join(gps=PARIS, show_distance=1)
    shown = set()
    for _ in range(8):
        for viewer in (bob, carol):
            shown.add(frozenset([card.user_id for card in await viewer.research.search(limit=10)]))
            await viewer.session.login(viewer.login, viewer.password)
        server.clock.advance(86_400)
    assert len(shown) > 3
    assert len(frozenset.union(*shown)) > 30


def test_the_longest_cursor_is_one_that_a_client_may_send():
    """All marks, the farthest places, the longest page."""
    draw, last = Random(3), 13 * SLOTS - 1
    tokens = Tokens(["k" * 32], Clock(), session_days=1, link_hours=1, reset_minutes=1)
    pool = look.Pool((last, last), (last, last), Found(2**53 - 1, 100, SLOTS - 1))
    place = Place(date(2026, 1, 1), None, tuple(draw.getrandbits(32) for _ in range(pages._MARKS)))
    shown = [draw.getrandbits(53) for _ in range(50)]
    assert len(place.cursor(tokens, "research." + "f" * 32, pool, shown)) <= 4000


def test_cursors_leave_nothing_to_be_collected():
    """Cycles add up until a garbage collection that everybody waits for."""
    tokens = Tokens(["k" * 32], Clock(), session_days=1, link_hours=1, reset_minutes=1)
    gc.collect()
    for _ in range(100):
        tokens.read_page("likes", tokens.page("likes", [1]))
    assert gc.collect() < 100


# -- fame --------------------------------------------------------------------------------------------------------------


def test_fame_grows_ever_more_slowly_and_one_person_does_not_show():
    fames = [fame_of(likers) for likers in range(2000)]
    assert fames == sorted(fames) and fames[0] == 0 and max(fames) < 100
    assert fame_of(25) == 50
    assert all(fame_of(likers) == fame_of(likers // 5 * 5) for likers in range(100))


@pytest.mark.config(research={"sweep": 0.05})
async def test_fame_is_that_of_the_day_before(server, people):
    """R80: who likes somebody today, and who takes it back, shows from tomorrow on, and then only five together."""
    anna = await people("anna", gender="female")
    others = [await people(f"man{number}") for number in range(6)]

    async def fame():
        return (await others[0].profile.get(anna.id)).fame

    for other in others:
        await other.relation.like(anna.id)
    assert await fame() == 0
    server.clock.advance(86_400)
    for one in (anna, *others):
        await one.session.login(one.login, one.password)
    await until(lambda: fame_is(server, anna.id, fame_of(5)))
    await others[1].relation.unlike(anna.id)
    await others[2].relation.unlike(anna.id)
    assert await fame() == fame_of(5)
    kept = await server.database.fetch("SELECT fame FROM candidate WHERE user_id = %s", anna.id)
    assert kept == [(fame_of(5),)]
    server.clock.advance(86_400)
    await until(lambda: fame_is(server, anna.id, 0))
    assert await server.database.fetch("SELECT COUNT(*) FROM popularity") == [(0,)]


async def fame_is(server, user_id, fame):
    return await server.database.fetch("SELECT fame FROM profile WHERE user_id = %s", user_id) == [(fame,)]


# -- plans -------------------------------------------------------------------------------------------------------------

CROWD = 20_000


@pytest.fixture
async def metropolis(database):
    """Many in a few cells, and some all over the world."""
    middle = vector(*PARIS.values())
    await database.fetch(
        "INSERT INTO profile (user_id,found,first_name,last_name,gender,sex,birth_date,fame,x,y,z)"
        f" SELECT seq*7919+1,1,'','',1+MOD(seq,2),0,'1970-01-01'+INTERVAL MOD(seq,12000) DAY,MOD(seq*37,101),"
        f"{middle[0]!r},{middle[1]!r},{middle[2]!r} FROM seq_1_to_{CROWD}"
    )
    await database.fetch("INSERT INTO profile_tag SELECT user_id, 'tea', 0 FROM profile WHERE MOD(user_id,4)=0")
    await database.fetch("INSERT INTO profile_tag SELECT user_id, 'rare', 1 FROM profile WHERE MOD(user_id,397)=0")
    await fill(database)
    await database.fetch("ANALYZE TABLE candidate, candidate_tag, pair")
    return database


async def sampled(database):
    """What a search asks with, and what it plans by."""
    tx, sample = Tx(database, now=datetime.now(UTC), budget=Budget(60)), Sample()
    await sample.load(lambda work: work(tx))
    return tx, sample


async def test_every_statement_goes_by_its_index(metropolis):
    search = viewer_of().values() | {"unknown_last": 12, "limit": 21, "pool": 240, "far_pool": 60}
    search |= {"between": ":", "comma": ",", "many": 10**9, "least": 0, "most": 10**6, "value": None, "tie": None}
    search |= dict.fromkeys(("nearest", "first_tie", "last_tie", "only_placeless", "first_far", "last_far"))
    search |= {"farthest": 0.99, "is_unknown": None, "taste_likely": 1, "taste_own": 6, "taste_shared": 0}
    search |= {"flavour_likely": 1, "flavour_own": 6, "flavour_shared": 0}

    def keys(index):
        if index == OUTSIDE:
            return (*inner(vector(*PARIS.values()), 4, 4), NOWHERE)
        level = int(index[1:]) if index[1:].isdigit() else None
        some = {"tag": (key_of("rare"),), "born": (1990 * 12 + 3,), "fame": (50,), "everybody": (0,)}
        some |= {"user_id": tuple(range(1, 20_000, 7919))}
        return some.get(index) or covers(vector(*PARIS.values()))[LEVEL_OF.index(level)]

    statements = [(index, None, one) for (index, *_), one in _LIST.items()]
    statements += [(index, None, one) for index, one in _COUNT.items()]
    statements += [(near, far, one) for (near, far, _), one in _POOL.items()]
    for near, far, statement in statements:
        indexes = {near, far} - {None}
        index = next(iter(indexes))
        indexes |= {"c4"} if index == OUTSIDE else set()
        steps = Step(near or "everybody", keys(near or "everybody"), 0, SLOTS >> 6).bound()
        steps |= Step(far or "everybody", keys(far or "everybody"), 0, SLOTS >> 6).bound("far_")
        text, bound = statement.bind(search | steps)
        for row in await metropolis.fetch(f"EXPLAIN {text}", *bound):
            table, kind, key = row[2], row[3], row[5]
            if table == "c":
                wanted = {{OUTSIDE: "c4", "user_id": "PRIMARY"}.get(one, one) for one in indexes}
                assert key in wanted or (kind, key) == ("eq_ref", "PRIMARY"), (index, row)
                assert kind in ("range", "ref", "eq_ref"), row
            elif table == "r":
                assert (kind, key) == ("eq_ref", "PRIMARY"), row
            elif table == "k":
                assert kind in ("range", "ref"), row


def viewer_of(**more):
    return Search(
        viewer_id=1,
        own_gender=1,
        own_sex=2,
        own_age=30,
        own_tags=["tea", "rare"],
        vector=vector(*PARIS.values()),
        today=date(2026, 1, 1),
        cosines=COSINES,
        score=_SCORE,
        key=12345678901234,
        **{"genders": (2,)} | more,
    )


async def test_no_search_looks_at_many_however_many_there_are(metropolis):
    """Counted by the database itself: rows read for the first page of each sort, in a crowd of 20,000 in one cell."""
    tx, sample = await sampled(metropolis)
    for sort_by, order, asked in (
        [(0, "DESC", {}), (0, "ASC", {}), (0, "DESC", {"fame_min": 90})]
        + [
            (sort_by, order, asked)
            for sort_by in (1, 2, 3)
            for order in ("ASC", "DESC")
            for asked in ({}, {"tags": ("rare",)}, {"fame_min": 50})
        ]
        + [(4, order, asked) for order in ("ASC", "DESC") for asked in ({}, {"tags": ("tea",)}, {"fame_min": 90})]
    ):
        search = viewer_of(**asked)
        filters = Filters(genders=(2,), own_gender=1, today=search.today, own_tags=("tea", "rare"), **asked)
        unknown = 12 if sort_by == 0 else -1 if order == "DESC" else 999_999
        one = look.Look(tx, search, Outlook(sample, filters, search.vector, unknown), order=order, budget=9, at_most=9)
        before = await rows_read(metropolis)
        seen = await (one.list_best(look.FIRST_POOL, 21) if sort_by == 0 else one.list_sorted(sort_by, None, 21))
        looked_at = await rows_read(metropolis) - before
        assert len(seen.people) >= 9
        assert looked_at < CROWD / 3, (sort_by, order, asked, looked_at)


async def test_that_nobody_is_in_a_ring_around_a_crowd_is_found_without_looking_at_the_crowd(metropolis):
    """Many cells at once: what the database has learnt of some says nothing of others, so it has to look."""
    tx, sample = await sampled(metropolis)
    search = viewer_of(genders=(0, 1, 2, 4))
    filters = Filters(genders=search.genders, own_gender=1, today=search.today)
    groups = Outlook(sample, filters, search.vector, -1).by_distance()
    for group in groups[1:]:
        before = await rows_read(metropolis)
        step = plan.stretch([group], 0, 0, wanted=21, key=search.key).step
        found = await list_found(tx, search=search, step=step, sort_by=1, order="DESC", after=None, limit=21)
        assert found == [] and await rows_read(metropolis) - before < 4000, group.least
        assert len(group.keys) > 16


async def test_farthest_first_begins_with_those_outside_of_the_metropolis(metropolis):
    """Page by page, as if all of them were sorted; those outside are found without looking at the crowd."""
    outside = [(48.95, 2.5), (48.86, 2.55), (49.1, 2.3), (45.76, 4.83), (43.3, 5.4), (35.7, 139.7), (-33.9, 151.2)]
    first = 10**12
    for number, (lat, lon) in enumerate(outside):
        await metropolis.fetch(
            "INSERT INTO profile (user_id,found,first_name,last_name,gender,x,y,z) VALUES (%s,1,'','',2,%s,%s,%s)",
            first + number,
            *Cell.at(lat, lon).vector,
        )
    anew = partial(candidate.refresh, first=first, last=first + len(outside))
    await transact(metropolis, datetime.now(UTC), anew, random=Random(1))
    tx, sample = await sampled(metropolis)
    search = viewer_of()
    filters = Filters(genders=(2,), own_gender=1, today=search.today, own_tags=("tea", "rare"))
    outlook = Outlook(sample, filters, search.vector, -1)
    assert outlook.farthest_first()[0].by == OUTSIDE
    found = []
    while len(found) < 30:
        one = look.Look(tx, search, outlook, order="DESC", budget=9, at_most=9)
        found += (await one.list_sorted(1, found[-1] if found else None, 5)).people
    rows = await metropolis.fetch("SELECT user_id, slot, x, y, z FROM candidate WHERE gender = 2")
    edges = {user_id: bucket(search.vector, point) for user_id, _, *point in rows}
    order = sorted(rows, key=lambda row: (-edges[row[0]], row[1] ^ search.key))
    assert [person.user_id for person in found] == [row[0] for row in order[:30]]
    assert len({edges[person.user_id] for person in found}) > 4


async def test_those_with_enough_tags_in_common_are_found_by_these(metropolis):
    """By pairs of tags, not by looking at everybody; and nobody is looked at by whoever has too few tags for it."""
    await metropolis.fetch("INSERT INTO profile_tag SELECT user_id, 'odd', 2 FROM profile WHERE MOD(user_id,397)=0")
    await transact(metropolis, datetime.now(UTC), partial(candidate.refresh, first=0, last=10**12), random=Random(1))
    tx, sample = await sampled(metropolis)
    own = ["tea", "rare", "odd"]
    for common, most in ((2, 1500), (4, 10)):
        found = set()
        for sort_by in range(5):
            search = viewer_of(common_min=common)._replace(own_tags=own)
            filters = Filters((2,), 1, search.today, own_tags=tuple(own), common_min=common)
            outlook = Outlook(sample, filters, search.vector, 12 if sort_by == 0 else -1)
            one = look.Look(tx, search, outlook, order="DESC", budget=9, at_most=9)
            before = await rows_read(metropolis)
            seen = await (one.list_best(look.FIRST_POOL, 50) if sort_by == 0 else one.list_sorted(sort_by, None, 50))
            assert await rows_read(metropolis) - before < most, (common, sort_by)
            assert seen.rest is None and not seen.partial
            ids = [person.user_id for person in seen.people]
            assert len(ids) == len(set(ids))
            found.add(frozenset(ids))
        [ids] = found
        assert len(ids) == (
            len([n for n in range(1, CROWD + 1) if (n * 7919 + 1) % 397 == 0 and n % 2]) if common == 2 else 0
        )


async def test_of_those_who_share_a_bit_but_no_tag_no_row_is_read(metropolis):
    """The index has two bits for each tag: whose first one is that of a tag of the viewer's has another second one."""
    tx, _ = await sampled(metropolis)
    alike = next(tag for tag in map("tag{}".format, range(9999)) if taste_of([tag]) == taste_of(["tea"]))
    assert flavour_of([alike]) != flavour_of(["tea"])
    search = viewer_of(common_min=1)._replace(own_tags=[alike])
    step = Step("c1", covers(search.vector)[0])
    before = await rows_read(metropolis)
    assert await list_found(tx, search=search, step=step, sort_by=1, order="ASC", after=None, limit=21) == []
    assert await rows_read(metropolis) - before < 100


async def test_one_statement_finds_a_pool_if_few_have_a_tag(metropolis):
    """The few are looked at once, not once for each part of the pool: those who hide where they are go by slots."""
    await metropolis.fetch("UPDATE profile SET show_distance = 0 WHERE MOD(user_id, 8) = 0")
    await transact(metropolis, datetime.now(UTC), partial(candidate.refresh, first=0, last=10**12), random=Random(1))
    tx, sample = await sampled(metropolis)
    search = viewer_of(tags=("rare",))
    filters = Filters((2,), 1, search.today, own_tags=("tea", "rare"), tags=search.tags)
    one = look.Look(tx, search, Outlook(sample, filters, search.vector, 12), order="DESC", budget=9, at_most=9)
    with SqlRecorder() as recorder:
        seen = await one.list_best(look.FIRST_POOL, 50)
    assert len(recorder.statements) == 1
    fitting = "SELECT user_id FROM profile WHERE gender = 2 AND MOD(user_id, 397) = 0"
    assert {person.user_id for person in seen.people} == {user_id for (user_id,) in await metropolis.fetch(fitting)}


async def test_those_who_are_here_are_found_among_these(metropolis):
    tx, sample = await sampled(metropolis)
    here = Here(40, tuple(number * 7919 + 1 for number in range(100, 140)))
    for sort_by in range(5):
        search = viewer_of()
        filters = Filters((2,), 1, search.today, own_tags=("tea", "rare"), here=here)
        outlook = Outlook(sample, filters, search.vector, 12 if sort_by == 0 else -1)
        one = look.Look(tx, search, outlook, order="DESC", budget=9, at_most=9)
        before = await rows_read(metropolis)
        seen = await (one.list_best(look.FIRST_POOL, 50) if sort_by == 0 else one.list_sorted(sort_by, None, 50))
        assert await rows_read(metropolis) - before < 400, sort_by
        assert {person.user_id for person in seen.people} == set(here.user_ids[1::2]), "the women of them"


async def test_whom_hardly_anybody_seeks_is_not_shown_around_everybody_in_one_go(metropolis, monkeypatch):
    """Indexes know who somebody is, not whom they seek: those who don't fit are looked at, too."""
    await metropolis.fetch("UPDATE candidate SET sex = 1")
    tx, sample = await sampled(metropolis)
    monkeypatch.setattr(plan, "MANY", 1000)
    search = viewer_of()._replace(own_gender=4)
    filters = Filters((2,), 4, search.today, own_tags=("tea", "rare"))
    for sort_by, order in ((0, "DESC"), (1, "ASC"), (1, "DESC"), (2, "ASC"), (3, "DESC")):
        outlook = Outlook(sample, filters, search.vector, 12 if sort_by == 0 else -1 if order == "DESC" else 999_999)
        one = look.Look(tx, search, outlook, order=order, budget=0, at_most=0)  # it ends after one step
        before = await rows_read(metropolis)
        seen = await (one.list_best(look.FIRST_POOL, 21) if sort_by == 0 else one.list_sorted(sort_by, None, 21))
        assert seen.people == [] and seen.partial
        assert await rows_read(metropolis) - before < 6000, (sort_by, order)
    assert outlook.everybody()[1] > 1, "those who are counted are some of all"


async def test_in_a_village_with_nobody_near_no_search_looks_at_many(metropolis):
    """Nobody within 200 km, a crowd beyond: the nearest are found without all of it, and nobody near at once."""
    tx, sample = await sampled(metropolis)
    village = around(vector(*PARIS.values()), 300, 2.0)
    for sort_by, order, reach, most in ((0, "DESC", None, 1500), (1, "ASC", None, 1500), (0, "DESC", 7, 100)):
        more = {} if reach is None else {"reach": COSINES[reach]}
        search = viewer_of(**more)._replace(vector=village)
        filters = Filters(genders=(2,), own_gender=1, today=search.today, own_tags=("tea", "rare"), bucket=reach)
        outlook = Outlook(sample, filters, village, 12 if sort_by == 0 else 999_999)
        one = look.Look(tx, search, outlook, order=order, budget=9, at_most=9)
        before = await rows_read(metropolis)
        seen = await (one.list_best(look.FIRST_POOL, 21) if sort_by == 0 else one.list_sorted(sort_by, None, 21))
        looked_at = await rows_read(metropolis) - before
        assert len(seen.people) == (0 if reach else 21)
        assert looked_at < most, (sort_by, order, reach, looked_at)


async def test_a_crowd_just_beyond_the_edge_of_a_circle_is_not_looked_at_for_the_ring(metropolis):
    """The edge runs through the cell in which all of them live, but not through the place in it."""
    tx, sample = await sampled(metropolis)
    for kilometres in (1.55, 2.05, 5.05):
        here = around(vector(*PARIS.values()), kilometres, 2.0)
        for sort_by, order in ((0, "DESC"), (1, "ASC"), (1, "DESC")):
            search = viewer_of()._replace(vector=here)
            filters = Filters((2,), 1, search.today, own_tags=("tea", "rare"))
            outlook = Outlook(sample, filters, here, 12 if sort_by == 0 else 999_999 if order == "ASC" else -1)
            one = look.Look(tx, search, outlook, order=order, budget=9, at_most=9)
            before = await rows_read(metropolis)
            seen = await (one.list_best(look.FIRST_POOL, 21) if sort_by == 0 else one.list_sorted(sort_by, None, 21))
            assert len(seen.people) == 21
            assert await rows_read(metropolis) - before < 4000, (kilometres, sort_by, order)


async def test_who_has_no_place_is_told_at_once_that_nobody_is_near(metropolis):
    """No distance is known, so a distance fits nobody: nothing is looked at."""
    tx = Tx(metropolis, now=datetime.now(UTC), budget=Budget(60))
    search = viewer_of(reach=COSINES[4])._replace(vector=None)
    filters = Filters(genders=(2,), own_gender=1, today=search.today, own_tags=("tea", "rare"), bucket=4)
    for sort_by in range(5):
        one = look.Look(tx, search, Outlook(Sample(), filters, None, 12), order="DESC", budget=9, at_most=9)
        before = await rows_read(metropolis)
        seen = await (one.list_best(look.FIRST_POOL, 21) if sort_by == 0 else one.list_sorted(sort_by, None, 21))
        assert seen.people == [] and seen.rest is None
        assert await rows_read(metropolis) - before < 10, sort_by


async def rows_read(database):
    counters = await database.fetch("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(count) for _, count in counters)


def _levels(place):
    """The grids that the ring around the circle of a bucket may be covered with."""
    if place + 1 == len(REACH):
        return (1024,)
    return (LEVEL_OF[place + 1], max(1, LEVEL_OF[place + 1] // 4))

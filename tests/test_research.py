"""research: exactly the eligible, in the order that was asked for, page by page."""

import hashlib
from datetime import timedelta
from functools import partial

import pytest
from redis.asyncio import Redis

from client_sdk import Client, InvalidPayload, RateLimited, Unavailable
from handlers import research
from handlers.matching import outlook, plan
from handlers.matching.distance import round_up
from handlers.research import _key
from server.app import SERVICES
from sql.candidate import SLOTS, slot_of
from tests.ground.crowd import TAGS, Crowd
from tests.ground.waiting import until

PLACES = {
    "anna": {"lat": 48.8570, "lon": 2.3530},
    "berta": {"lat": 48.9, "lon": 2.4},
    "clara": {"lat": 45.764, "lon": 4.8357},
    "diana": {"lat": 40.7128, "lon": -74.006},
}


@pytest.fixture
async def town(people):
    """Bob looks; five women are there, one of them with her place unknown."""
    bob = await people("bob", sex=["female"])
    women = {
        name: await people(name, gender="female", age=25 + 3 * number, gps=gps, tags=["tea", "books", "chess"][:number])
        for number, (name, gps) in enumerate(PLACES.items())
    }
    women["elsa"] = await people("elsa", gender="female", age=60)
    return bob, women


async def names(person, **fields):
    return [card.login for card in (await person.research.search(**fields))]


async def test_sort_by_distance_puts_the_unknown_last_in_both_orders(town):
    bob, _ = town
    assert await names(bob, sort_by=1) == ["anna", "berta", "clara", "diana", "elsa"]
    assert await names(bob, sort_by=1, order="desc") == ["diana", "clara", "berta", "anna", "elsa"]


async def test_the_other_sorts_order_by_what_the_cards_show(town):
    bob, _ = town
    for sort_by, key in ((2, "age"), (0, "score"), (3, "fame")):
        for order in ("asc", "desc"):
            shown = [getattr(card, key) for card in await bob.research.search(sort_by=sort_by, order=order)]
            assert shown == sorted(shown, reverse=order == "desc"), (sort_by, order)
    common = [len(card.common_tags) for card in await bob.research.search(sort_by=4)]
    assert common == sorted(common, reverse=True)


async def test_the_best_comes_first_if_no_order_is_given(town):
    bob, _ = town
    for sort_by, order in ((0, "desc"), (1, "asc"), (2, "asc"), (3, "desc"), (4, "desc")):
        assert await names(bob, sort_by=sort_by) == await names(bob, sort_by=sort_by, order=order)
    assert await names(bob) == await names(bob, sort_by=0)


async def test_score_is_what_the_cards_say_and_its_parts_add_up(town):
    bob, _ = town
    for card in await bob.research.search():
        assert round(sum(card.why.values()), 2) == card.score
        assert set(card.why) == {"distance", "tags", "fame", "age"}


async def test_filters(town):
    bob, _ = town
    assert set(await names(bob, age_min=28, age_max=31)) == {"berta", "clara"}
    page = await bob.research.search(distance_max=9)
    assert {card.login for card in page} == {"anna", "berta"}
    assert page.distance_max == 10
    assert "elsa" not in await names(bob, distance_max=20000)
    assert set(await names(bob, tags=["TEA", "books"])) == {"clara", "diana"}
    assert set(await names(bob, common_tags_min=2)) == {"diana"}
    assert await names(bob, fame_min=1) == []
    assert len(await names(bob, fame_max=100)) == 5


async def test_genders_fit_both_ways(people, town):
    bob, women = town
    await women["anna"].profile.save(sex=["female"])
    await women["berta"].profile.save(sex=[])
    assert "anna" not in await names(bob)
    assert "berta" in await names(bob)
    await people("quiet")
    assert "quiet" not in await names(bob), "no gender: only for those who seek all"
    assert "quiet" in await names(women["berta"])
    await bob.profile.save(sex=None)
    assert "quiet" in await names(bob)


async def test_whom_i_like_block_or_am_blocked_by_is_not_there(town):
    bob, women = town
    await bob.relation.like(women["anna"].id)
    await bob.relation.block(women["berta"].id)
    await women["clara"].relation.block(bob.id)
    await women["diana"].relation.like(bob.id)
    assert set(await names(bob)) == {"diana", "elsa"}
    await bob.relation.unlike(women["anna"].id)
    assert "anna" in await names(bob)


async def test_pages_show_everybody_once_and_a_block_holds_from_the_next_page(people, town):
    bob, women = town
    for number in range(8):
        women[f"woman{number}"] = await people(f"woman{number}", gender="female", age=30)
    for sort_by in range(5):
        for order in ("asc", "desc"):
            seen = [card.login async for card in bob.research.all(sort_by=sort_by, order=order, limit=3)]
            assert sorted(seen) == sorted(women), (sort_by, order)
            whole = await names(bob, sort_by=sort_by, order=order, limit=50)
            assert seen == whole
    first = await bob.research.search(sort_by=2, limit=3)
    hidden = (await names(bob, sort_by=2, limit=50))[4]
    await women[hidden].relation.block(bob.id)
    rest = [card.login for card in await bob.research.search(sort_by=2, limit=50, cursor=first.cursor)]
    assert hidden not in rest
    assert len(rest) == len(women) - 3 - 1


async def test_pages_go_on_at_any_process_and_with_nothing_in_redis(start_server, server, people, town):
    """The cursor holds all there is to know: whoever reads it has the same pages."""
    bob, women = town
    for number in range(8):
        women[f"woman{number}"] = await people(f"woman{number}", gender="female", age=30)
    other = await start_server()
    async with Client(other.url, token=bob.token) as there, Redis.from_url(server.redis_url) as redis:
        for sort_by in range(5):
            whole, cursor, seen = await names(bob, sort_by=sort_by, limit=50), None, []
            for turn in range(4):
                page = await (there, bob)[turn % 2].research.search(sort_by=sort_by, limit=3, cursor=cursor)
                seen += [card.login for card in page]
                cursor = page.cursor
                await redis.flushall()
            assert seen == whole[:12], sort_by
            assert len(seen) > 9


async def test_a_cursor_goes_with_the_same_viewer_filters_and_hour(server, town):
    bob, women = town
    cursor = (await bob.research.search(sort_by=1, limit=2)).cursor
    for fields in ({"sort_by": 2}, {"sort_by": 1, "age_min": 20}, {"sort_by": 1, "order": "desc"}):
        with pytest.raises(InvalidPayload):
            await bob.research.search(**fields, cursor=cursor)
    with pytest.raises(InvalidPayload):
        await women["anna"].research.search(sort_by=1, cursor=cursor)
    server.clock.advance(3601)
    with pytest.raises(InvalidPayload):
        await bob.research.search(sort_by=1, cursor=cursor)


async def test_ties_fall_by_viewer_and_day_alone(people, server):
    """A few people come in the same order to two viewers now and then: it is the keys that must not be the same."""
    women = {f"woman{number}": await people(f"woman{number}", age=30) for number in range(8)}
    one, other = await people("one", age=30), await people("other", age=30)
    keys = set()
    for days in (0, 1):
        server.clock.advance(days * 86_400)
        for viewer in (one, other):
            key = _key(viewer.id, server.clock.now().date())
            keys.add(key)
            seen = [name for name in await names(viewer, sort_by=2) if name in women]
            assert seen == sorted(women, key=lambda name: slot_of(women[name].id) ^ key)
            assert seen == [name for name in await names(viewer, sort_by=2) if name in women], "no dice a request"
    assert len(keys) == 4


async def test_two_people_in_one_cell_cannot_be_told_apart(people):
    """Two victims at different ends of a cell: every viewer, sort and filter sees the same distance."""
    await people("left", gender="female", age=30, gps={"lat": 48.8571, "lon": 2.3411})
    await people("right", gender="female", age=30, gps={"lat": 48.8571, "lon": 2.3411 + 0.0001})
    bob = await people("bob")
    for lat, lon in ((48.85, 2.34), (48.9, 2.3), (45.0, 4.0), (0.0, 0.0)):
        await bob.profile.save(gps={"lat": lat, "lon": lon})
        left, right = sorted(await bob.research.search(sort_by=1), key=lambda card: card.login)
        assert (left.distance, left.score, left.why) == (right.distance, right.score, right.why)


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "socket_burst": 600})
async def test_searches_are_few_a_minute(alice):
    for _ in range(20):
        await alice.research.search()
    with pytest.raises(RateLimited):
        await alice.research.search()


async def test_nobody_without_a_photo_is_found(bob, people):
    await people("dora", photo=False)
    assert await names(bob) == []


async def test_whom_i_passed_is_not_there_until_i_take_it_back_but_i_am_for_them(town):
    bob, women = town
    await bob.relation.pass_(women["anna"].id)
    assert "anna" not in await names(bob)
    assert "bob" in await names(women["anna"])
    await bob.relation.unpass(women["anna"].id)
    assert "anna" in await names(bob)


# -- who hides where they are ------------------------------------------------------------------------------------------


async def test_who_hides_the_distance_is_out_of_its_filter_last_in_its_sort_and_a_constant_in_the_score(town):
    bob, women = town
    await women["anna"].settings.change(show_distance=False)
    for order in ("asc", "desc"):
        assert set((await names(bob, sort_by=1, order=order))[-2:]) == {"anna", "elsa"}
    assert set(await names(bob, distance_max=20000)) == {"berta", "clara", "diana"}
    cards = {card.login: card for card in await bob.research.search()}
    assert cards["anna"].distance is None and cards["anna"].place is None
    assert cards["anna"].why["distance"] == cards["elsa"].why["distance"] == 0.12


async def test_who_hides_the_distance_does_not_see_that_of_others(town):
    bob, _ = town
    await bob.settings.change(show_distance=False)
    assert await names(bob, distance_max=20000) == []
    assert await names(bob, sort_by=1) == await names(bob, sort_by=1, order="desc")
    for fields in ({}, {"place_id": PARIS}):
        page = await bob.research.search(**fields)
        assert {(card.distance, card.place, card.why["distance"]) for card in page} == {(None, None, 0.12)}


# -- from a town -------------------------------------------------------------------------------------------------------

PARIS, LYON, MARSEILLE = 2988507, 2996944, 2995469


async def test_a_search_from_a_town_measures_everything_from_there(town):
    bob, _ = town
    lyon = await bob.research.search(sort_by=1, place_id=LYON)
    assert lyon[0].login == "clara"
    assert [card.distance for card in lyon] == [1, 500, 500, 20000, None]
    assert await names(bob, place_id=LYON, distance_max=50) == ["clara"]
    scores = {card.login: card.why["distance"] for card in await bob.research.search(place_id=LYON)}
    assert scores["clara"] > scores["anna"] > scores["diana"]
    assert (await bob.profile.get(lyon[0].user_id)).distance == 500, "profiles are seen from home"
    assert (await bob.profile.me()).place == "Paris"


async def test_without_a_place_of_ones_own_one_can_search_from_a_town(town):
    bob, _ = town
    await bob.profile.save(gps=None)
    assert await names(bob, distance_max=50) == []
    assert await names(bob, distance_max=50, place_id=LYON) == ["clara"]


async def test_a_town_that_there_is_not_is_refused(bob):
    with pytest.raises(InvalidPayload) as refusal:
        await bob.research.search(place_id=1)
    assert refusal.value.fields["place_id"]["code"] == "not_found"


@pytest.mark.config(limits={"scale": 1, "moves_day": 2, "registrations": 100, "research_minute": 100})
async def test_towns_to_search_from_count_as_moves_each_once_a_day(server, bob):
    for _ in range(3):
        await bob.research.search(place_id=PARIS)
    await bob.research.search(place_id=LYON)
    await bob.research.search(place_id=PARIS)
    for act in (
        bob.research.search(place_id=MARSEILLE),
        bob.profile.save(gps={"lat": 0, "lon": 0}),
        bob.research.search(place_id=MARSEILLE),
    ):
        with pytest.raises(RateLimited):
            await act
    await bob.research.search(place_id=LYON)
    await bob.research.search()
    server.clock.advance(86_400)
    await bob.session.login(bob.login, bob.password)
    await bob.research.search(place_id=MARSEILLE)


async def test_further_pages_from_a_town_are_no_moves_and_go_with_that_town(server, town):
    bob, _ = town
    first = await bob.research.search(place_id=LYON, sort_by=1, limit=2)
    second = await bob.research.search(place_id=LYON, sort_by=1, limit=2, cursor=first.cursor)
    assert [card.distance for card in (*first, *second)] == [1, 500, 500, 20000]
    with pytest.raises(InvalidPayload):
        await bob.research.search(place_id=PARIS, sort_by=1, limit=2, cursor=first.cursor)
    with pytest.raises(InvalidPayload):
        await bob.research.search(sort_by=1, limit=2, cursor=first.cursor)
    used = await server.database.fetch("SELECT used FROM quota WHERE user_id = %s AND kind = 3", bob.id)
    assert used == [(1,), (1,)], "one for the town, one in all"


# -- who is here -------------------------------------------------------------------------------------------------------


async def test_online_finds_those_who_are_seen_to_be_here_and_offline_those_who_are_seen_not_to(town):
    bob, women = town
    await women["anna"].presence.offline()
    await women["berta"].settings.change(show_online=False)
    for online, expected in ((True, {"clara", "diana", "elsa"}), (False, {"anna"})):
        page = await bob.research.search(online=online)
        assert {card.login for card in page} == expected
        assert {card.online for card in page} == {online}
    await bob.settings.change(show_online=False)
    assert await names(bob, online=True) == await names(bob, online=False) == []


@pytest.mark.parametrize("few", [3, 4000])
async def test_pages_of_who_is_online_are_full_though_many_are_not(server, people, few, monkeypatch):
    """Whether these are few enough to be looked for among, or not."""
    monkeypatch.setattr(research, "_FEW_HERE", few)
    bob = await people("bob")
    crowd = Crowd(server, 11)
    away = [await crowd.join() for _ in range(25)]
    here = [await people(f"woman{number}") for number in range(5)]
    for sort_by in range(5):
        pages = [card.user_id async for card in bob.research.all(sort_by=sort_by, online=True, limit=2)]
        assert sorted(pages) == sorted(person.id for person in here)
        pages = [card.user_id async for card in bob.research.all(sort_by=sort_by, online=False, limit=7)]
        assert sorted(pages) == sorted(away)
    first = await bob.research.search(online=True, limit=2)
    assert len(first) == 2 and first.cursor


async def test_where_many_are_here_nobody_is_looked_for_among_those_who_were_not_seen_lately(
    server, people, monkeypatch
):
    monkeypatch.setattr(research, "_FEW_HERE", 1)
    bob, women = await people("bob"), [await people(f"woman{number}") for number in range(3)]
    now = server.clock.now()
    for person, minutes in zip(women, (1, 14, 16), strict=True):
        await server.database.fetch(
            "UPDATE profile SET active_at = %s WHERE user_id = %s", now - timedelta(minutes=minutes), person.id
        )
    assert set(await names(bob, online=True)) == {"woman0", "woman1"}


@pytest.mark.config(presence={"patience": 0.05})
@pytest.mark.parametrize("few", [0, 4000])
async def test_who_comes_back_after_long_is_found_among_those_who_are_here(server, people, few, monkeypatch):
    monkeypatch.setattr(research, "_FEW_HERE", few)
    bob, anna = await people("bob"), await people("anna")
    await anna.close()
    await until(lambda: is_noted(server, anna))
    await server.database.fetch("UPDATE profile SET active_at = '2020-01-01' WHERE user_id = %s", anna.id)
    assert await names(bob, online=True) == []
    async with Client(anna.url, token=anna.token) as again:
        await again.profile.me()
        await until(lambda: is_found(bob, "anna"))


@pytest.mark.config(presence={"patience": 3000.0})
async def test_who_may_be_on_the_way_back_is_found_among_those_who_are_here(server, people):
    bob, anna = await people("bob"), await people("anna")
    await anna.close()
    async with Redis.from_url(server.redis_url, decode_responses=True) as redis:

        async def has_left():
            return await redis.zrange(f"presence:{anna.id}", 0, -1) == ["lately"]

        await until(has_left)
    server.clock.advance(600)  # longer than her socket would have counted
    assert await names(bob, online=True) == ["anna"]


async def is_noted(server, person):
    return await server.database.fetch("SELECT active_at FROM profile WHERE user_id = %s", person.id) != [(None,)]


async def is_found(person, name):
    return name in await names(person, online=True)


@pytest.mark.config(redis={"timeout": 0.1})
async def test_while_nobody_can_know_who_is_here_the_search_says_so(server, bob, alice):
    async with server.redis_down():
        with pytest.raises(Unavailable):
            await bob.call("research", online=True)
        assert [card["login"] for card in (await bob.call("research"))["users"]] == ["alice"]


# -- what the filters leave --------------------------------------------------------------------------------------------


async def funnel(person, **fields):
    page = await person.research.search(**fields)
    return None if page.funnel is None else [(step.filter, step.left) for step in page.funnel]


async def test_a_first_page_that_is_not_full_says_what_each_filter_leaves_rounded(server, people):
    bob = await people("bob")
    crowd = Crowd(server, 5)
    near, far = {"lat": 48.8606, "lon": 2.3376}, {"lat": 45.764, "lon": 4.8357}
    for number in range(48):
        gps, tags = near if number < 33 else far, ["tea"] if number < 13 else ["opera"]
        born = "1990-05-17" if number < 44 else "1950-05-17"
        await crowd.join(gps=gps, tags=tags, birth_date=born, fame=50, show_distance=1)
    assert await funnel(bob, limit=50) == []
    given = {"tags": ["tea"], "distance_max": 10, "age_max": 60, "fame_min": 0}
    assert await funnel(bob, **given) == [("age_max", 40), ("distance_max", 30), ("fame_min", 30), ("tags", 10)]
    assert await funnel(bob, **given, online=True) == [
        ("age_max", 40),
        ("distance_max", 30),
        ("fame_min", 30),
        ("tags", 10),
        ("online", 0),
    ]
    assert await funnel(bob, age_max=60) is None, "a full page"
    first = await bob.research.search(age_max=60, limit=30)
    assert (await bob.research.search(age_max=60, limit=30, cursor=first.cursor)).funnel is None, "not the first"


async def test_what_would_be_without_a_filter_is_what_is_there_without_it(server, people):
    """Who is here is not counted: nobody is promised whom `online` leaves out all the same."""
    bob = await people("bob")
    crowd = Crowd(server, 5)
    for _ in range(30):
        await crowd.join(birth_date="1990-01-01", sex=0)
    page = await bob.research.search(online=True, age_max=60)
    assert (len(page), page.loosen.filter, page.loosen.left) == (0, "online", 30)
    assert (await bob.research.search(online=True, age_max=20)).loosen is None
    page = await bob.research.search(online=True)
    assert (page.loosen.filter, page.loosen.left) == ("online", 30)


async def test_the_last_filter_leaves_as_many_as_are_shown(server, people, monkeypatch):
    """Where only some are counted and multiplied, too."""
    bob = await people("bob")
    crowd = Crowd(server, 5)
    for _ in range(60):
        await crowd.join(birth_date="1990-01-01", fame=50, sex=0)
    await server.app[SERVICES].sample.load(server.app[SERVICES].read)
    monkeypatch.setattr(plan, "FEW", 1)
    monkeypatch.setattr(outlook, "_SHORT_ENOUGH", 1)
    monkeypatch.setattr(outlook, "_SOME", 2)
    page = await bob.research.search(age_min=20, fame_min=40, limit=50)
    while page.cursor is not None:
        page = await bob.research.search(age_min=20, fame_min=40, limit=50, cursor=page.cursor)
    for person in await server.database.fetch("SELECT user_id FROM profile WHERE user_id <> %s LIMIT 17", bob.id):
        await bob.relation.pass_(*person)
    page = await bob.research.search(age_min=20, fame_min=40, limit=50)
    assert len(page) == 43
    assert page.funnel[-1].left == 40 and page.funnel[0].left >= 40


# -- between pages -----------------------------------------------------------------------------------------------------


async def test_a_place_in_the_order_that_is_no_more_does_not_end_the_pages(server, people):
    """Tags were taken away, or the distance hidden, since the last page: the others come all the same."""
    bob = await people("bob", tags=["tea", "chess"])
    crowd = Crowd(server, 1)
    for _ in range(3):
        await crowd.join(tags=["tea", "chess"], gps=PLACES["anna"], show_distance=1, sex=0)
    others = {await crowd.join(tags=["opera"], gps=None, sex=0) for _ in range(3)}

    async def rest(first):
        return {card.user_id async for card in bob.research.all(**fields, limit=2, cursor=first.cursor)}

    for keep in (["tea"], []):
        await bob.profile.save(tags=["tea", "chess"])
        fields = {"sort_by": 4}
        first = await bob.research.search(**fields, limit=2)
        await bob.profile.save(tags=keep)
        assert await rest(first) >= others, keep
    for order in ("asc", "desc"):
        await bob.settings.change(show_distance=True)
        fields = {"sort_by": 1, "order": order}
        first = await bob.research.search(**fields, limit=2)
        await bob.settings.change(show_distance=False)
        assert await rest(first) >= others, order


async def test_nobody_is_twice_on_a_page_whatever_happens_while_it_is_made(server, people, breaker, monkeypatch):
    for name, value in {"FEW": 5, "MANY": 9, "LEAST": 2, "AS_WELL": 1}.items():
        monkeypatch.setattr(plan, name, value)
    bob = await people("bob")
    crowd = Crowd(server, 3)
    for fame in range(24):
        await crowd.join(fame=fame, sex=0)
    moving = await crowd.join(fame=0, sex=0)
    await server.app[SERVICES].sample.load(server.app[SERVICES].read)

    async def becomes(fame):
        await crowd.run("UPDATE profile SET fame = %s WHERE user_id = %s", fame, moving)
        await crowd.refresh(moving)

    moved = 0
    for statement in range(1, 40):
        await becomes(0)
        breaker.arm_before(statement, partial(becomes, 23))
        shown = [card.user_id for card in await bob.research.search(sort_by=3, order="asc", limit=50)]
        assert len(shown) == len(set(shown)), statement
        moved += not breaker.is_armed
    assert moved > 3


async def test_years_go_by_for_the_oldest_too(server, people):
    """An age of 120 is accepted; the year after that nobody is lost."""
    await people("anna", gender="female", age=120)
    server.clock.advance(86400 * 366)
    carl = await people("carl", gender="male", age=30)
    for fields in (*({"sort_by": sort_by} for sort_by in range(5)), {"age_min": 18}, {"age_min": 90, "sort_by": 2}):
        assert await names(carl, **fields) == ["anna"], fields


# -- what it costs -----------------------------------------------------------------------------------------------------


@pytest.mark.config(research={"budget": 1e-9})
async def test_a_search_that_is_cut_short_says_so_and_finds_somebody_if_there_is_anybody(server, people):
    bob = await people("bob")
    crowd = Crowd(server, 8)
    assert (await bob.research.search()).partial is False, "nobody is there: that is the whole truth"
    everybody = {await crowd.join() for _ in range(40)}
    page = await bob.research.search(sort_by=1, limit=50)
    assert page.partial and page.funnel is None
    assert 0 < len(page) < 40 and {card.user_id for card in page} < everybody
    whole = [card async for card in bob.research.all(sort_by=1, limit=50)]
    assert {card.user_id for card in whole} == everybody, "the cursor goes on where time was short"
    assert whole == list(await bob.research.search(sort_by=1, limit=50)) + whole[len(page) :]
    one = await crowd.join(tags=["rare"], gps=None)
    assert [card.user_id for card in await bob.research.search(tags=["rare"])] == [one]


# -- everything together -----------------------------------------------------------------------------------------------


def value(card, sort_by):
    """What a sort goes by, as the card shows it."""
    shown = (card.score, card.distance, card.age, card.fame, len(card.common_tags))[sort_by]
    return None if shown is None else round(100 * shown)


def ordered(cards, viewer_id, day, *, sort_by, order):
    """The cards in the order of the contract: by what they show, the unknown last, ties by viewer, person and day."""
    sign = 1 if order == "asc" else -1

    def place(card):
        shown = value(card, sort_by)
        key = int.from_bytes(hashlib.sha256(f"{viewer_id}:{day}".encode()).digest()) % SLOTS
        tie = slot_of(card.user_id) ^ key
        return (shown is None, sign * (shown or 0), tie)

    return sorted(cards, key=place)


FITS = {
    "age_min": lambda card, least: card.age is not None and card.age >= least,
    "age_max": lambda card, most: card.age is not None and card.age <= most,
    "distance_max": lambda card, most: card.distance is not None and card.distance <= round_up(most),
    "fame_min": lambda card, least: card.fame >= least,
    "fame_max": lambda card, most: card.fame <= most,
    "common_tags_min": lambda card, least: len(card.common_tags) >= least,
}


@pytest.mark.parametrize("home", [{"lat": 48.8606, "lon": 2.3376}, {"lat": 47.0, "lon": 3.0}, None])
async def test_every_filter_sort_and_score_is_what_the_cards_say(server, people, home):
    """The database and the cards reckon each for itself: they agree on everybody, from home and from a town."""
    bob = await people("bob", gps=home)
    crowd = Crowd(server, 3)
    for _ in range(45):
        await crowd.join()
    for origin in ({}, {"place_id": LYON}):
        everybody = list(await bob.research.search(limit=50, **origin))
        assert len(everybody) == 45
        for sort_by in range(5):
            for order in ("asc", "desc"):
                page = await bob.research.search(sort_by=sort_by, order=order, limit=50, **origin)
                expected = ordered(everybody, bob.id, server.clock.now().date(), sort_by=sort_by, order=order)
                assert list(page) == expected, (sort_by, order, origin)
        for name, fits in FITS.items():
            for most in (20, 35, 50, 90) if "common" not in name else (1, 2, 3):
                page = await bob.research.search(**{name: most}, limit=50, **origin)
                assert list(page) == [card for card in everybody if fits(card, most)], (name, most, origin)


async def test_pages_hold_their_promise_whatever_happens_between_them(server, people):
    """Nobody twice; nobody left out who was there all the time and did not change; who blocks is gone at once."""
    bob = await people("bob", tags=TAGS[:3])
    crowd = Crowd(server, 21)
    draw = crowd.random
    for _ in range(30):
        await crowd.join()
    for round_number in range(30):
        fields = {"sort_by": round_number % 5, "order": draw.choice(["asc", "desc"]), "limit": draw.choice([3, 7])}
        fields |= draw.choice([{}, {}, {"age_max": 60}, {"fame_min": 20}, {"distance_max": 500}, {"place_id": PARIS}])
        there = {card.user_id async for card in bob.research.all(**fields | {"limit": 50})}
        seen, touched, gone, cursor = [], set(), set(), None
        while True:
            page = await bob.research.search(**fields, cursor=cursor)
            ids = [card.user_id for card in page]
            assert not gone & set(ids), "who left, or was parted from bob, is not on a later page"
            seen += ids
            cursor = page.cursor
            if cursor is None:
                break
            touched |= await _something_happens(bob, crowd, draw, sorted(there), gone)
        assert len(seen) == len(set(seen)), "nobody twice"
        assert there - touched <= set(seen), "nobody left out"
        for _ in range(len(gone)):
            await crowd.join()


async def _something_happens(bob, crowd, draw, there, gone):
    """Somebody comes, goes, changes, or there comes something between them and bob; return who it is about."""
    act = draw.choice(["join", "leave", "like", "pass", "block", "is blocked", "fame", "tags"])
    person = draw.choice([one for one in there if one not in gone])
    if act == "join":
        return {await crowd.join()}
    if act == "leave":
        await crowd.leave(person)
    elif act == "like":
        await bob.relation.like(person)
    elif act == "pass":
        await bob.relation.pass_(person)
    elif act == "block":
        await bob.relation.block(person)
    elif act == "is blocked":
        await crowd.block(person, bob.id)
    elif act == "fame":
        await crowd.run("UPDATE profile SET fame = %s WHERE user_id = %s", draw.randint(0, 100), person)
        await crowd.refresh(person)
        return {person}
    else:
        await crowd.tag(person, draw.sample(TAGS, 3))
        return {person}
    gone.add(person)
    return {person}


async def test_a_search_goes_on_after_midnight_as_it_began(server, people):
    bob = await people("bob")
    crowd = Crowd(server, 4)
    for _ in range(12):
        await crowd.join()
    fields = {"sort_by": 0, "age_min": 20, "limit": 5}
    server.clock.advance(86_400 / 2 - 60)
    whole = [card.user_id async for card in bob.research.all(**fields | {"limit": 50})]
    first = await bob.research.search(**fields)
    server.clock.advance(120)
    rest = [card.user_id async for card in bob.research.all(**fields, cursor=first.cursor)]
    assert [card.user_id for card in first] + rest == whole

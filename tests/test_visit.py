"""Visits: noted once an hour, shown newest first, told to whom was visited."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from client_sdk import Client, InvalidPayload, NotFound, Notification, RateLimited
from tests.ground.accounts import State, set_state
from tests.ground.recorders import SqlRecorder

HOUR = 3600


async def visitors(person, **page):
    return [visit.user.login for visit in await person.visit.history(**page)]


async def test_a_visit_is_noted_and_told(server, alice, bob):
    async with alice.expecting(Notification) as told:
        await bob.profile.get(alice.id)
        notice = await told
    assert (notice.kind, notice.user.login, notice.count) == ("visit", "bob", 1)
    [visit] = await alice.visit.history()
    assert visit.user.login == "bob"
    assert abs((visit.visited_at.replace(tzinfo=None) - server.clock.now()).total_seconds()) < 5
    assert await visitors(bob) == []


async def test_a_visit_is_noted_once_in_a_rolling_hour(server, alice, bob):
    await bob.profile.get(alice.id)
    [first] = await alice.visit.history()
    server.clock.advance(HOUR - 60)
    with SqlRecorder() as recorder:
        await bob.profile.get(alice.id)
    assert not [statement.sql for statement in recorder.statements if "INSERT INTO `visit`" in statement.sql]
    assert [visit.visited_at for visit in await alice.visit.history()] == [first.visited_at]
    server.clock.advance(120)
    await bob.profile.get(alice.id)
    [second] = await alice.visit.history()
    assert second.visited_at > first.visited_at
    assert await notices(server, alice) == [(4, 2)], "counted in the one that is unread"


async def notices(server, person):
    return await server.database.fetch("SELECT kind, count FROM notification WHERE user_id = %s", person.id)


async def test_visits_at_the_same_moment_are_one(server, start_server, alice, bob):
    """Each from another socket, at two processes."""
    urls = [server.url, (await start_server()).url]
    async with AsyncExitStack() as stack:
        eyes = [await stack.enter_async_context(Client(url, token=bob.token)) for url in urls * 2]
        for _ in range(5):
            await asyncio.gather(*(eye.profile.get(alice.id) for eye in eyes))
            server.clock.advance(HOUR + 1)
    assert await notices(server, alice) == [(4, 5)]
    assert await visitors(alice) == ["bob"]


async def test_visitors_come_newest_first_page_by_page(people, server, alice):
    for number in range(5):
        await (await people(f"visitor{number}")).profile.get(alice.id)
        server.clock.advance(1)
    assert await visitors(alice) == [f"visitor{number}" for number in (4, 3, 2, 1, 0)]
    first = await alice.visit.history(limit=2)
    await (await people("late")).profile.get(alice.id)
    second = await alice.visit.history(limit=2, cursor=first.cursor)
    third = await alice.visit.history(limit=2, cursor=second.cursor)
    assert [visit.user.login for visit in (*first, *second, *third)] == [f"visitor{n}" for n in (4, 3, 2, 1, 0)]
    assert third.cursor is None
    with pytest.raises(InvalidPayload):
        await alice.relation.connections(cursor=first.cursor)


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_who_is_gone_leaves_no_gap(people, server, alice, size):
    crowd = [await people(f"visitor{number}") for number in range(6)]
    for visitor in crowd:
        await visitor.profile.get(alice.id)
        server.clock.advance(1)
    await set_state(server, crowd[5], State.DELETED)
    await set_state(server, crowd[2], State.BANNED)
    await crowd[1].relation.block(alice.id)
    found, cursor = [], None
    while True:
        page = await alice.visit.history(limit=size, cursor=cursor)
        found += [visit.user.login for visit in page]
        if not (cursor := page.cursor):
            break
        assert len(page) == size
    assert found == ["visitor4", "visitor3", "visitor0"]


async def test_a_block_takes_visits_away_for_good(server, alice, bob):
    await bob.profile.get(alice.id)
    await alice.profile.get(bob.id)
    await alice.relation.block(bob.id)
    for one, other in ((alice, bob), (bob, alice)):
        with pytest.raises(NotFound):
            await one.profile.get(other.id)
        assert await visitors(one) == []
    await alice.relation.unblock(bob.id)
    assert await visitors(alice) == await visitors(bob) == []
    assert await notices(server, alice) == await notices(server, bob) == []
    await bob.profile.get(alice.id)
    assert await visitors(alice) == ["bob"]


@pytest.mark.parametrize("user_id", [2**52, 1])
async def test_nobody_can_be_visited_who_is_not_there(alice, user_id):
    with pytest.raises(NotFound):
        await alice.profile.get(user_id)


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "profiles_day": 2})
async def test_profiles_looked_at_are_counted_and_none_beyond_is_a_visit(server, alice, bob, carol):
    for _ in range(2):
        await bob.profile.get(carol.id)
    with pytest.raises(RateLimited):
        await bob.profile.get(alice.id)
    assert await visitors(alice) == []
    assert await visitors(carol) == ["bob"]

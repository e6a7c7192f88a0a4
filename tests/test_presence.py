"""Presence: who is here, who is told of it, and what somebody's other sockets, servers and settings make of that."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest
from redis.asyncio import Redis

from client_sdk import Client, InvalidPayload, MessageTyping, NotConnected, NotFound, Presence, Unavailable
from server.app import SERVICES
from tests.ground.answers import ok
from tests.ground.raw import RawSocket
from tests.ground.recorders import SqlRecorder

NEVER = 600.0
UNKNOWN = (None, None)
brisk = pytest.mark.config(presence={"patience": 0.1, "sweep": NEVER})
"""Who leaves is gone soon, and whoever is not told of it finds out late."""


async def open_as(person, url=None):
    return await RawSocket.open(url or person.url, auth={"token": person.token})


async def get(url, event, token):
    bearer = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/{event}", headers=bearer) as response:
        return await response.json()


async def standing(viewer, person):
    """Return what somebody sees of a person, asked without a socket so that nobody is watched for it."""
    async with aiohttp.ClientSession() as session:
        bearer = {"Authorization": f"Bearer {viewer.token}"}
        request = session.post(f"{viewer.url}/api/presence/watch", json={"user_ids": [person.id]}, headers=bearer)
        async with request as response:
            return ok(await response.json())["presence"][str(person.id)]


async def sees(viewer, person, online):
    """Wait until somebody sees that a person is here, or not."""
    async with asyncio.timeout(5):
        while (await standing(viewer, person))["online"] is not online:
            await asyncio.sleep(0.02)


async def watching(viewer, *people, url=None):
    """Return a socket of the viewer's that watches these people."""
    socket = await open_as(viewer, url)
    ok(await socket.call("presence/watch", {"user_ids": [person.id for person in people]}))
    return socket


def told(socket, person):
    """Return what a socket was pushed of a person's coming and going."""
    return [
        push.data["online"] for push in socket.pushes if push.event == "presence" and push.data["user_id"] == person.id
    ]


async def last_active(server, person):
    """Return when somebody was here last, as it is written down."""
    [(active_at,)] = await server.database.fetch("SELECT active_at FROM profile WHERE user_id = %s", person.id)
    return active_at


async def leave(server, person):
    """Have somebody close their only socket, and wait until that is known."""
    await person.close()
    async with asyncio.timeout(5):
        while not await last_active(server, person):
            await asyncio.sleep(0.02)


async def befriend(one, other):
    await one.relation.like(other.id)
    await other.relation.like(one.id)


# -- being here --------------------------------------------------------------------------------------------------------


async def test_who_has_a_socket_is_here(connected):
    alice, bob = connected
    await sees(alice, bob, True)
    card = (await alice.relation.connections())[0].user
    assert card.online is True and card.last_seen.minute % 10 == 0


@brisk
async def test_who_has_none_left_is_gone_and_was_seen_last_just_now(server, connected):
    alice, bob = connected
    async with await watching(alice, bob) as hers:
        await bob.close()
        push = await hers.push("presence", user_id=bob.id, online=False)
    active_at = await last_active(server, bob)
    assert 0 <= (server.clock.now() - active_at).total_seconds() < 5
    assert push["last_seen"] == active_at.strftime("%Y-%m-%dT%H:%M")[:-1] + "0:00.000Z"


@brisk
@pytest.mark.parametrize("other_server", [False, True], ids=["one-server", "two-servers"])
async def test_one_of_several_sockets_that_closes_leaves_one_here(server, start_server, connected, carol, other_server):
    alice, bob = connected
    await befriend(alice, carol)
    other = await start_server() if other_server else server
    async with await watching(alice, bob, carol) as hers, await open_as(bob, other.url):
        await bob.close()
        await carol.close()
        await hers.push("presence", user_id=carol.id, online=False)
        assert told(hers, bob) == []
        assert (await standing(alice, bob))["online"] is True


async def test_who_is_back_within_seconds_was_never_gone(server, connected, carol):
    alice, bob = connected
    await befriend(alice, carol)
    async with await watching(alice, bob, carol) as hers:
        await carol.close()
        await bob.close()
        async with await open_as(bob):
            await sees(alice, bob, True)
            server.clock.advance(6)
            await hers.push("presence", user_id=carol.id, online=False)
            assert told(hers, bob) == []


async def test_whose_session_ends_is_gone_at_once(server, connected):
    alice, bob = connected
    ok(await get(bob.url, "user/set_online", bob.token))
    async with await watching(alice, bob) as hers:
        bob_id = bob.id
        await bob.session.logout()
        await hers.push("presence", timeout=2, user_id=bob_id, online=False)


@brisk
async def test_who_is_here_is_written_down_now_and_then(start_server, bob):
    other = await start_server(presence={"flush": 0.1, "patience": 0.1})
    assert await last_active(other, bob) is None
    async with await open_as(bob, other.url), asyncio.timeout(5):
        while not await last_active(other, bob):
            await asyncio.sleep(0.02)


async def test_who_is_here_is_written_down_in_one_statement_for_many(server, alice, bob, carol):
    with SqlRecorder() as recorder:
        await server.gateway._delivery._attendance.flush()
    written = [one for one in recorder.statements if "SET `active_at`" in one.sql and not one.in_background]
    assert len(written) == 1
    assert all([await last_active(server, person) for person in (alice, bob, carol)])


# -- said by oneself ---------------------------------------------------------------------------------------------------


async def test_the_answer_is_true(alice):
    for event in ("user/set_online", "user/set_offline"):
        assert await get(alice.url, event, alice.token) == {"code": 200, "data": True}
        async with await open_as(alice) as socket:
            assert await socket.call(event) == {"code": 200, "data": True}


@brisk
async def test_without_a_socket_one_is_here_for_five_minutes(server, connected):
    alice, bob = connected
    await leave(server, bob)
    async with await watching(alice, bob) as hers:
        ok(await get(bob.url, "user/set_online", bob.token))
        await hers.push("presence", user_id=bob.id, online=True)
        server.clock.advance(295)
        await alice.presence.online()
        assert (await standing(alice, bob))["online"] is True
        server.clock.advance(6)
        await hers.push("presence", user_id=bob.id, online=False)
        assert told(hers, bob) == [True, False]


@brisk
async def test_who_is_away_stays_so_whatever_their_sockets_do(server, start_server, connected):
    alice, bob = connected
    other = await start_server()
    async with await open_as(bob, other.url) as tab, await watching(alice, bob) as hers:
        await bob.presence.offline()
        await hers.push("presence", user_id=bob.id, online=False)
        server.clock.advance(61)  # the next sign of life is told to Redis
        ok(await tab.call("user/me"))
        await bob.close()
        await asyncio.sleep(0.3)
        ok(await tab.call("user/me"))
        assert (await standing(alice, bob))["online"] is False
        ok(await tab.call("user/set_online"))
        await hers.push("presence", user_id=bob.id, online=True)
        assert told(hers, bob) == [False, True]


async def test_a_new_socket_ends_being_away(connected):
    alice, bob = connected
    async with await watching(alice, bob) as hers:
        await bob.presence.offline()
        await hers.push("presence", user_id=bob.id, online=False)
        async with await open_as(bob):
            await hers.push("presence", user_id=bob.id, online=True)


async def test_who_is_away_was_here_last_when_they_said_so(server, start_server, connected):
    alice, bob = connected
    await start_server(presence={"flush": 0.1, "patience": 0.1})
    await bob.presence.offline()
    said_at = await last_active(server, bob)
    assert said_at
    server.clock.advance(1200)
    await bob.presence.offline()
    await bob.close()
    assert await last_active(server, bob) == said_at
    assert (await standing(alice, bob))["online"] is False


async def test_many_say_at_once_that_they_are_here_and_each_is_heard(server):
    presence = server.app[SERVICES].presence
    said = [(person, session) for person in range(1, 20) for session in ("phone", "laptop")]
    await presence.set_offline(7)
    await asyncio.gather(*(presence.set_online(*one) for one in said))
    async with Redis.from_url(server.redis_url, decode_responses=True) as redis:
        for person in range(1, 20):
            assert await redis.zrange(f"presence:{person}", 0, -1) == ["here:laptop", "here:phone"]


@pytest.mark.config(redis={"timeout": 10.0})
async def test_however_many_ask_at_once_redis_is_not_taken_for_down(server):
    presence = server.app[SERVICES].presence
    assert None not in await asyncio.gather(*(presence.online([person]) for person in range(300)))


async def test_to_be_here_a_signed_in_socket_needs_no_database(alice):
    await alice.presence.online()
    with SqlRecorder() as recorder:
        await alice.presence.online()
    assert not [statement for statement in recorder.statements if "user_stream" not in statement.sql]


# -- Redis -------------------------------------------------------------------------------------------------------------


async def test_without_redis_nobody_knows_who_is_here_and_people_chat(server, connected):
    alice, bob = connected
    async with await watching(alice, bob) as hers, server.redis_down():
        with pytest.raises(Unavailable):
            await bob.presence.online()
        with pytest.raises(Unavailable):
            await bob.presence.offline()
        assert (await standing(alice, bob))["online"] is None
        assert (await alice.relation.connections())[0].user.online is None
        await bob.message.send(alice.id, "still there?")
        await hers.push("message/new", timeout=2)
        await bob.message.typing(alice.id)
        await hers.push("message/typing", timeout=2)
    await sees(alice, bob, True)
    assert told(hers, bob) == []


async def test_what_redis_forgets_comes_back_soon(server, start_server, connected, carol):
    alice, bob = connected
    await befriend(alice, carol)
    await carol.presence.offline()
    await sees(alice, carol, False)
    other = await start_server()
    async with await open_as(bob, other.url), Redis.from_url(server.redis_url) as redis:
        await bob.close()
        await redis.flushall()
        await sees(alice, bob, True)
        assert (await standing(alice, carol))["online"] is False


@pytest.mark.config(presence={"patience": 0.1, "sweep": 0.2})
async def test_what_was_not_heard_is_found_by_a_look_at_all(server, connected, monkeypatch):
    alice, bob = connected
    async with await watching(alice, bob) as hers:
        monkeypatch.setattr(server.gateway._delivery._hints, "announce", lambda user_id: None)
        await bob.close()
        await hers.push("presence", user_id=bob.id, online=False)


# -- whom one watches --------------------------------------------------------------------------------------------------


@brisk
@pytest.mark.parametrize("other_server", [False, True], ids=["one-server", "two-servers"])
async def test_who_watches_is_told_who_comes_and_goes(server, start_server, connected, other_server):
    alice, bob = connected
    other = await start_server() if other_server else server
    await leave(server, bob)
    async with Client(alice.url, token=alice.token) as hers:
        before = (await hers.presence.watch([bob.id]))[bob.id]
        assert before.online is False
        for _ in range(2):
            async with hers.expecting(Presence) as came:
                socket = await open_as(bob, other.url)
                push = await came
            assert (push.user_id, push.online, push.seq) == (bob.id, True, None)
            async with hers.expecting(Presence) as left:
                await socket.close()
                push = await left
            assert push.online is False and push.last_seen >= before.last_seen


async def test_of_strangers_and_nobody_nothing_is_told(server, connected, mallory):
    alice, bob = connected
    await bob.relation.like(mallory.id)
    seen = await alice.presence.watch([bob.id, mallory.id, alice.id, 123_456, bob.id])
    assert seen[bob.id].online is True
    for user_id in (mallory.id, alice.id, 123_456):
        assert (seen[user_id].online, seen[user_id].last_seen) == UNKNOWN
    assert len(seen.presence) == 4
    with pytest.raises(InvalidPayload):
        await alice.presence.watch(list(range(1, 102)))


@brisk
async def test_the_next_call_says_who_is_watched(connected, carol):
    alice, bob = connected
    await befriend(alice, carol)
    async with await watching(alice, bob) as hers, await watching(alice, carol) as fence:
        ok(await hers.call("presence/watch", {"user_ids": [carol.id]}))
        await bob.close()
        await carol.close()
        await hers.push("presence", user_id=carol.id, online=False)
        ok(await fence.call("presence/watch", {"user_ids": []}))
        await carol.connect()
        await hers.push("presence", user_id=carol.id, online=True)
        assert told(hers, bob) == []
        ok(await fence.call("user/me"))
        assert told(fence, carol) == [False]


@brisk
async def test_a_call_with_a_token_watches_for_no_socket(connected, carol):
    alice, bob = connected
    async with (
        await RawSocket.open(alice.url) as anonymous,
        await open_as(alice) as own,
        await watching(alice, bob) as hers,
    ):
        payload = {"user_ids": [bob.id], "token": alice.token}
        for socket in (anonymous, own):
            assert ok(await socket.call("presence/watch", payload))["presence"][str(bob.id)]["online"] is True
        await bob.close()
        await hers.push("presence", user_id=bob.id, online=False)
        for socket in (anonymous, own):
            ok(await socket.call("user/me", {"token": alice.token}))
            assert told(socket, bob) == []


@pytest.mark.parametrize("hiding", ["the-other", "oneself"])
async def test_who_hides_is_gone_for_others_who_are_gone_for_them(connected, hiding):
    alice, bob = connected
    async with await watching(alice, bob) as hers:
        hider = bob if hiding == "the-other" else alice
        await hider.settings.change(show_online=False)
        push = await hers.push("presence", user_id=bob.id)
        assert push == {"user_id": bob.id, "online": None, "last_seen": None}
        assert await standing(alice, bob) == await standing(bob, alice) == {"online": None, "last_seen": None}
        async with await open_as(bob):
            await bob.presence.offline()
        await hider.settings.change(show_online=True)
        await hers.push("presence", user_id=bob.id, online=False)
        assert told(hers, bob) == [None, False]


@brisk
@pytest.mark.parametrize("end", ["disconnect", "unlike", "block"])
@pytest.mark.parametrize("by", ["oneself", "the-other"])
async def test_the_end_of_a_connection_ends_what_one_sees(connected, carol, end, by):
    alice, bob = connected
    await befriend(alice, carol)
    async with await watching(alice, bob, carol) as hers:
        who, whom = (alice, bob) if by == "oneself" else (bob, alice)
        await getattr(who.relation, end)(whom.id)
        push = await hers.push("presence", user_id=bob.id)
        assert push == {"user_id": bob.id, "online": None, "last_seen": None}
        await bob.close()
        await bob.connect()
        await carol.close()
        await hers.push("presence", user_id=carol.id, online=False)
        assert told(hers, bob) == [None]


async def test_who_becomes_connected_is_seen_by_a_socket_that_watched_before(alice, bob):
    async with await watching(alice, bob) as hers:
        await befriend(alice, bob)
        await hers.push("presence", user_id=bob.id, online=True)


@pytest.mark.parametrize("others", [0, 1], ids=["the-first-to-watch", "one-of-several"])
async def test_who_comes_while_one_is_asking_is_told_of(server, connected, monkeypatch, others):
    """The answer was read before somebody came, and the socket watches only after it: nothing falls in between."""
    alice, bob = connected
    await bob.presence.offline()
    await sees(alice, bob, False)
    gateway = server.gateway
    watch = gateway._watch

    def late(connection, done):
        if done.watched:
            coming.append(asyncio.create_task(come_then_watch(connection, done)))

    async def come_then_watch(connection, done):
        await bob.presence.online()
        await asyncio.sleep(0.05)
        watch(connection, done)

    coming = []
    async with AsyncExitStack() as stack:
        for _ in range(others):
            await stack.enter_async_context(await watching(alice, bob))
        monkeypatch.setattr(gateway, "_watch", late)
        hers = await stack.enter_async_context(await open_as(alice))
        answer = ok(await hers.call("presence/watch", {"user_ids": [bob.id]}))
        assert answer["presence"][str(bob.id)]["online"] is False
        await hers.push("presence", user_id=bob.id, online=True)


# -- typing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other_server", [False, True], ids=["one-server", "two-servers"])
async def test_the_other_sees_that_one_is_writing(server, start_server, connected, other_server):
    alice, bob = connected
    other = await start_server() if other_server else server
    async with await open_as(bob, other.url) as his, await open_as(alice) as own:
        cursor = ok(await his.call("sync", {"cursor": None}))["cursor"]
        async with bob.expecting(MessageTyping) as writing:
            assert await alice.message.typing(bob.id) is None
            assert await writing == MessageTyping(user_id=alice.id)
        assert await his.push("message/typing") == {"user_id": alice.id}
        assert ok(await his.call("sync", {"cursor": None}))["cursor"] == cursor
        ok(await own.call("user/me"))
        assert "message/typing" not in [push.event for push in own.pushes]


async def test_one_writes_to_whom_one_is_connected_with(alice, bob, carol):
    with pytest.raises(NotConnected):
        await alice.message.typing(bob.id)
    await befriend(alice, bob)
    await bob.relation.disconnect(alice.id)
    with pytest.raises(NotConnected):
        await alice.message.typing(bob.id)
    await carol.relation.block(alice.id)
    for user_id in (carol.id, 123_456):
        with pytest.raises(NotFound):
            await alice.message.typing(user_id)
    with pytest.raises(InvalidPayload):
        await alice.message.typing(alice.id)


async def test_a_reader_who_is_slow_misses_whispers_and_nothing_else(server, connected):
    alice, bob = connected
    async with await open_as(bob) as his:
        delivery = server.gateway._delivery
        delivery._soft = 0
        await alice.message.typing(bob.id)
        delivery._soft = server.config.socket.backlog_soft
        await alice.message.send(bob.id, "after all")
        await his.push("message/new")
        assert "message/typing" not in [push.event for push in his.pushes]


# -- how many ----------------------------------------------------------------------------------------------------------


@pytest.mark.config(limits={"sockets_user": 3, "scale": 1, "registrations": 100, "mails_address": 100})
async def test_of_too_many_sockets_on_all_servers_the_oldest_goes(server, start_server, people):
    dave = await people("dave")
    await dave.close()
    other = await start_server()
    urls = [server.url, other.url, server.url, other.url, other.url]
    sockets = []
    try:
        for url in urls:
            sockets.append(await open_as(dave, url))
            ok(await sockets[-1].call("user/me"))
            await asyncio.sleep(0.02)
        for socket in sockets[:2]:
            assert (await socket.push("goodbye"))["reason"] == "too_many_sockets"
            await socket.closed()
        for socket in sockets[2:]:
            ok(await socket.call("user/me"))
    finally:
        for socket in sockets:
            await socket.close()

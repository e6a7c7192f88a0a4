"""Attacks on presence: learning more than one may, learning it sideways, and being here or gone against the truth."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.ground.accounts import State, set_state
from tests.ground.answers import ok, refused
from tests.ground.process import beside
from tests.ground.proxy import ChaosProxy
from tests.ground.raw import RawSocket
from tests.ground.recorders import SqlRecorder

NOTHING = {"online": None, "last_seen": None}
BRISK = {"patience": 0.1, "sweep": 0.2}
"""Who leaves is gone soon, and what nobody was told is found soon."""


@asynccontextmanager
async def _socket(person: Any, url: str = "") -> AsyncIterator[RawSocket]:
    async with await RawSocket.open(url or person.url, auth={"token": person.token}) as socket:
        yield socket


async def _look(socket: RawSocket, person: Any) -> dict[str, Any]:
    standing: dict[str, Any] = ok(await socket.call("presence/watch", {"user_ids": [person.id]}))["presence"][
        str(person.id)
    ]
    return standing


async def _sees(socket: RawSocket, person: Any, online: bool) -> None:
    async with asyncio.timeout(5):
        while (await _look(socket, person))["online"] is not online:
            await asyncio.sleep(0.02)


def _told(socket: RawSocket, person: Any) -> list[Any]:
    return [push.data for push in socket.pushes if push.event == "presence" and push.data["user_id"] == person.id]


# R77: no more than one may know


@pytest.mark.config(presence=BRISK)
async def test_who_polls_learns_nothing_of_strangers_and_of_those_who_hide(
    dial: Any, connected: Any, mallory: Any
) -> None:
    """R77: whoever is not connected, or hides, reads the same all day, whatever they do; so do their cards."""
    alice, bob = connected
    stranger, friend = await dial(mallory), await dial(alice)
    await bob.settings.change(show_online=False)
    seen = set()
    for _ in range(3):
        async with _socket(bob) as his:
            for event in ("user/set_online", "user/set_offline", "user/set_online"):
                ok(await his.call(event))
                for socket in (stranger, friend):
                    seen.add(json.dumps(await _look(socket, bob)))
                    card = ok(await socket.call("profile", {"target_user_id": bob.id}))
                    seen.add(json.dumps({name: card[name] for name in NOTHING}))
        await asyncio.sleep(0.2)
    assert seen == {json.dumps(NOTHING)}
    assert [data["online"] for data in _told(friend, bob)] == [] and _told(stranger, bob) == []


async def test_a_stranger_sees_cards_in_steps_of_ten_minutes(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    """R77: when somebody was here last is no time of day."""
    socket = await dial(alice)
    for _ in range(5):
        server.clock.advance(137.5)
        ok(await socket.call("user/me"))
        shown = ok(await socket.call("profile", {"target_user_id": bob.id}))["last_seen"]
        assert shown is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d0:00\.000Z", shown)


@pytest.mark.config(presence=BRISK)
async def test_one_is_told_of_changes_only(server: Any, dial: Any, connected: Any) -> None:
    """R77: one push a change, however often somebody says the same or sends signs of life."""
    alice, bob = connected
    hers, his = await dial(alice), await dial(bob)
    assert (await _look(hers, bob))["online"] is True
    for _ in range(5):
        ok(await his.call("user/set_online"))
        server.clock.advance(61)
        ok(await his.call("user/me"))
    for _ in range(3):
        ok(await his.call("user/set_offline"))
    await hers.push("presence", user_id=bob.id, online=False)
    for _ in range(3):
        ok(await his.call("user/set_online"))
    await hers.push("presence", user_id=bob.id, online=True)
    assert [data["online"] for data in _told(hers, bob)] == [False, True]


@pytest.mark.config(presence=BRISK)
@pytest.mark.parametrize("was_here", [True, False], ids=["here", "gone"])
async def test_a_block_ends_watching_as_a_deletion_does(
    server: Any, dial: Any, people: Any, mallory: Any, was_here: bool
) -> None:
    """R77, R48: the watcher is told the same of one who blocks as of one who is deleted, and nothing ever after."""
    socket = await dial(mallory)
    seen = []
    for login, act in (("anna", "block"), ("berta", "delete")):
        other = await people(login)
        await mallory.relation.like(other.id)
        await other.relation.like(mallory.id)
        if not was_here:
            await other.presence.offline()
        await _sees(socket, other, was_here)
        if act == "block":
            await other.relation.block(mallory.id)
        else:
            await set_state(server, other, State.DELETED)
        await socket.push("presence", user_id=other.id, online=None)
        await other.close()
        if act == "block":
            await other.connect()
            await other.presence.offline()
        await asyncio.sleep(0.5)
        data = [json.dumps(data | {"user_id": 0}) for data in _told(socket, other)]
        seen.append((data, await _look(socket, other)))
    assert seen[0] == seen[1] == ([json.dumps({"user_id": 0} | NOTHING)], NOTHING)


# R78: nothing else tells


@pytest.mark.config(presence=BRISK)
async def test_answers_do_not_tell_whether_the_other_is_here(dial: Any, connected: Any) -> None:
    """R78: the same bytes, and for typing the same work, whether the other is here, away, gone or hides."""
    alice, bob = connected
    socket, his = await dial(alice), await dial(bob)
    to_bob = {"target_user_id": bob.id}
    sent = to_bob | {"random_id": 7, "message": "there?"}
    answers, work = set(), set()

    async def probe() -> None:
        with SqlRecorder() as recorder:
            typed = json.dumps(await socket.call("message/typing", to_bob))
        answers.add((typed, json.dumps(await socket.call("message/send", sent))))
        work.add(tuple(one.sql for one in recorder.statements if "`pair`" in one.sql))

    ok(await socket.call("message/send", sent))  # from now on a repeat, which tells nobody
    await his.push("notification", kind="message")
    await probe()
    await bob.presence.offline()
    await probe()
    await bob.settings.change(show_online=False)
    await probe()
    await bob.close()
    await his.close()
    await asyncio.sleep(0.3)
    await probe()
    assert (len(answers), len(work)) == (1, 1)
    assert work.pop(), "nothing was asked: the test tells nothing"


# R79: the truth, whatever breaks


async def test_a_client_that_emits_disconnect_is_still_here(dial: Any, connected: Any) -> None:
    """R79: the name is reserved and does nothing; a namespace that is left counts as a socket that closed."""
    alice, bob = connected
    hers, his = await dial(alice), await dial(bob)
    await bob.close()
    await _sees(hers, bob, True)
    for name in ("disconnect", "connect"):
        refused(await his.call(name), "unknown_event")
        await his.send(f'42["{name}"]')
    ok(await his.call("user/me"))
    assert (await _look(hers, bob))["online"] is True


@pytest.mark.config(presence=BRISK)
async def test_who_leaves_the_namespace_is_gone(dial: Any, connected: Any) -> None:
    """R79: the transport alone is nobody."""
    alice, bob = connected
    hers, his = await dial(alice), await dial(bob)
    await bob.close()
    assert (await _look(hers, bob))["online"] is True
    await his.send("41")
    await hers.push("presence", user_id=bob.id, online=False)
    assert his.is_open


@pytest.mark.config(presence=BRISK)
async def test_a_late_end_of_an_old_socket_does_not_erase_a_new_one(
    server: Any, start_server: Any, dial: Any, connected: Any
) -> None:
    """R79, R16: sockets are counted one by one, on all servers."""
    alice, bob = connected
    other = await start_server()
    hers = await dial(alice)
    async with _socket(bob, other.url):
        async with _socket(bob) as old:
            await bob.close()
            await old.abort()
        async with _socket(bob, other.url) as another:
            await another.abort()
        await asyncio.sleep(0.4)
        assert (await _look(hers, bob))["online"] is True
    await _sees(hers, bob, False)


@pytest.mark.config(presence=BRISK, socket={"ping_interval": 0.1, "ping_timeout": 0.2})
async def test_a_line_that_is_dead_without_a_word_ends_in_time(server: Any, dial: Any, connected: Any) -> None:
    """R79: half-open TCP: nothing arrives and nothing says so, but no pong does either."""
    alice, bob = connected
    await bob.close()
    hers = await dial(alice)
    async with ChaosProxy(server.port) as line:
        his = await RawSocket.open(line.url, auth={"token": bob.token})
        await _sees(hers, bob, True)
        line.stall()
        await hers.push("presence", user_id=bob.id, online=False)
        line.calm()
        await his.close()


async def test_people_of_a_server_that_was_killed_time_out(server: Any, dial: Any, connected: Any) -> None:
    """R79: kill -9: nobody says goodbye for them, and nobody is here for ever."""
    alice, bob = connected
    await bob.close()
    hers = await dial(alice)
    async with beside(server) as process:
        server.clock.advance(6)  # the first socket's patience is over
        async with _socket(bob, process.url) as his:
            ok(await his.call("user/me"))
            await _sees(hers, bob, True)
            await process.kill()
            await his.closed()
    assert (await _look(hers, bob))["online"] is True
    server.clock.advance(121)
    assert (await _look(hers, bob))["online"] is False
    async with _socket(bob):
        await _sees(hers, bob, True)


@pytest.mark.config(presence=BRISK | {"ttl": 10.0, "renew": 5.0}, socket={"ping_interval": 0.1, "ping_timeout": 2.0})
async def test_who_only_answers_pings_stays_here(server: Any, dial: Any, connected: Any) -> None:
    """R79: signs of life that are no events count."""
    alice, bob = connected
    await bob.close()
    hers, his = await dial(alice), await dial(bob)
    await _sees(hers, bob, True)
    for _ in range(4):
        server.clock.advance(6)
        await asyncio.sleep(0.4)
        assert (await _look(hers, bob))["online"] is True
    await his.close()
    await _sees(hers, bob, False)


@pytest.mark.config(presence={"patience": 0.1, "sweep": 600.0})
async def test_a_redis_that_forgets_again_and_again_tells_no_lies_for_long(
    server: Any, start_server: Any, dial: Any, connected: Any
) -> None:
    """R79: FLUSHALL at any moment: who is here is here again soon, who is gone stays gone, who is away stays away."""
    alice, bob = connected
    await start_server()
    hers = await dial(alice)
    async with Redis.from_url(server.redis_url) as redis:
        for _ in range(3):
            await redis.flushall()
            await _sees(hers, bob, True)
        await bob.presence.offline()
        await redis.flushall()
        await asyncio.sleep(0.3)
        assert (await _look(hers, bob))["online"] is False
        await bob.presence.online()
        await bob.close()
        await redis.flushall()
        await _sees(hers, bob, False)

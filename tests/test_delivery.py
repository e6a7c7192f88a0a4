"""Delivery against time: looks that come late, logs that grow while they are read, readers who leave."""

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis

from client_sdk import Client
from server.ephemeral import hints
from server.socket import delivery
from server.socket.who import Who
from sql import sync
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.waiting import until

NEVER = 600.0
"""Seconds between two looks at all logs, where a test wants none."""


async def open_as(person, cursor=None, url=None):
    return await RawSocket.open(url or person.url, auth={"token": person.token, "cursor": cursor})


def logged(socket):
    return [push.data["seq"] for push in socket.pushes if "seq" in push.data]


async def newest(person):
    return (await person.call("sync", cursor=None))["cursor"]


class Gate:
    """Where calls of an async function are held up until `open`."""

    def __init__(self):
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self.open = self._open.set

    async def pass_through(self):
        self.reached.set()
        await self._open.wait()


@pytest.fixture
def hold(monkeypatch):
    """`hold(owner, name)` holds up what a function has found, which grows old; with `before`, the function itself."""

    def hold(owner, name, *, before=False):
        function, gate = getattr(owner, name), Gate()

        async def held(*args, **kwargs):
            if before:
                await gate.pass_through()
            found = await function(*args, **kwargs)
            await gate.pass_through()
            return found

        monkeypatch.setattr(owner, name, held)
        return gate

    return hold


# -- the tailer --------------------------------------------------------------------------------------------------------


async def sign_in_again(server, person):
    async with await open_as(person, url=server.url):
        pass


async def hear_a_hint(server, person):
    server.gateway._delivery._hints.on_hint(person.id)
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("disturb", [sign_in_again, hear_a_hint])
async def test_what_wakes_the_tailer_for_some_does_not_put_off_the_look_at_all(
    server, start_server, talking, carol, disturb
):
    alice, bob = talking
    start = await newest(bob)
    other = await start_server()

    async def disturb_all_the_time():
        while True:
            await disturb(server, carol)

    async with await open_as(bob) as his, Client(other.url, token=alice.token) as hers, server.redis_down():
        disturbing = asyncio.create_task(disturb_all_the_time())
        await hers.message.send(bob.id, "no hint")
        await his.push("message/new", timeout=2, seq=start + 1)
        disturbing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await disturbing


# -- the welcome -------------------------------------------------------------------------------------------------------


async def test_what_is_sent_right_after_the_welcome_arrives_however_slow_the_looks_are(talking, hold):
    alice, bob = talking
    start = await newest(bob)
    looks = hold(sync, "list_streams", before=True)
    async with await open_as(bob) as his:
        await alice.message.send(bob.id, "welcome")
        looks.open()
        await his.push("message/new", timeout=2, seq=start + 1)
        assert logged(his) == [start + 1]


@pytest.mark.config(delivery={"tail_interval": NEVER})
@pytest.mark.parametrize("cursor", [None, 0, 1])
async def test_what_another_process_writes_while_a_socket_is_welcomed_arrives(
    server, start_server, talking, hold, cursor
):
    alice, bob = talking
    start = await newest(bob)
    await bob.close()
    other = await start_server()
    async with Client(other.url, token=alice.token) as hers:
        look_up = hold(Who, "_look_up")
        welcome = asyncio.create_task(open_as(bob, cursor, server.url))
        await look_up.reached.wait()
        for number in range(3):
            await hers.message.send(bob.id, f"{number}")
        look_up.open()
        async with await welcome as his:
            await his.push("message/new", timeout=2, seq=start + 3)
            assert logged(his) == list(range((start if cursor is None else cursor) + 1, start + 4))


# -- looks that are out of date ----------------------------------------------------------------------------------------


async def test_a_look_that_is_out_of_date_makes_no_hole_and_no_double(talking, hold):
    """The tailer's look is older than the cursor of a socket that comes, and than what another was sent live."""
    alice, bob = talking
    start = await newest(bob)
    async with await open_as(bob, start) as phone:
        look = hold(sync, "list_streams")
        await look.reached.wait()
        for number in range(3):
            await alice.message.send(bob.id, f"{number}")
        await phone.push("message/new", seq=start + 3)
        async with await open_as(bob, start + 3) as tablet:
            look.open()
            await alice.message.send(bob.id, "last")
            for socket in (phone, tablet):
                await socket.push("message/new", seq=start + 4)
            ok(await tablet.call("user/me"))
            assert (logged(phone), logged(tablet)) == (list(range(start + 1, start + 5)), [start + 4])
            assert {push.event for push in tablet.pushes} == {"message/new"}


async def test_what_comes_while_the_log_is_read_is_sent_after_it_and_once(talking, hold):
    alice, bob = talking
    end = await newest(bob) + 3
    page = hold(sync, "list_after")
    async with await open_as(bob, 0) as his:
        await page.reached.wait()
        for number in range(3):
            await alice.message.send(bob.id, f"{number}")
        assert logged(his) == []
        page.open()
        await his.push("message/new", seq=end)
        ok(await his.call("user/me"))
        assert logged(his) == list(range(1, end + 1))


async def test_what_was_read_before_a_block_is_not_sent_after_it(talking, hold):
    alice, bob = talking
    start = await newest(bob)
    await alice.message.send(bob.id, "forget this")
    rendered = hold(delivery, "render")
    async with await open_as(bob, start) as his:
        await rendered.reached.wait()
        await alice.relation.block(bob.id)
        rendered.open()
        await his.push("connection", seq=start + 2)
        assert [push.event for push in his.pushes] == ["void", "connection"]
        assert not [frame for frame in his.frames if "forget" in str(frame)]


@pytest.mark.config(delivery={"tail_interval": NEVER})
async def test_what_was_kept_while_the_log_was_read_is_not_sent_after_a_block_elsewhere(
    server, start_server, talking, hold
):
    """No hint tells this process of the block: the log does."""
    alice, bob = talking
    end = await newest(bob)
    other = await start_server()
    async with Client(other.url, token=alice.token) as elsewhere, server.redis_down():
        page = hold(sync, "list_after")
        async with await open_as(bob, end - 1) as his:
            await page.reached.wait()
            await alice.message.send(bob.id, "forget this")
            await elsewhere.relation.block(bob.id)
            page.open()
            await his.push("void", seq=end + 1)
            assert not [frame for frame in his.frames if "forget" in str(frame)]


async def test_what_was_kept_while_the_log_was_read_is_not_read_again(server, talking, hold):
    alice, bob = talking
    end = await newest(bob)
    page = hold(sync, "list_after")
    async with await open_as(bob, end - 1) as his:
        await page.reached.wait()
        server.gateway._delivery.pushed.clear()
        for number in range(3):
            await alice.message.send(bob.id, f"{number}")
        page.open()
        await his.push("message/new", seq=end + 3)
        assert logged(his) == list(range(end, end + 4))
        assert server.gateway._delivery.pushed == {"log": 1, "live": 9}, "three sockets, three messages"


@pytest.mark.config(delivery={"tail_interval": NEVER})
async def test_what_another_process_brings_is_not_read_again(server, start_server, talking):
    alice, bob = talking
    start, pushed = await newest(bob), server.gateway._delivery.pushed
    other = await start_server()
    async with await open_as(bob) as his, Client(other.url, token=alice.token) as elsewhere:
        await elsewhere.message.send(bob.id, "0")
        await his.push("message/new", seq=start + 1)
        before = pushed["log"]
        for number in range(1, 5):
            await elsewhere.message.send(bob.id, f"{number}")
            await his.push("message/new", seq=start + 1 + number)
        assert logged(his) == list(range(start + 1, start + 6))
        assert pushed["log"] == before


@pytest.mark.config(delivery={"tail_interval": NEVER})
async def test_who_is_alone_tells_nobody_until_another_process_begins(server, start_server, talking, monkeypatch):
    """The one that begins says so itself: to find out by telling nobody something now and then would take too long."""
    alice, bob = talking
    monkeypatch.setattr(hints, "_ALONE", NEVER)
    hers = server.gateway._delivery._hints
    await until(lambda: hers.is_alone)
    given, start = hers.counts["given"], await newest(bob)
    for number in range(5):
        await alice.message.send(bob.id, f"{number}")
    assert (hers.counts["given"], hers.waiting) == (given, 0)
    other = await start_server()
    async with await open_as(bob, start + 5, other.url) as his:
        await until(lambda: not hers.is_alone)
        await until(lambda: f"hint:{bob.id}" in other.gateway._delivery._hints._confirmed)
        await alice.message.send(bob.id, "to both")
        await his.push("message/new", timeout=2, seq=start + 6)
        assert hers.counts["given"] > given


@pytest.mark.config(delivery={"tail_interval": NEVER})
async def test_what_another_process_brought_before_a_block_is_not_sent_after_it(server, start_server, talking, hold):
    """It comes late, when the block has been answered already by a third process, of which nothing tells."""
    alice, bob = talking
    start = await newest(bob)
    other, third = await start_server(), await start_server()
    hear, brought = server.gateway._delivery._hints.on_push, asyncio.Event()
    late = []

    def hear_late(*told):
        late.append(told)
        brought.set()

    server.gateway._delivery._hints.on_push = hear_late
    async with (
        await open_as(bob) as his,
        Client(other.url, token=alice.token) as elsewhere,
        Client(third.url, token=bob.token) as tablet,
    ):
        await elsewhere.message.send(bob.id, "forget this")
        await brought.wait()
        await tablet.relation.block(alice.id)
        for told in late:
            hear(*told)
        await his.push("connection", seq=start + 2)
        assert [push.event for push in his.pushes][:2] == ["void", "connection"]
        assert not [frame for frame in his.frames if "forget" in str(frame)]


# -- readers who leave -------------------------------------------------------------------------------------------------


def let_everybody_wait(server, yes):
    """From now on nobody is sent anything, as if all read too slowly; or everything again."""
    server.gateway._delivery._soft = 0 if yes else server.config.socket.backlog_soft


async def fall_behind(server, talking):
    """Return a socket of Bob's to which three messages were not sent yet."""
    alice, bob = talking
    socket = await open_as(bob)
    ok(await socket.call("user/me"))
    let_everybody_wait(server, True)
    for number in range(3):
        await alice.message.send(bob.id, f"for Bob {number}")
    return socket


async def look_around(socket, person):
    """Be answered so often, and so late, that all that waited for a better moment has found one."""
    for _ in range(5):
        refused(await socket.call("nope"), "unknown_event")
        ok(await socket.call("user/me", {"token": person.token}))


async def test_a_reader_who_fell_behind_catches_up(server, talking):
    start = await newest(talking[1])
    async with await fall_behind(server, talking) as socket:
        assert logged(socket) == []
        let_everybody_wait(server, False)
        await socket.push("message/new", seq=start + 3)
        assert logged(socket) == [start + 1, start + 2, start + 3]


async def test_who_leaves_while_behind_is_told_nothing_more(server, talking):
    alice, _ = talking
    async with await fall_behind(server, talking) as socket:
        await socket.send("41")
        refused(await socket.call("user/me"), "unauthorized")
        let_everybody_wait(server, False)
        refused(await socket.call("nope"), "unknown_event")
        await socket.join()
        await look_around(socket, alice)
        assert socket.pushes == []


async def test_what_was_read_for_one_who_has_left_is_not_sent(talking, hold):
    alice, bob = talking
    rendered = hold(delivery, "render")
    async with await open_as(bob, 1) as socket:
        await rendered.reached.wait()
        await socket.send("41")
        refused(await socket.call("user/me"), "unauthorized")
        rendered.open()
        await socket.join()
        await look_around(socket, alice)
        assert socket.pushes == []


async def test_who_comes_next_on_a_socket_is_told_only_what_is_theirs(server, talking, carol):
    alice, bob = talking
    await carol.relation.like(bob.id)
    await bob.relation.like(carol.id)
    async with await fall_behind(server, talking) as socket:
        await socket.send("41")
        await socket.join({"token": carol.token, "cursor": 0})
        let_everybody_wait(server, False)
        await bob.message.send(carol.id, "for Carol")
        await socket.push("notification", kind="message")
        await look_around(socket, alice)
        assert logged(socket) == list(range(1, await newest(carol) + 1))
        assert {push.data.get("user_id", bob.id) for push in socket.pushes} == {bob.id}
        assert [push.event for push in socket.pushes].count("message/new") == 1


async def test_whose_session_ends_while_behind_is_told_goodbye_and_nothing_else(server, talking):
    async with await fall_behind(server, talking) as socket:
        await socket.emit("user/logout", ack=1)
        let_everybody_wait(server, False)
        await socket.closed(2)
        ok(await socket.answer(1))
        assert [push.event for push in socket.pushes] == ["goodbye"]
        assert [str(frame)[:2] for frame in socket.frames[-3:]] == ["43", "42", "41"]


@pytest.mark.config(delivery={"tail_interval": NEVER})
async def test_hints_that_are_missed_while_redis_is_away_are_made_up_for(server, talking, start_server):
    """The listener's connection is cut: whatever was written until it is back is found by one look at all logs."""
    alice, bob = talking
    start = await newest(bob)
    other = await start_server()
    async with (
        Client(other.url, token=alice.token) as elsewhere,
        await open_as(bob) as here,
        Redis.from_url(server.redis_url) as redis,
    ):
        for number in range(5):
            assert await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await elsewhere.message.send(bob.id, f"{number}")
            await here.push("message/new", seq=start + 1 + number)
        assert logged(here) == list(range(start + 1, start + 6))

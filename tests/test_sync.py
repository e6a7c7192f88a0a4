"""The log and its delivery: dense, in order, once; from any process; and never what may no longer be seen."""

import asyncio

import pytest

from client_sdk import Client, MessageNew, Void
from tests.ground.answers import ok
from tests.ground.raw import RawSocket


async def open_as(person, cursor=None, url=None):
    return await RawSocket.open(url or person.url, auth={"token": person.token, "cursor": cursor})


def logged(socket):
    return [push.data["seq"] for push in socket.pushes if "seq" in push.data]


async def test_every_push_has_the_next_number(connected):
    alice, bob = connected
    async with await open_as(bob, 0) as socket:
        for number in range(30):
            await alice.message.send(bob.id, f"{number}")
        await socket.push("message/new", seq=31)
        assert logged(socket) == list(range(1, 32))


async def test_sync_pages_through_what_was_missed(connected):
    alice, bob = connected
    for number in range(205):
        await bob.message.send(alice.id, f"{number}")
    first = await bob.call("sync", cursor=1)
    assert [event["data"]["seq"] for event in first["events"]] == list(range(2, 202))
    assert (first["cursor"], first["more"]) == (201, True)
    rest = await bob.call("sync", cursor=201)
    assert [event["data"]["seq"] for event in rest["events"]] == list(range(202, 207))
    assert (rest["cursor"], rest["more"]) == (206, False)
    assert {event["event"] for event in rest["events"]} == {"message/new"}


async def test_sync_says_where_the_log_stands_and_when_to_begin_anew(server, connected):
    alice, bob = connected
    await alice.message.send(bob.id, "hi")
    assert await bob.call("sync", cursor=None) == {"cursor": 2, "events": [], "more": False}
    assert await bob.call("sync", cursor=2) == {"cursor": 2, "events": [], "more": False}
    assert await bob.call("sync", cursor=3) == {"cursor": 2, "resync": True}, "ahead of the log"
    await server.database.fetch("UPDATE user_stream SET purged_seq = 1 WHERE user_id = %s", bob.id)
    await server.database.fetch("DELETE FROM user_event WHERE user_id = %s AND seq = 1", bob.id)
    assert await bob.call("sync", cursor=0) == {"cursor": 2, "resync": True}, "too old"
    assert len((await bob.call("sync", cursor=1))["events"]) == 1


async def test_live_and_log_say_the_same(connected):
    alice, bob = connected
    async with await open_as(bob) as socket:
        await alice.message.send(bob.id, "one")
        await bob.message.send(alice.id, "two")
        await bob.message.read(alice.id, 1)
        await alice.relation.unlike(bob.id)
        await alice.relation.like(bob.id)
        await socket.push("connection", state="connected")
        live = [{"event": push.event, "data": push.data} for push in socket.pushes]
    assert [push["event"] for push in live] == [
        "message/new",
        "message/new",
        "message/read",
        "connection",
        "connection",
    ]
    assert (await bob.call("sync", cursor=1))["events"] == live


async def test_a_socket_with_a_cursor_is_sent_what_it_missed_then_what_comes(connected):
    alice, bob = connected
    for number in range(150):
        await alice.message.send(bob.id, f"{number}")
    async with await open_as(bob, 1) as socket:
        for number in range(5):
            await alice.message.send(bob.id, f"late {number}")
        await socket.push("message/new", seq=156)
        assert logged(socket) == list(range(2, 157))


async def test_a_socket_without_a_cursor_is_sent_only_what_comes(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "before")
    async with await open_as(bob) as socket:
        ok(await socket.call("user/me"))
        await alice.message.send(bob.id, "after")
        await socket.push("message/new", seq=3)
        assert logged(socket) == [3]


@pytest.mark.parametrize("cursor", [0, 99])
async def test_a_cursor_that_the_log_cannot_serve_shows_a_hole(server, connected, cursor):
    alice, bob = connected
    for number in range(4):
        await alice.message.send(bob.id, f"{number}")
    await server.database.fetch("UPDATE user_stream SET purged_seq = 3 WHERE user_id = %s", bob.id)
    async with await open_as(bob, cursor) as socket:
        pushed = await socket.push("void")
        assert pushed["seq"] == 5
        assert ok(await socket.call("sync", {"cursor": cursor}))["resync"] is True


async def test_all_devices_of_a_person_are_told_the_same(connected):
    alice, bob = connected
    async with await open_as(bob) as phone, await open_as(bob) as tablet, await open_as(alice) as hers:
        for number in range(20):
            await alice.message.send(bob.id, f"{number}")
        for socket in (phone, tablet, hers):
            await socket.push("message/new", seq=21)
            assert logged(socket) == list(range(2, 22))


async def test_two_processes_deliver_to_each_other(connected, start_server):
    alice, bob = connected
    other = await start_server(delivery={"tail_interval": 60.0})
    async with Client(other.url, token=bob.token) as elsewhere, elsewhere.expecting(MessageNew) as got:
        await alice.message.send(bob.id, "across")
        assert (await got).message.message == "across"
        async with alice.expecting(MessageNew) as back:
            await elsewhere.message.send(alice.id, "and back")
            assert (await back).message.message == "and back"


async def test_processes_at_once_leave_no_gap_and_no_double(connected, start_server):
    alice, bob = connected
    other = await start_server()
    async with Client(other.url, token=bob.token) as elsewhere, await open_as(bob, 0) as here:
        there = await open_as(bob, 0, other.url)
        sends = [alice.message.send(bob.id, f"a{n}") for n in range(40)]
        sends += [elsewhere.message.send(alice.id, f"b{n}") for n in range(40)]
        await asyncio.gather(*sends)
        for socket in (here, there):
            await socket.until(lambda push: push.data.get("seq") == 81)
            assert logged(socket) == list(range(1, 82))
        await there.close()


async def test_without_hints_the_tailer_finds_what_another_process_wrote(server, connected, start_server):
    alice, bob = connected
    other = await start_server()
    async with (
        Client(other.url, token=bob.token) as elsewhere,
        server.redis_down(),
        elsewhere.expecting(MessageNew) as got,
    ):
        await alice.message.send(bob.id, "no hint")
        assert (await got).message.message == "no hint"


async def test_what_may_no_longer_be_seen_is_void(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "forget this")
    await bob.message.send(alice.id, "and this")
    await alice.message.read(bob.id, 2)
    await alice.relation.block(bob.id)
    for person in (alice, bob):
        events = (await person.call("sync", cursor=0))["events"]
        assert [event["event"] for event in events] == ["void", "void", "void", "void", "connection"]
        assert all(set(event["data"]) == {"seq", "at"} for event in events[:4])
        assert events[4]["data"]["state"] == "closed"
        assert "forget" not in str(events)
    async with await open_as(bob, 0) as socket:
        await socket.push("connection", state="closed")
        assert [push.event for push in socket.pushes] == ["void"] * 4 + ["connection"]


async def test_a_client_that_was_away_sees_everything_once_and_in_order(connected):
    """Who wants to miss nothing says what to do with a push before connecting."""
    alice, bob = connected
    seen, cursor = [], 0
    for part in (range(10), range(10, 40)):
        client = Client(bob.url, token=bob.token, cursor=cursor)

        @client.on(MessageNew)
        async def note(event):
            seen.append(event.message.message)

        for number in part:
            await alice.message.send(bob.id, f"{number}")
        last = f"{part[-1]}"
        async with client.expecting(MessageNew, lambda event, last=last: event.message.message == last) as got, client:
            await got
        cursor = client.cursor
    assert seen == [f"{number}" for number in range(40)]


async def test_a_rollback_pushes_nothing_and_uses_no_number(connected):
    alice, bob = connected
    async with await open_as(bob) as socket:
        with pytest.raises(Exception, match="control"):
            await alice.message.send(bob.id, "a\x00")
        await alice.relation.unlike(bob.id)
        with pytest.raises(Exception, match="not connected"):
            await alice.message.send(bob.id, "too late")
        await alice.relation.like(bob.id)
        await socket.push("connection", state="connected")
        assert logged(socket) == [2, 3]
        assert not [push for push in socket.pushes if push.event == "message/new"]


async def test_the_sdk_passes_voids_on(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "hi")
    await alice.relation.block(bob.id)
    back = Client(bob.url, token=bob.token, cursor=0)
    async with back.expecting(Void) as got, back:
        assert (await got).seq == 1

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


async def newest(person):
    return (await person.call("sync", cursor=None))["cursor"]


async def test_every_push_has_the_next_number(talking):
    alice, bob = talking
    start = await newest(bob)
    async with await open_as(bob, 0) as socket:
        for number in range(30):
            await alice.message.send(bob.id, f"{number}")
        await socket.push("message/new", seq=start + 30)
        assert logged(socket) == list(range(1, start + 31))


async def test_sync_pages_through_what_was_missed(talking):
    alice, bob = talking
    start = await newest(bob)
    for number in range(205):
        await bob.message.send(alice.id, f"{number}")
    first = await bob.call("sync", cursor=start)
    assert [event["data"]["seq"] for event in first["events"]] == list(range(start + 1, start + 201))
    assert (first["cursor"], first["more"]) == (start + 200, True)
    rest = await bob.call("sync", cursor=start + 200)
    assert [event["data"]["seq"] for event in rest["events"]] == list(range(start + 201, start + 206))
    assert (rest["cursor"], rest["more"]) == (start + 205, False)
    assert {event["event"] for event in rest["events"]} == {"message/new"}


async def test_sync_says_where_the_log_stands_and_when_to_begin_anew(server, talking):
    _, bob = talking
    end = await newest(bob)
    assert await bob.call("sync", cursor=end) == {"cursor": end, "events": [], "more": False}
    assert await bob.call("sync", cursor=end + 1) == {"cursor": end, "resync": True}, "ahead of the log"
    await server.database.fetch("UPDATE user_stream SET purged_seq = 1 WHERE user_id = %s", bob.id)
    await server.database.fetch("DELETE FROM user_event WHERE user_id = %s AND seq = 1", bob.id)
    assert await bob.call("sync", cursor=0) == {"cursor": end, "resync": True}, "too old"
    assert len((await bob.call("sync", cursor=1))["events"]) == end - 1


async def test_live_and_log_say_the_same(talking):
    alice, bob = talking
    start = await newest(bob)
    async with await open_as(bob) as socket:
        await alice.message.send(bob.id, "one")
        await bob.message.send(alice.id, "two")
        await bob.message.read(alice.id, 3)
        await alice.relation.unlike(bob.id)
        await alice.relation.like(bob.id)
        await bob.message.send(alice.id, "the last")
        await socket.until(lambda push: push.event == "message/new" and push.data["message"]["message"] == "the last")
        live = [{"event": push.event, "data": push.data} for push in socket.pushes]
    assert [push["event"] for push in live] == [
        "message/new",
        "message/new",
        "message/read",
        "connection",
        "notification",
        "connection",
        "notification",
        "message/new",
    ]
    assert (await bob.call("sync", cursor=start))["events"] == live


async def test_a_socket_with_a_cursor_is_sent_what_it_missed_then_what_comes(talking):
    alice, bob = talking
    start = await newest(bob)
    for number in range(150):
        await alice.message.send(bob.id, f"{number}")
    async with await open_as(bob, 1) as socket:
        for number in range(5):
            await alice.message.send(bob.id, f"late {number}")
        await socket.push("message/new", seq=start + 155)
        assert logged(socket) == list(range(2, start + 156))


async def test_a_socket_without_a_cursor_is_sent_only_what_comes(talking):
    alice, bob = talking
    await alice.message.send(bob.id, "before")
    async with await open_as(bob) as socket:
        start = ok(await socket.call("user/me"))["cursor"]
        await alice.message.send(bob.id, "after")
        await socket.push("message/new", seq=start + 1)
        assert logged(socket) == [start + 1]


@pytest.mark.parametrize("cursor", [0, 99])
async def test_a_cursor_that_the_log_cannot_serve_shows_a_hole(server, talking, cursor):
    alice, bob = talking
    for number in range(4):
        await alice.message.send(bob.id, f"{number}")
    await server.database.fetch("UPDATE user_stream SET purged_seq = 3 WHERE user_id = %s", bob.id)
    async with await open_as(bob, cursor) as socket:
        pushed = await socket.push("void")
        assert pushed["seq"] == await newest(bob)
        assert ok(await socket.call("sync", {"cursor": cursor}))["resync"] is True


async def test_all_devices_of_a_person_are_told_the_same(talking):
    alice, bob = talking
    async with await open_as(bob) as phone, await open_as(bob) as tablet, await open_as(alice) as hers:
        starts = {phone: await newest(bob), tablet: await newest(bob), hers: await newest(alice)}
        for number in range(20):
            await alice.message.send(bob.id, f"{number}")
        for socket, start in starts.items():
            await socket.push("message/new", seq=start + 20)
            assert logged(socket) == list(range(start + 1, start + 21))


async def test_two_processes_deliver_to_each_other(connected, start_server):
    alice, bob = connected
    other = await start_server(delivery={"tail_interval": 60.0})
    async with Client(other.url, token=bob.token) as elsewhere, elsewhere.expecting(MessageNew) as got:
        await alice.message.send(bob.id, "across")
        assert (await got).message.message == "across"
        async with alice.expecting(MessageNew) as back:
            await elsewhere.message.send(alice.id, "and back")
            assert (await back).message.message == "and back"


async def test_processes_at_once_leave_no_gap_and_no_double(talking, start_server):
    alice, bob = talking
    end = await newest(bob) + 80
    other = await start_server()
    async with Client(other.url, token=bob.token) as elsewhere, await open_as(bob, 0) as here:
        there = await open_as(bob, 0, other.url)
        sends = [alice.message.send(bob.id, f"a{n}") for n in range(40)]
        sends += [elsewhere.message.send(alice.id, f"b{n}") for n in range(40)]
        await asyncio.gather(*sends)
        for socket in (here, there):
            await socket.until(lambda push: push.data.get("seq") == end)
            assert logged(socket) == list(range(1, end + 1))
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
    ends = {person: await newest(person) for person in connected}
    await alice.relation.block(bob.id)
    for person, end in ends.items():
        events = (await person.call("sync", cursor=0))["events"]
        told = [event for event in events if event["event"] != "relation/changed"]  # one's own acts stay one's own
        assert [event["event"] for event in told] == ["void"] * (len(told) - 1) + ["connection"]
        assert all(set(event["data"]) == {"seq", "at"} for event in told[:-1])
        assert told[-1]["data"]["state"] == "closed"
        assert told[-1]["data"]["seq"] > end
        assert "forget" not in str(events)
    async with await open_as(bob, 0) as socket:
        await socket.push("connection", state="closed")
        assert {push.event for push in socket.pushes[:-1]} <= {"void", "relation/changed"}


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
        start = await newest(bob)
        with pytest.raises(Exception, match="control"):
            await alice.message.send(bob.id, "a\x00")
        assert await newest(bob) == start
        await alice.relation.unlike(bob.id)
        parted = await newest(bob)
        with pytest.raises(Exception, match="not connected"):
            await alice.message.send(bob.id, "too late")
        assert await newest(bob) == parted
        await alice.relation.like(bob.id)
        await socket.until(lambda push: push.event == "notification" and push.data["kind"] == "match")
        assert logged(socket) == list(range(start + 1, await newest(bob) + 1))
        assert not [push for push in socket.pushes if push.event == "message/new"]


async def test_the_sdk_passes_voids_on(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "hi")
    await alice.relation.block(bob.id)
    back = Client(bob.url, token=bob.token, cursor=0)
    async with back.expecting(Void) as got, back:
        assert (await got).client is back

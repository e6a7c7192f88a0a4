"""The log of pushes: dense numbers, sync, coming back with a cursor, what may no longer be seen."""

import asyncio

import pytest

from tests.contract.client import matching, ok
from tests.contract.shapes import CARD, LOGGED, MESSAGE, flag, number, time
from tests.contract.world import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
SYNC = {"events": [{"event": str.isprintable, "data": dict}], "cursor": number, "more": flag}


async def write(one: Person, other: Person, *texts: str) -> None:
    for text in texts:
        await one.ok("message/send", **other.target, random_id=one.world.number(), message=text)


async def act(me: Person, other: Person) -> None:
    """Do something of every kind that is told to `other`."""
    await me.ok("profile", **other.target)
    await me.ok("user/like", **other.target)
    await other.ok("user/like", **me.target)
    await write(me, other, "one", "two")
    await write(other, me, "three")
    await me.ok("message/read", **other.target, seq=3)
    await me.ok("notifications", user_id=other.id, random_id=1)
    await other.ok("user/save_profile", description="New.")
    await other.ok("user/settings", language="ru")
    await other.ok("user/pass", **(await me.world.join()).target)
    await other.ok("notifications/read", seq=await other.cursor())
    await me.ok("user/unlike", **other.target)


async def test_every_socket_of_a_person_gets_the_log_without_a_hole_as_sync_gives_it(world: World) -> None:
    me, other = await world.pair()
    sockets = [await other.open(), await other.open()]
    own = await other.over("socket")
    await act(me, other)
    end = await other.cursor()
    for socket in (*sockets, own):
        live = await socket.until(end)
        assert [data["seq"] for _, data in live] == list(range(1, end + 1)), live
        assert all(matching(data["at"], time) for _, data in live)
    names = [name for name, _ in await sockets[0].until(end)]
    expected = {"message/new", "message/read", "notification", "notifications/read", "connection", "profile/changed"}
    assert set(names) == expected | {"settings/changed", "relation/changed"}
    again = [name for name, _ in await other.since(0)]  # what a taken back like had told is void by now
    assert all(two in (one, "void") for one, two in zip(names, again, strict=True)), again


async def test_sync_answers_exactly_this(world: World, way: str) -> None:
    me, other = await world.couple()
    caller = await other.over(way)
    start = matching(await caller.ok("sync", cursor=None), SYNC)
    assert (start["events"], start["more"]) == ([], False)
    await write(me, other, "hello")
    page = matching(await caller.ok("sync", cursor=start["cursor"]), SYNC | {"more": False})
    names = [entry["event"] for entry in page["events"]]
    assert sorted(names) == ["message/new", "notification"]
    assert page["cursor"] == start["cursor"] + len(names)
    for entry in page["events"]:
        shape = {"user_id": me.id, "message": MESSAGE}
        if entry["event"] == "notification":
            shape = {"kind": "message", "user": CARD, "count": 1}
        matching(entry["data"], LOGGED | shape)
    empty = await caller.ok("sync", cursor=page["cursor"])
    assert empty == {"events": [], "cursor": page["cursor"], "more": False}
    ahead = await caller.ok("sync", cursor=page["cursor"] + 1)
    assert ahead == {"resync": True, "cursor": page["cursor"]}
    assert (await caller.ok("user/me"))["cursor"] == page["cursor"]
    login = await world.http.ok("user/login", login=other.login, password=other.password)
    assert login["cursor"] == page["cursor"]
    assert await caller.faults("sync", cursor=-1) == {"cursor"}


async def test_sync_has_200_a_page(world: World) -> None:
    me, other = await world.couple()
    start, socket = await other.cursor(), await me.open()
    sends = [await socket.start("message/send", other.target | {"random_id": n, "message": f"{n}"}) for n in range(60)]
    for n in range(60, 210):
        sends.append(await socket.start("message/send", other.target | {"random_id": n, "message": f"{n}"}))
        ok(await sends[n - 50])
    await asyncio.gather(*sends)
    first = await other.ok("sync", cursor=start)
    assert len(first["events"]) == 200 and first["more"] and first["cursor"] == start + 200
    second = await other.ok("sync", cursor=first["cursor"])
    assert not second["more"] and second["cursor"] == await other.cursor()
    events = first["events"] + second["events"]
    assert [entry["data"]["seq"] for entry in events] == list(range(start + 1, start + 1 + len(events)))
    texts = [entry["data"]["message"]["message"] for entry in events if entry["event"] == "message/new"]
    assert texts == [f"{n}" for n in range(210)]
    late = await other.open(cursor=start)
    live = await late.until(second["cursor"])
    assert [data["seq"] for _, data in live] == list(range(start + 1, second["cursor"] + 1))


async def test_with_a_cursor_what_was_missed_comes_first_then_the_rest_live(world: World) -> None:
    me, other = await world.couple()
    start = await other.cursor()
    await write(me, other, "missed one", "missed two")
    back = await other.open(cursor=start)
    await write(me, other, "live")
    end = await other.cursor()
    live = await back.until(end)
    assert [data["seq"] for _, data in live] == list(range(start + 1, end + 1))
    texts = [data["message"]["message"] for name, data in live if name == "message/new"]
    assert texts == ["missed one", "missed two", "live"]
    assert [name for name, _ in live] == [name for name, _ in await other.since(start)]
    fresh = await other.open()
    await write(me, other, "another")
    assert (await fresh.push("message/new"))["message"]["message"] == "another"
    assert {push.data["seq"] for push in fresh.pushes} <= {end + 1, end + 2}


async def test_what_may_no_longer_be_seen_reads_as_void(world: World) -> None:
    me, other = await world.couple()
    start = await other.cursor()
    await write(me, other, "secret")
    await me.ok("notifications", user_id=other.id, random_id=1)
    await me.ok("profile", **other.target)
    told = len(await other.since(start))
    await me.ok("user/block", **other.target)
    events = await other.since(start)
    assert [name for name, _ in events[:told]] == ["void"] * told
    for _, data in events[:told]:
        matching(data, LOGGED)
    assert [name for name, _ in events[told:]] == ["connection"]
    back = await other.open(cursor=start)
    assert await back.until(await other.cursor()) == events
    mine = await me.since(0)  # for the blocker the blocked one is not there either
    assert "secret" not in str(mine) and other.login not in str(mine)


async def test_a_push_of_two_people_is_told_to_nobody_else(world: World) -> None:
    me, other, third = await world.crowd({}, {}, {})
    socket, before = await third.open(), await third.cursor()
    await act(me, other)
    assert await third.since(before) == []
    await third.ok("user/settings", mail_on=False)
    await socket.push("settings/changed")
    assert socket.pushes == []


async def test_the_other_end_of_a_session_is_told_goodbye_then_disconnected(world: World) -> None:
    person = await world.join(photo=False)
    other = await person.login_again()
    leaving, staying = await person.open(), await other.open()
    assert await leaving.ok("user/logout") == {}  # the ack comes first
    assert await leaving.closed() == "server disconnect"
    assert matching(leaving.pushes[-1].data, {"reason": "session_ended", "retry_after": None})
    assert leaving.pushes[-1].event == "goodbye"
    assert (await staying.ok("user/me"))["user_id"] == person.id


async def test_relation_changed_tells_the_whole_relation(world: World) -> None:
    me, other = await world.pair()
    socket = await me.open()
    shape = LOGGED | {"user_id": other.id, "liked": flag, "passed": flag, "blocked": flag}
    for event, expected in (
        ("user/like", (True, False, False)),
        ("user/unlike", (False, False, False)),
        ("user/pass", (False, True, False)),
        ("user/unpass", (False, False, False)),
        ("user/block", (False, False, True)),
        ("user/unblock", (False, False, False)),
    ):
        await me.ok(event, **other.target)
        push = matching(await socket.push("relation/changed"), shape)
        assert (push["liked"], push["passed"], push["blocked"]) == expected, event
        cursor = await me.cursor()
        await me.ok(event, **other.target)  # again: nothing has changed, nothing is told
        assert await me.cursor() == cursor, event

"""Notifications: of all kinds, coalesced, listed, read."""

from typing import Any

import pytest

from tests.contract.client import matching
from tests.contract.shapes import CARD, LOGGED, NOTIFICATION, Maybe, number, opaque
from tests.contract.world import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIST = {"notifications": [NOTIFICATION], "unread": number, "cursor": Maybe(opaque)}
PUSH = LOGGED | {"kind": opaque, "user": CARD, "count": number}


async def listed(person: Person, **fields: Any) -> list[tuple[str, int, bool]]:
    page = matching(await person.http.ok("notifications/list", **fields), LIST)
    return [(entry["kind"], entry["user"]["user_id"], entry["read"]) for entry in page["notifications"]]


async def test_all_that_others_do_is_listed_newest_first(world: World, way: str) -> None:
    me, one, two = await world.crowd({}, {}, {})
    socket, told = await me.open(), []
    acts: list[tuple[str, Person, Person, str, dict[str, Any]]] = [
        ("visit", one, one, "profile", me.target),
        ("like", one, one, "user/like", me.target),
        ("request", two, two, "user/connect", {"target_id": me.login}),
        ("nudge", two, two, "notifications", {"user_id": me.id, "random_id": 1}),
        ("match", one, me, "user/like", one.target),
        ("message", one, one, "message/send", me.target | {"random_id": 1, "message": "x"}),
        ("unlike", one, one, "user/disconnect", me.target),
    ]
    for kind, of, actor, event, fields in acts:
        await actor.ok(event, **fields)
        push = matching(await socket.push("notification", kind=kind), PUSH)
        assert push["user"]["user_id"] == of.id
        told.append((kind, of))
    page = matching(await (await me.over(way)).ok("notifications/list"), LIST)
    found = [(entry["kind"], entry["user"]["user_id"]) for entry in page["notifications"]]
    # What is over may have been taken away with what it told; what stays stands in order.
    assert found == [(kind, person.id) for kind, person in reversed(told) if (kind, person.id) in found]
    assert {("visit", one.id), ("request", two.id), ("nudge", two.id), ("unlike", one.id)} <= set(found)
    assert page["unread"] == len(found)
    assert not any(entry["read"] for entry in page["notifications"])


async def test_the_same_again_updates_the_row_and_is_not_pushed_while_unread(world: World) -> None:
    me, other = await world.pair()
    await other.ok("profile", **me.target)
    before = await me.cursor()
    world.clock.advance(3601)
    await other.ok("profile", **me.target)
    assert [name for name, _ in await me.since(before)] == []
    [entry] = (await me.ok("notifications/list"))["notifications"]
    assert (entry["kind"], entry["count"], entry["read"]) == ("visit", 2, False)
    await me.ok("notifications/read", seq=await me.cursor())
    world.clock.advance(3601)
    before = await me.cursor()
    await other.ok("profile", **me.target)
    [(name, data)] = await me.since(before)
    assert (name, data["kind"]) == ("notification", "visit")
    assert [row[2] for row in await listed(me)] == [False]


async def test_a_conversation_makes_one_notification_until_it_is_read(world: World) -> None:
    me, other = await world.couple()
    await me.ok("notifications/read", seq=await me.cursor())
    before = await me.cursor()
    for n in range(3):
        await other.ok("message/send", **me.target, random_id=n, message=f"{n}")
    kinds = [data["kind"] for name, data in await me.since(before) if name == "notification"]
    assert kinds == ["message"]
    rows = [entry for entry in (await me.ok("notifications/list"))["notifications"] if entry["kind"] == "message"]
    assert [row["count"] for row in rows] == [3]
    await me.ok("message/read", **other.target, seq=3)
    await me.ok("notifications/read", seq=await me.cursor())
    before = await me.cursor()
    await other.ok("message/send", **me.target, random_id=9, message="more")
    assert [data["kind"] for name, data in await me.since(before) if name == "notification"] == ["message"]


async def test_the_sender_is_not_notified_of_his_own_message(world: World) -> None:
    me, other = await world.couple()
    before = await me.cursor()
    await me.ok("message/send", **other.target, random_id=1, message="x")
    assert [name for name, _ in await me.since(before)] == ["message/new"]


async def test_reading_up_to_a_number_is_told_to_the_other_sockets(world: World, way: str) -> None:
    me, one, two = await world.crowd({}, {}, {})
    for person in (one, two):
        await person.ok("user/like", **me.target)
    newest, oldest = (await me.ok("notifications/list"))["notifications"]
    assert newest["seq"] > oldest["seq"]
    assert (await me.ok("user/me"))["unread"]["notifications"] == 2
    caller, other_socket = await me.over(way), await me.open()
    assert await caller.ok("notifications/read", seq=oldest["seq"]) == {"unread": 1}
    push = matching(await other_socket.push("notifications/read"), LOGGED | {"up_to": oldest["seq"], "unread": 1})
    assert push["seq"] == await me.cursor()
    assert [entry["read"] for entry in (await caller.ok("notifications/list"))["notifications"]] == [False, True]
    assert await caller.ok("notifications/read", seq=newest["seq"]) == {"unread": 0}
    assert await caller.ok("notifications/read", seq=0) == {"unread": 0}
    assert (await me.ok("user/me"))["unread"]["notifications"] == 0
    assert (await me.ok("notifications/list"))["unread"] == 0


async def test_a_list_goes_page_by_page(world: World, way: str) -> None:
    me, *others = await world.crowd({}, {}, {}, {})
    for person in others:
        await person.ok("user/like", **me.target)
    caller = await me.over(way)
    whole = (await caller.ok("notifications/list"))["notifications"]
    first = await caller.ok("notifications/list", limit=2)
    second = await caller.ok("notifications/list", limit=2, cursor=first["cursor"])
    assert first["notifications"] + second["notifications"] == whole and len(whole) == 3
    assert second["cursor"] is None
    other = others[0]
    assert await (await other.over(way)).faults("notifications/list", limit=2, cursor=first["cursor"]) == {"cursor"}
    assert await caller.faults("user/likes", limit=2, cursor=first["cursor"]) == {"cursor"}
    world.clock.advance(3601)
    assert await caller.faults("notifications/list", limit=2, cursor=first["cursor"]) == {"cursor"}


async def test_a_nudge_is_repeated_without_effect(world: World, way: str) -> None:
    me, other = await world.pair()
    caller, before = await me.over(way), await other.cursor()
    for _ in range(3):
        assert await caller.ok("notifications", user_id=other.id, random_id=-5) == {}
    [(name, data)] = await other.since(before)
    assert (name, matching(data, PUSH)["kind"]) == ("notification", "nudge")
    [entry] = (await other.ok("notifications/list"))["notifications"]
    assert entry["count"] == 1


async def test_the_user_id_of_a_nudge_is_the_receiver_however_one_signs_in(world: World) -> None:
    me, other = await world.pair()
    anonymous = await world.open()
    assert await anonymous.ok("notifications", token=me.token, user_id=other.id, random_id=1) == {}
    assert await anonymous.faults("notifications", token=me.token, user_id=me.id, random_id=1) == {"user_id"}
    await anonymous.refused(401, "unauthorized", "notifications", user_id=other.id, random_id=1)
    assert [row[:2] for row in await listed(other)] == [("nudge", me.id)]


async def test_what_was_told_of_someone_blocked_is_gone_and_does_not_count(world: World) -> None:
    me, one, two = await world.crowd({}, {}, {})
    for person in (one, two):
        await person.ok("user/like", **me.target)
    await me.ok("user/block", **one.target)
    assert await listed(me) == [("like", two.id, False)]
    assert (await me.ok("user/me"))["unread"]["notifications"] == 1
    await two.ok("user/block", **me.target)
    assert await listed(me) == []
    assert (await me.ok("user/me"))["unread"]["notifications"] == 0
    assert [name for name, _ in await me.since(0) if name == "notification"] == []

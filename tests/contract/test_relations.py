"""Likes, requests, passes, visits, connections, blocks, complaints: what each answers and whom it tells what."""

import asyncio
from typing import Any

import pytest

from tests.contract.client import matching
from tests.contract.events import SOMEBODY
from tests.contract.shapes import CARD, LOGGED, MESSAGE, OWN_MESSAGE, PROFILE, Maybe, number, opaque, time, user_id
from tests.contract.world import Person, World
from tests.ground.accounts import State, set_state

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONNECTION = {
    "user": CARD,
    "connected_at": time,
    "last_message": Maybe(dict),
    "unread": number,
    "their_read_seq": number,
}


def told(events: list[tuple[str, Any]], of: Person) -> list[str]:
    """Return what somebody was told of another, in a word each."""
    words = []
    for name, data in events:
        if name == "notification":
            assert data["user"]["user_id"] == of.id
            words.append(data["kind"])
        elif name == "connection":
            assert data["user_id"] == of.id
            words.append(data["state"])
        else:
            words.append(name)
    return words


async def relation(me: Person, other: Person) -> dict[str, bool]:
    profile = matching(await me.http.ok("profile", **other.target), PROFILE)
    return {name: profile[name] for name in ("liked_me", "liked", "requested_me", "requested", "connected")}


NONE = dict.fromkeys(("liked_me", "liked", "requested_me", "requested", "connected"), False)


# like, unlike, connect, disconnect


async def test_a_like_tells_the_liked_one(world: World, way: str) -> None:
    me, other = await world.pair()
    before, mine = await other.cursor(), await me.cursor()
    caller = await me.over(way)
    assert await caller.ok("user/like", **other.target) == {"liked": True, "connected": False}
    assert await caller.ok("user/like", **other.target) == {"liked": True, "connected": False}
    assert told(await other.since(before), me) == ["like"]
    [(name, data)] = await me.since(mine)
    assert name == "relation/changed"
    matching(data, LOGGED | {"user_id": other.id, "liked": True, "passed": False, "blocked": False})
    assert (await relation(me, other))["liked"] and not (await relation(me, other))["connected"]
    assert (await relation(other, me))["liked_me"]


async def test_two_likes_meet(world: World, way: str) -> None:
    me, other = await world.pair()
    await (await me.over(way)).ok("user/like", **other.target)
    mine, theirs = await me.cursor(), await other.cursor()
    sockets = [await me.open(), await other.open(), await other.open()]
    answer = await (await other.over(way)).ok("user/like", **me.target)
    assert answer == {"liked": True, "connected": True}
    assert sorted(told(await me.since(mine), other)) == ["connected", "match"]
    assert sorted(told(await other.since(theirs), me)) == ["connected", "match", "relation/changed"]
    for socket, person in zip(sockets, (other, me, me), strict=True):
        shape = LOGGED | {"user_id": person.id, "state": "connected", "user": CARD}
        assert matching(await socket.push("connection"), shape)["user"]["user_id"] == person.id
        shape = LOGGED | {"kind": "match", "user": CARD, "count": number}
        matching(await socket.push("notification"), shape)
    assert await relation(me, other) == NONE | {"liked_me": True, "liked": True, "connected": True}
    assert await (await me.over(way)).ok("user/like", **other.target) == {"liked": True, "connected": True}


async def test_a_request_is_a_like_of_another_kind(world: World, way: str) -> None:
    me, other = await world.pair()
    before = await other.cursor()
    caller = await me.over(way)
    assert await caller.ok("user/connect", target_id=other.login.upper()) == {"state": "requested"}
    assert await caller.ok("user/connect", target_id=other.login) == {"state": "requested"}
    assert told(await other.since(before), me) == ["request"]
    assert (await relation(me, other))["requested"] and (await relation(other, me))["requested_me"]
    [like] = (await other.http.ok("user/likes"))["likes"]
    assert like["kind"] == "request"
    assert await (await other.over(way)).ok("user/connect", target_id=me.login) == {"state": "connected"}
    assert (await relation(me, other))["connected"]


async def test_two_likes_at_the_same_moment_meet_once(world: World) -> None:
    me, other = await world.pair()
    mine, theirs = await me.cursor(), await other.cursor()
    answers = await asyncio.gather(
        me.http.ok("user/like", **other.target),
        other.http.ok("user/like", **me.target),
        me.ok("user/like", **other.target),
    )
    assert True in [answer["connected"] for answer in answers]
    for person, of, before in ((me, other, mine), (other, me, theirs)):
        words = [word for word in told(await person.since(before), of) if word not in ("void", "like")]
        assert sorted(words) == ["connected", "match", "relation/changed"]
    assert (await relation(me, other))["connected"]


async def test_a_like_meets_a_request(world: World, way: str) -> None:
    me, other = await world.pair()
    await me.http.ok("user/connect", target_id=other.login)
    assert (await (await other.over(way)).ok("user/like", **me.target))["connected"]
    one, two = await world.pair()
    await one.http.ok("user/like", **two.target)
    assert await (await two.over(way)).ok("user/connect", target_id=one.login) == {"state": "connected"}


async def test_who_likes_me_and_is_not_connected(world: World, way: str) -> None:
    me, *others = await world.crowd({}, {}, {}, {})
    for person in others:
        await person.http.ok("user/like", **me.target)
    await world.connect(me, others[1])
    caller = await me.over(way)
    shape = {"likes": [{"user": CARD, "kind": lambda kind: kind in ("like", "request"), "liked_at": time}]}
    page = matching(await caller.ok("user/likes"), shape | {"cursor": Maybe(opaque)})
    assert {like["user"]["user_id"] for like in page["likes"]} == {others[0].id, others[2].id}
    assert page["cursor"] is None
    first = await caller.ok("user/likes", limit=1)
    second = await caller.ok("user/likes", limit=1, cursor=first["cursor"])
    assert first["likes"] + second["likes"] == page["likes"]


async def test_a_photo_is_needed_to_like(world: World, way: str) -> None:
    me, other = await world.crowd({"photo": False}, {})
    caller, before = await me.over(way), await other.cursor()
    await caller.refused(400, "photo_required", "user/like", **other.target)
    await caller.refused(400, "photo_required", "user/connect", target_id=other.login)
    await caller.refused(400, "photo_required", "notifications", user_id=other.id, random_id=1)
    assert await other.since(before) == []


async def test_a_like_is_taken_back_in_silence(world: World, way: str) -> None:
    me, other = await world.pair()
    await me.http.ok("user/like", **other.target)
    before = await other.cursor()
    assert await (await me.over(way)).ok("user/unlike", **other.target) == {}
    assert await relation(other, me) == NONE
    assert (await other.http.ok("user/likes"))["likes"] == []
    assert "unlike" not in told(await other.since(before), me)


@pytest.mark.parametrize("event", ["user/unlike", "user/disconnect"])
async def test_an_ended_connection_closes_the_chat_and_keeps_it_readable(world: World, event: str, way: str) -> None:
    me, other = await world.couple()
    await me.ok("message/send", **other.target, random_id=1, message="hello")
    mine, theirs = await me.cursor(), await other.cursor()
    assert await (await me.over(way)).ok(event, **other.target) == {}
    own = ["relation/changed"] if event == "user/disconnect" else []  # their like is gone too
    assert sorted(told(await other.since(theirs), me)) == ["closed", *own, "unlike"]
    assert sorted(told(await me.since(mine), other)) == ["closed", "relation/changed"]
    [(_, closed)] = [push for push in await other.since(theirs) if push[0] == "connection"]
    matching(closed, LOGGED | {"user_id": me.id, "state": "closed"})
    for one, two in ((me, other), (other, me)):
        await one.http.refused(400, "not_connected", "message/send", **two.target, random_id=9, message="x")
        await one.http.refused(400, "not_connected", "message/typing", **two.target)
        await one.http.refused(400, "not_connected", "message/read", **two.target, seq=1)
        assert len((await one.http.ok("message/history", **two.target))["messages"]) == 1
        assert (await one.http.ok("user/connections"))["connections"] == []


async def test_disconnect_withdraws_both_likes_and_unlike_ones_own(world: World) -> None:
    me, other = await world.couple()
    await me.ok("user/disconnect", **other.target)
    assert await relation(me, other) == NONE
    one, two = await world.couple()
    await one.ok("user/unlike", **two.target)
    assert await relation(one, two) == NONE | {"liked_me": True}
    assert (await one.http.ok("user/like", **two.target)) == {"liked": True, "connected": True}


@pytest.mark.parametrize("event", ["user/unlike", "user/disconnect"])
async def test_after_an_end_the_other_makes_no_notification_until_i_like_again(world: World, event: str) -> None:
    me, other = await world.couple()
    await me.ok(event, **other.target)
    before = await me.cursor()
    await other.ok("profile", **me.target)
    await other.ok("user/unlike", **me.target)
    await other.ok("user/like", **me.target)
    await other.ok("user/connect", target_id=me.login)
    await other.ok("notifications", user_id=me.id, random_id=1)
    assert "notification" not in [name for name, _ in await me.since(before)]
    assert (await me.ok("user/like", **other.target))["connected"]
    assert "match" in told(await me.since(before), other)


# pass


async def test_a_passed_one_is_out_of_my_search_until_undone(world: World, way: str) -> None:
    me, other = await world.crowd({"age": 99}, {"age": 99})
    caller, socket, theirs = await me.over(way), await me.open(), await other.cursor()

    async def found() -> list[int]:
        return [card["user_id"] for card in (await caller.ok("research", age_min=99, age_max=99, limit=50))["users"]]

    assert other.id in await found()
    for _ in range(2):
        assert await caller.ok("user/pass", **other.target) == {}
    shape = LOGGED | {"user_id": other.id, "liked": False, "passed": True, "blocked": False}
    matching(await socket.push("relation/changed"), shape)
    assert other.id not in await found()
    assert await caller.ok("user/unpass", **other.target) == {}
    assert not (await socket.push("relation/changed"))["passed"]
    assert other.id in await found()
    assert await other.since(theirs) == []


# profile and history


async def test_a_profile_has_exactly_these_fields(world: World, way: str) -> None:
    me, other = await world.crowd(
        {"tags": ["tea", "chess"], "gender": "male", "age": 33},
        {"tags": ["tea", "rain"], "gender": "female", "age": 31, "description": "Hm.", "sex": ["male"]},
    )
    profile = matching(await (await me.over(way)).ok("profile", **other.target), PROFILE)
    seen = {"user_id": other.id, "login": other.login, "age": 31, "gender": "female", "description": "Hm."}
    seen |= {"common_tags": ["tea"], "sex": ["male"], "first_name": "Sasha", "last_name": "Orlova", "place": None}
    assert {name: profile[name] for name in seen} == seen
    assert sorted(profile["tags"]) == ["rain", "tea"]
    assert profile["photo"] == profile["photos"][0]
    assert abs(sum(profile["why"].values()) - profile["score"]) < 1e-6


async def test_a_visit_is_recorded_once_an_hour_and_told(world: World, way: str) -> None:
    me, other = await world.pair()
    before = await other.cursor()
    caller = await me.over(way)
    for _ in range(3):
        await caller.ok("profile", **other.target)
    assert told(await other.since(before), me) == ["visit"]
    history = matching(
        await (await other.over(way)).ok("user/history"),
        {"visits": [{"user": CARD, "visited_at": time}], "cursor": Maybe(opaque)},
    )
    assert [visit["user"]["user_id"] for visit in history["visits"]] == [me.id]
    assert history["cursor"] is None
    assert (await me.http.ok("user/history"))["visits"] == []


async def test_visits_are_listed_newest_first_page_by_page(world: World, way: str) -> None:
    me, *visitors = await world.crowd({}, {}, {}, {})
    for visitor in visitors:
        await visitor.http.ok("profile", **me.target)
    caller = await me.over(way)
    whole = (await caller.ok("user/history"))["visits"]
    assert [visit["user"]["user_id"] for visit in whole] == [visitor.id for visitor in reversed(visitors)]
    pages, cursor = [], None
    while True:
        page = await caller.ok("user/history", limit=2, **({"cursor": cursor} if cursor else {}))
        pages += page["visits"]
        if (cursor := page["cursor"]) is None:
            break
    assert pages == whole


# connections


async def test_connections_have_the_last_message_and_what_is_unread(world: World, way: str) -> None:
    me, one, two = await world.crowd({}, {}, {})
    for other in (one, two):
        await world.connect(me, other)
    await one.ok("message/send", **me.target, random_id=1, message="first")
    await one.ok("message/send", **me.target, random_id=2, message="second")
    page = matching(await (await me.over(way)).ok("user/connections"), {"connections": [CONNECTION], "cursor": None})
    first, second = page["connections"]
    assert (first["user"]["user_id"], first["unread"]) == (one.id, 2)
    assert (second["user"]["user_id"], second["unread"], second["last_message"]) == (two.id, 0, None)
    assert matching(first["last_message"], MESSAGE)["message"] == "second"
    await me.ok("message/send", **two.target, random_id=1, message="mine")
    await two.ok("message/read", **me.target, seq=1)
    first, second = (await me.http.ok("user/connections"))["connections"]
    assert (first["user"]["user_id"], first["their_read_seq"]) == (two.id, 1)
    assert matching(first["last_message"], OWN_MESSAGE)["random_id"] == 1
    page = await me.http.ok("user/connections", limit=1)
    assert page["connections"] == [first]
    assert (await me.http.ok("user/connections", limit=1, cursor=page["cursor"]))["connections"] == [second]


# block


async def test_a_block_looks_like_a_deletion(world: World, way: str) -> None:
    logs = []
    for act in ("block", "delete"):
        me, other, third = await world.crowd({}, {}, {})
        await world.connect(me, other)
        await me.ok("message/send", **other.target, random_id=1, message="secret words")
        await me.ok("profile", **other.target)
        socket, before = await other.open(), await other.cursor()
        if act == "block":
            assert await (await me.over(way)).ok("user/block", **other.target) == {}
            assert await (await me.over(way)).ok("user/block", **other.target) == {}
            assert told(await other.since(before), me) == ["closed"]
            matching(await socket.push("connection"), LOGGED | {"user_id": me.id, "state": "closed"})
        else:
            await set_state(world.server, me, State.DELETED)
        assert [name for name, _ in await other.since(0) if name != "relation/changed"].count("void") >= 3
        assert me.login not in str(await other.since(0)) and "secret" not in str(await other.since(0))
        caller = await other.over(way)
        logs.append([await seen(caller, me), [name for name, _ in await other.since(0)][: before + 1]])
        await third.ok("user/like", **other.target)
        assert told(await other.since(await other.cursor() - 1), third) == ["like"]
    assert logs[0][0] == logs[1][0]


async def seen(caller: Any, gone: Person) -> list[Any]:
    """All that somebody can read after another has gone."""
    found: list[Any] = []
    for event in ("user/connections", "user/history", "user/likes", "user/blocks", "notifications/list"):
        answer = await caller.ok(event)
        assert gone.login not in str(answer) and str(gone.id) not in str(answer), (event, answer)
        found.append(answer)
    me = await caller.ok("user/me")
    found.append(me["unread"])
    for event in ("profile", "message/history", "user/like", "message/typing", "user/pass", "user/block"):
        found.append(await caller.answer(event, **gone.target))
        assert found[-1]["error"]["name"] == "not_found", (event, found[-1])
    message = gone.target | {"random_id": 5, "message": "are you there?"}
    found.append(await caller.answer("message/send", **message))
    assert found[-1]["error"]["name"] == "not_found"
    for event in ("user/unlike", "user/disconnect", "user/unblock", "user/unpass"):
        assert await caller.ok(event, **gone.target) == {}
    return found


async def test_for_the_blocker_the_blocked_one_is_not_found_but_900_to_write_to(world: World, way: str) -> None:
    me, other = await world.couple()
    await me.ok("message/send", **other.target, random_id=1, message="hello")
    mine = await me.cursor()
    caller = await me.over(way)
    await caller.ok("user/block", **other.target)
    assert sorted(told(await me.since(mine), other)) in (["closed", "relation/changed"], ["relation/changed", "void"])
    [changed] = [data for name, data in await me.since(mine) if name == "relation/changed"]
    assert changed["blocked"] and not changed["liked"] and changed["user_id"] == other.id
    for event in ("profile", "message/history", "user/like", "message/typing", "user/pass"):
        await caller.refused(400, "not_found", event, **other.target)
    await caller.refused(400, "not_found", "message/read", **other.target, seq=1)
    await caller.refused(400, "not_found", "notifications", user_id=other.id, random_id=1)
    await caller.refused(400, "not_found", "user/connect", target_id=other.login)
    await caller.refused(900, "blacklisted", "message/send", **other.target, random_id=2, message="x")
    await other.ok("user/set_online")
    shape = {"blocks": [{"user_id": user_id, "login": opaque, "blocked_at": time}], "cursor": None}
    [block] = matching(await caller.ok("user/blocks"), shape)["blocks"]
    assert (block["user_id"], block["login"]) == (other.id, other.login)
    for event in ("user/connections", "user/likes", "user/history", "notifications/list"):
        assert other.login not in str(await caller.ok(event))


async def test_after_a_block_is_lifted_nothing_comes_back_by_itself(world: World, way: str) -> None:
    me, other = await world.couple()
    await me.ok("message/send", **other.target, random_id=1, message="hello")
    caller = await me.over(way)
    await caller.ok("user/block", **other.target)
    before = await other.cursor()
    assert await caller.ok("user/unblock", **other.target) == {}
    assert await other.since(before) == []
    assert (await caller.ok("user/blocks"))["blocks"] == []
    assert await relation(me, other) == NONE and await relation(other, me) == NONE
    await caller.refused(400, "not_connected", "message/send", **other.target, random_id=2, message="x")
    await world.connect(me, other)
    assert (await caller.ok("message/send", **other.target, random_id=3, message="again"))["seq"] == 2


async def test_who_blocked_me_is_told_by_nothing_even_if_i_block_too(world: World) -> None:
    me, other = await world.pair()
    await other.ok("user/block", **me.target)
    before = await other.cursor()
    await me.refused(400, "not_found", "user/block", **other.target)
    await me.ok("report", **other.target, report_id=3)
    assert await other.since(before) == []


async def test_blocks_are_listed_as_they_were_then(world: World) -> None:
    me, one, two = await world.crowd({}, {}, {})
    for person in (one, two):
        await me.ok("user/block", **person.target)
    await one.ok("user/save_profile", new_login=f"renamed{world.number()}", old_pass=one.password)
    await set_state(world.server, two, State.DELETED)
    blocks = (await me.ok("user/blocks"))["blocks"]
    assert {block["login"] for block in blocks} == {one.login, two.login}
    page = await me.ok("user/blocks", limit=1)
    rest = await me.ok("user/blocks", limit=1, cursor=page["cursor"])
    assert page["blocks"] + rest["blocks"] == blocks and rest["cursor"] is None


async def test_a_block_is_of_the_future_too(world: World) -> None:
    """Who is blocked leaves visits and likes that were made before, and makes none after."""
    me, other = await world.pair()
    await other.ok("profile", **me.target)
    await other.ok("user/like", **me.target)
    await me.ok("user/block", **other.target)
    assert (await me.ok("user/history"))["visits"] == [] and (await me.ok("user/likes"))["likes"] == []
    before = await me.cursor()
    await other.refused(400, "not_found", "profile", **me.target)
    await other.refused(400, "not_found", "notifications", user_id=me.id, random_id=1)
    assert await me.since(before) == []
    assert [name for name, _ in await me.since(0) if name == "notification"] == []


# report


@pytest.mark.parametrize("report_id", range(1, 7))
async def test_a_complaint_has_a_reason(world: World, somebody: Person, other: Person, report_id: int) -> None:
    assert await somebody.ok("report", **other.target, report_id=report_id) == {}


async def test_a_complaint_works_after_a_block_a_deletion_and_for_any_id(world: World, way: str) -> None:
    me, blocker, blocked, erased = await world.crowd({}, {}, {}, {})
    await blocker.ok("user/block", **me.target)
    await me.ok("user/block", **blocked.target)
    await set_state(world.server, erased, State.DELETED)
    caller = await me.over(way)
    for target in (blocker.id, blocked.id, erased.id, SOMEBODY):
        assert await caller.ok("report", target_user_id=target, report_id=1, comment="Один,\nдва.") == {}
        assert await caller.ok("report", target_user_id=target, report_id=1, comment="more") == {}
    for wrong in (0, 7):
        assert await caller.faults("report", target_user_id=SOMEBODY, report_id=wrong) == {"report_id"}
    assert await caller.faults("report", target_user_id=SOMEBODY, report_id=1, comment="x" * 1001) == {"comment"}


async def test_a_complaint_is_told_to_nobody(world: World) -> None:
    me, other = await world.pair()
    before = await other.cursor()
    await me.ok("report", **other.target, report_id=2)
    assert await other.since(before) == []

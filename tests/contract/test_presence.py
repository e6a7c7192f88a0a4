"""Who is here: set by hand, by sockets, watched, hidden."""

import pytest

from tests.contract.client import matching
from tests.contract.events import SOMEBODY
from tests.contract.shapes import Maybe, flag, ten_minutes
from tests.contract.world import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = {"online": Maybe(flag), "last_seen": Maybe(ten_minutes)}


async def online(me: Person, other: Person) -> bool | None:
    return (await me.http.ok("profile", **other.target))["online"]


async def test_online_by_hand_and_offline_by_hand(world: World, way: str) -> None:
    me, other = await world.pair()
    caller = await other.over(way)
    assert await caller.ok("user/set_online") is True
    assert await online(me, other) is True
    assert await caller.ok("user/set_offline") is True
    assert await online(me, other) is False
    assert await caller.ok("user/set_online") is True
    assert await online(me, other) is True


async def test_a_socket_makes_online(world: World) -> None:
    me, other = await world.pair()
    assert await online(me, other) is False
    socket = await other.open()
    await socket.ok("user/me")
    assert await online(me, other) is True
    await socket.ok("user/set_offline")
    assert await online(me, other) is False
    await (await other.open()).ok("user/me")
    assert await online(me, other) is True


async def test_connected_people_are_watched(world: World) -> None:
    me, one, two = await world.crowd({}, {}, {})
    for person in (one, two):
        await world.connect(me, person)
    await one.http.ok("user/set_online")
    socket = await me.open()
    answer = await socket.ok("presence/watch", user_ids=[one.id, two.id])
    matching(answer, {"presence": {str(one.id): HERE, str(two.id): HERE}})
    assert answer["presence"][str(one.id)]["online"] is True
    assert answer["presence"][str(two.id)]["online"] is False
    await two.http.ok("user/set_online")
    push = matching(await socket.push("presence", user_id=two.id), HERE | {"user_id": two.id})
    assert push["online"] is True
    await one.http.ok("user/set_offline")
    assert (await socket.push("presence", user_id=one.id))["online"] is False
    await socket.ok("presence/watch", user_ids=[one.id])
    await two.http.ok("user/set_offline")
    await one.http.ok("user/set_online")
    assert (await socket.push("presence", user_id=one.id))["online"] is True
    assert [push["user_id"] for push in socket.seen("presence")] == []


async def test_only_connected_people_are_watched(world: World, way: str) -> None:
    me, friend, stranger, blocker = await world.crowd({}, {}, {}, {})
    await world.connect(me, friend)
    await blocker.ok("user/block", **me.target)
    answers = []
    for user_id in (stranger.id, blocker.id, SOMEBODY):
        answer = await (await me.over(way)).answer("presence/watch", user_ids=[friend.id, user_id])
        answers.append(str(answer).replace(str(user_id), "?"))
        if answer["code"] == 200:  # a stranger is left out, or nothing is known of one
            assert answer["data"]["presence"].get(str(user_id)) in (None, {"online": None, "last_seen": None}), answer
    assert len(set(answers)) == 1
    assert await (await me.over(way)).faults("presence/watch", user_ids=list(range(1, 102))) == {"user_ids"}


async def test_presence_of_who_was_blocked_or_unliked_is_told_no_more(world: World) -> None:
    me, one, two, three = await world.crowd({}, {}, {}, {})
    for person in (one, two, three):
        await world.connect(me, person)
    socket = await me.open()
    await socket.ok("presence/watch", user_ids=[one.id, two.id, three.id])
    await one.http.ok("user/block", **me.target)  # not by a socket, which makes online: that may still be on its way
    await two.http.ok("user/disconnect", **me.target)
    socket.pushes.clear()
    for person in (one, two, three):
        await person.http.ok("user/set_offline")
        await person.http.ok("user/set_online")
    assert (await socket.push("presence", user_id=three.id, online=True))["online"]
    for push in socket.seen("presence"):  # of the others, that nothing is known any more
        assert push["user_id"] == three.id or (push["online"], push["last_seen"]) == (None, None), push


async def test_who_hides_is_hidden_and_sees_nobody(world: World) -> None:
    me, other = await world.couple()
    for person in (me, other):
        await person.http.ok("user/set_online")
    assert await online(me, other) is True
    await other.http.ok("user/settings", show_online=False)
    for one, two in ((me, other), (other, me)):
        profile = await one.http.ok("profile", **two.target)
        assert (profile["online"], profile["last_seen"]) == (None, None)
    socket = await me.open()
    presence = (await socket.ok("presence/watch", user_ids=[other.id]))["presence"]
    assert presence.get(str(other.id)) in (None, {"online": None, "last_seen": None})
    [card] = [entry["user"] for entry in (await me.ok("user/connections"))["connections"]]
    assert (card["online"], card["last_seen"]) == (None, None)
    found = await me.http.ok("research", online=True, limit=50)
    assert other.id not in [card["user_id"] for card in found["users"]]

"""Messages: sending, reading, typing, and the history."""

import asyncio
from typing import Any

import pytest

from tests.contract.client import matching
from tests.contract.events import SOMEBODY
from tests.contract.shapes import LOGGED, MESSAGE, OWN_MESSAGE, number, time
from tests.contract.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
HISTORY = {"messages": [dict], "my_read_seq": number, "their_read_seq": number}


def texts(history: dict[str, Any]) -> list[str]:
    return [message["message"] for message in history["messages"]]


async def test_a_message_reaches_all_sockets_of_both(world: World, way: str) -> None:
    me, other = await world.couple()
    mine, theirs = [await me.open() for _ in range(2)], [await other.open() for _ in range(2)]
    sent = matching(
        await (await me.over(way)).ok("message/send", **other.target, random_id=-7, message="Hi\nthere \N{FOX FACE}"),
        {"seq": 1, "sent_at": time},
    )
    message = sent | {"from_user_id": me.id, "message": "Hi\nthere \N{FOX FACE}"}
    for socket in theirs:
        push = matching(await socket.push("message/new"), LOGGED | {"user_id": me.id, "message": MESSAGE})
        assert push["message"] == message
    for socket in mine:
        push = matching(await socket.push("message/new"), LOGGED | {"user_id": other.id, "message": OWN_MESSAGE})
        assert push["message"] == message | {"random_id": -7}


async def test_messages_of_a_conversation_are_numbered_densely(world: World) -> None:
    me, other = await world.couple()
    sends = [
        (one, {**two.target, "random_id": number, "message": f"{number}"})
        for number in range(6)
        for one, two in ((me, other), (other, me))
    ]
    answers = await asyncio.gather(*(one.http.ok("message/send", **fields) for one, fields in sends))
    assert sorted(answer["seq"] for answer in answers) == list(range(1, 13))
    third = await world.join()
    await world.connect(me, third)
    assert (await me.ok("message/send", **third.target, random_id=0, message="x"))["seq"] == 1


async def test_events_of_one_socket_keep_their_order(world: World) -> None:
    me, other = await world.couple()
    socket = await me.open()
    sends = [await socket.start("message/send", other.target | {"random_id": n, "message": f"{n}"}) for n in range(20)]
    order: list[int] = []
    for n, send in enumerate(sends):
        send.add_done_callback(lambda _, n=n: order.append(n))
    answers = await asyncio.gather(*sends)
    assert [answer["data"]["seq"] for answer in answers] == list(range(1, 21))
    assert order == list(range(20))
    assert texts(await me.ok("message/history", **other.target)) == [f"{n}" for n in reversed(range(20))]


async def test_a_repeated_message_gets_the_first_answer(world: World, way: str) -> None:
    me, other = await world.couple()
    caller, before = await me.over(way), await other.cursor()
    first = await caller.ok("message/send", **other.target, random_id=5, message="one")
    await caller.ok("message/send", **other.target, random_id=6, message="two")
    world.clock.advance(60)
    assert await caller.ok("message/send", **other.target, random_id=5, message="one") == first
    await caller.refused(400, "already_exists", "message/send", **other.target, random_id=5, message="three")
    assert [name for name, _ in await other.since(before)].count("message/new") == 2
    assert texts(await caller.ok("message/history", **other.target)) == ["two", "one"]
    third = await world.join()
    await world.connect(me, third)
    assert (await caller.ok("message/send", **third.target, random_id=5, message="three"))["seq"] == 1
    assert (await other.ok("message/send", **me.target, random_id=5, message="three"))["seq"] == 3
    for random_id in (2**31 - 1, -(2**31), 0):
        await caller.ok("message/send", **other.target, random_id=random_id, message="edge")


async def test_the_same_message_sent_twice_at_the_same_moment_is_stored_once(world: World) -> None:
    me, other = await world.couple()
    message = other.target | {"random_id": 5, "message": "once"}
    answers = await asyncio.gather(*(caller.ok("message/send", **message) for caller in (me, me.http, me.http)))
    assert answers == [answers[0]] * 3
    nudges = await asyncio.gather(*(me.http.ok("notifications", user_id=other.id, random_id=5) for _ in range(3)))
    assert nudges == [{}] * 3
    names = [data.get("kind", name) for name, data in await other.since(0)]
    assert (names.count("message/new"), names.count("nudge")) == (1, 1)


async def test_a_repeat_after_the_end_gets_the_first_answer_or_the_refusal_but_is_not_stored(world: World) -> None:
    me, other = await world.couple()
    first = await me.ok("message/send", **other.target, random_id=5, message="one")
    await me.ok("user/disconnect", **other.target)
    again = await me.answer("message/send", **other.target, random_id=5, message="one")
    assert again.get("data") == first or again["error"]["name"] == "not_connected"
    assert texts(await me.ok("message/history", **other.target)) == ["one"]


async def test_messages_and_nudges_have_random_ids_of_their_own(world: World) -> None:
    me, other = await world.couple()
    assert await me.ok("notifications", user_id=other.id, random_id=5) == {}
    assert (await me.ok("message/send", **other.target, random_id=5, message="one"))["seq"] == 1


async def test_who_may_be_written_to(world: World, way: str) -> None:
    me, other = await world.pair()
    caller, message = await me.over(way), {"random_id": 1, "message": "x"}
    await caller.refused(400, "not_found", "message/send", target_user_id=SOMEBODY, **message)
    await caller.refused(400, "not_connected", "message/send", **other.target, **message)
    await me.ok("user/block", **other.target)
    await caller.refused(900, "blacklisted", "message/send", **other.target, **message)
    await other.refused(400, "not_found", "message/send", **me.target, **message)
    assert await caller.faults("message/send", **me.target, **message) == {"target_user_id"}


@pytest.mark.parametrize("text", ["", "x" * 4001, "a\0b", "a\tb", "a\rb", "a\x1b[2J", "\x85"])
async def test_a_message_has_its_rules(world: World, text: str) -> None:
    me, other = await world.pair()
    assert await me.faults("message/send", **other.target, random_id=1, message=text) == {"message"}
    assert await me.http.faults("message/send", **other.target, random_id=1, message=text) == {"message"}


async def test_a_message_is_normalised_and_may_be_long(world: World, way: str) -> None:
    me, other = await world.couple()
    caller = await me.over(way)
    long, odd = "\N{FOX FACE}" * 4000, "<b>&'\"\\"
    for random_id, (text, kept) in enumerate([("e\u0301", "é"), (long, long), (odd, odd)]):
        await caller.ok("message/send", **other.target, random_id=random_id, message=text)
        assert texts(await other.ok("message/history", **me.target, limit=1)) == [kept]
    assert await caller.ok("message/send", **other.target, random_id=0, message="é")  # the same text in another form


async def test_history_goes_both_ways(world: World, way: str) -> None:
    me, other = await world.couple()
    for n in range(1, 8):
        one, two = (me, other) if n % 2 else (other, me)
        await one.ok("message/send", **two.target, random_id=n, message=f"{n}")
    caller = await me.over(way)
    whole = matching(await caller.ok("message/history", **other.target), HISTORY)
    assert texts(whole) == list("7654321")
    for message in whole["messages"]:
        matching(message, OWN_MESSAGE if message["from_user_id"] == me.id else MESSAGE)
    assert texts(await caller.ok("message/history", **other.target, limit=2)) == list("76")
    assert texts(await caller.ok("message/history", **other.target, before=3)) == list("21")
    assert texts(await caller.ok("message/history", **other.target, before=7, limit=2)) == list("65")
    assert texts(await caller.ok("message/history", **other.target, after=3)) == list("4567")
    assert texts(await caller.ok("message/history", **other.target, after=0, limit=2)) == list("12")
    assert texts(await caller.ok("message/history", **other.target, after=7)) == []
    assert texts(await caller.ok("message/history", **other.target, limit=100)) == list("7654321")
    for limit in (0, 101):
        assert await caller.faults("message/history", **other.target, limit=limit) == {"limit"}


async def test_there_is_no_history_of_who_never_met(world: World, way: str) -> None:
    me, other = await world.pair()
    caller = await me.over(way)
    await caller.refused(400, "not_connected", "message/history", **other.target)
    await other.ok("user/like", **me.target)
    await caller.refused(400, "not_connected", "message/history", **other.target)
    for event, fields in (("message/read", {"seq": 1}), ("message/typing", {})):
        await caller.refused(400, "not_connected", event, **other.target, **fields)


async def test_reading_is_told_to_both_and_only_goes_up(world: World, way: str) -> None:
    me, other = await world.couple()
    for n in range(1, 4):
        await other.ok("message/send", **me.target, random_id=n, message=f"{n}")
    mine, theirs = await me.open(), await other.open()
    caller = await me.over(way)
    assert (await me.ok("user/me"))["unread"]["messages"] > 0
    assert await caller.ok("message/read", **other.target, seq=2) == {}
    for socket, person in ((mine, other), (theirs, me)):
        shape = LOGGED | {"user_id": person.id, "by": me.id, "read_seq": 2}
        matching(await socket.push("message/read"), shape)
    before, after = await other.cursor(), await me.cursor()
    assert await caller.ok("message/read", **other.target, seq=1) == {}
    assert await caller.ok("message/read", **other.target, seq=2) == {}
    assert await other.since(before) == [] and await me.since(after) == []
    assert (await me.ok("message/history", **other.target))["my_read_seq"] == 2
    assert (await other.ok("message/history", **me.target))["their_read_seq"] == 2
    [connection] = (await me.ok("user/connections"))["connections"]
    assert connection["unread"] == 1
    await caller.ok("message/read", **other.target, seq=3)
    assert (await me.ok("user/me"))["unread"]["messages"] == 0


async def test_without_receipts_the_writer_hears_nothing(world: World) -> None:
    me, other = await world.couple()
    await me.ok("user/settings", read_receipts=False)
    await other.ok("message/send", **me.target, random_id=1, message="1")
    before, own = await other.cursor(), await me.open()
    await me.ok("message/read", **other.target, seq=1)
    assert await other.since(before) == []
    await own.push("message/read")
    assert not (await other.ok("message/history", **me.target))["their_read_seq"]
    assert not (await other.ok("user/connections"))["connections"][0]["their_read_seq"]
    assert (await me.ok("message/history", **other.target))["my_read_seq"] == 1


async def test_typing_is_told_to_the_other_alone_and_not_kept(world: World, way: str) -> None:
    me, other = await world.couple()
    mine, theirs = await me.open(), [await other.open(), await other.open()]
    before = await other.cursor()
    assert await (await me.over(way)).ok("message/typing", **other.target) == {}
    for socket in theirs:
        assert await socket.push("message/typing") == {"user_id": me.id}
    assert await other.cursor() == before
    assert mine.seen("message/typing") == []


async def test_typing_to_who_is_not_there_is_answered_the_same(world: World, way: str) -> None:
    me, other = await world.couple()
    assert await (await me.over(way)).ok("message/typing", **other.target) == {}


async def test_an_event_without_an_acknowledgement_id_runs(world: World) -> None:
    me, other = await world.couple()
    socket, theirs = await me.open(), await other.open()
    await socket.tell("message/send", **other.target, random_id=1, message="no answer, please")
    assert (await theirs.push("message/new"))["message"]["message"] == "no answer, please"
    assert (await socket.push("message/new"))["message"]["seq"] == 1


async def test_unread_counts_the_messages_of_all_conversations(world: World) -> None:
    me, one, two = await world.crowd({}, {}, {})
    for other in (one, two):
        await world.connect(me, other)
        for n in range(2):
            await other.ok("message/send", **me.target, random_id=n, message="x")
    assert (await me.ok("user/me"))["unread"]["messages"] == 4
    await me.ok("message/read", **one.target, seq=2)
    assert (await me.ok("user/me"))["unread"]["messages"] == 2
    await me.ok("user/block", **two.target)
    assert (await me.ok("user/me"))["unread"]["messages"] == 0

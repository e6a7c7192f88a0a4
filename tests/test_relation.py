"""Relations: the whole transition table, and what the two people are told."""

from copy import deepcopy
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from client_sdk import (
    Blacklisted,
    Client,
    ConnectionChanged,
    InvalidPayload,
    NotConnected,
    NotFound,
    RateLimited,
    RelationChanged,
)
from handlers import stance as rules
from sql.relation import Pair, Side
from tests.ground.accounts import State, set_state

ME, OTHER = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
EARLIER = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def every_state() -> list[Pair]:
    """Return every state that two people can be in: likes, passes and blocks, and connected where both like."""
    pairs = []
    for my_like, their_like, my_block, their_block, my_pass, muted in product((None, EARLIER), repeat=6):
        if (my_like or their_like) and (my_block or their_block):
            continue  # a block withdraws both likes, and none can come while it stands
        low = Side(liked_at=my_like, blocked_at=my_block, passed_at=my_pass, muted=bool(muted))
        high = Side(liked_at=their_like, blocked_at=their_block)
        pairs.append(Pair(ME, OTHER, bool(my_like and their_like), low=low, high=high))
    return pairs


def facts(pair: Pair) -> dict[str, Any]:
    mine, theirs = pair.side(ME), pair.side(OTHER)
    return {
        "i_like": bool(mine.liked_at),
        "they_like": bool(theirs.liked_at),
        "connected": pair.connected,
        "i_pass": bool(mine.passed_at),
        "i_muted": mine.muted,
        "i_block": bool(mine.blocked_at),
        "they_block": bool(theirs.blocked_at),
    }


ACTS = {
    "like": lambda pair: rules.like(pair, ME, NOW),
    "request": lambda pair: rules.like(pair, ME, NOW, request=True),
    "unlike": lambda pair: rules.unlike(pair, ME),
    "disconnect": lambda pair: rules.disconnect(pair, ME),
    "pass": lambda pair: rules.pass_over(pair, ME, NOW),
    "unpass": lambda pair: rules.unpass(pair, ME),
    "block": lambda pair: rules.block(pair, ME, NOW),
    "unblock": lambda pair: rules.unblock(pair, ME),
}


def expected(act: str, before: dict[str, Any]) -> dict[str, Any]:
    """Say in the contract's words what an act changes."""
    after = dict(before)
    if act in ("like", "request"):
        after |= {"i_like": True, "i_pass": False, "i_muted": False, "connected": before["they_like"]}
    if act in ("pass", "unpass"):
        after |= {"i_pass": act == "pass"}
    if act in ("unlike", "disconnect"):
        after |= {"i_like": False, "i_muted": True, "connected": False}
    if act in ("disconnect", "block"):
        after |= {"they_like": False, "connected": False}
    if act == "block":
        after |= {"i_like": False, "i_block": True}
    if act == "unblock":
        after |= {"i_block": False}
    return after


@pytest.mark.parametrize("act", ACTS)
def test_every_act_in_every_state_changes_what_it_says_and_nothing_else(act: str) -> None:
    for pair in every_state():
        before = facts(pair)
        if act in ("like", "request", "pass") and (before["i_block"] or before["they_block"]):
            continue  # refused before it gets here
        swapped = deepcopy(pair)
        ACTS[act](pair)
        assert facts(pair) == expected(act, before)
        ACTS[act](pair)
        assert facts(pair) == expected(act, expected(act, before)), "a repeat changes nothing more"
        assert swapped.side(ME).read_seq == pair.side(ME).read_seq


def test_a_repeated_like_keeps_its_time_and_a_request_is_not_taken_down_to_a_like() -> None:
    pair = Pair(ME, OTHER, low=Side(liked_at=EARLIER, requested=True))
    rules.like(pair, ME, NOW)
    assert pair.low.liked_at == EARLIER
    assert pair.low.requested
    rules.unlike(pair, ME)
    assert not pair.low.requested


def test_the_one_with_the_higher_id_acts_on_the_high_side() -> None:
    pair = Pair(ME, OTHER)
    rules.like(pair, OTHER, NOW)
    assert pair.high.liked_at
    assert not pair.low.liked_at


async def test_two_wishes_meet(alice, bob):
    liked = await alice.relation.like(bob.id)
    assert (liked.liked, liked.connected) == (True, False)
    async with alice.expecting(ConnectionChanged) as hers, bob.expecting(ConnectionChanged) as his:
        answer = await bob.relation.connect("ALICE")
        assert answer.state == "connected"
        assert (await hers).user.login == "bob"
        pushed = await his
    assert (pushed.user_id, pushed.state, pushed.user.login) == (alice.id, "connected", "alice")
    [connection] = await alice.relation.connections()
    assert connection.user.login == "bob"
    assert connection.last_message is None


async def test_a_request_waits_until_it_is_returned(alice, bob):
    assert (await alice.relation.connect("bob")).state == "requested"
    seen = await bob.profile.get(alice.id)
    assert (seen.requested_me, seen.liked_me, seen.connected) == (True, True, False)
    seen = await alice.profile.get(bob.id)
    assert (seen.requested, seen.liked) == (True, True)
    with pytest.raises(NotConnected):
        await alice.message.send(bob.id, "are you there?")


async def test_nobody_likes_requests_or_blocks_oneself(alice):
    for refused in (
        alice.relation.like(alice.id),
        alice.relation.connect("alice"),
        alice.relation.block(alice.id),
        alice.relation.unlike(alice.id),
        alice.relation.pass_(alice.id),
        alice.relation.unpass(alice.id),
        alice.relation.unblock(alice.id),
        alice.profile.get(alice.id),
        alice.message.send(alice.id, "me"),
    ):
        with pytest.raises(InvalidPayload):
            await refused


def closed(push: ConnectionChanged) -> bool:
    return push.state == "closed"


@pytest.mark.parametrize("end", ["unlike", "disconnect"])
async def test_an_end_closes_the_chat_and_keeps_it_readable(connected, end):
    alice, bob = connected
    await alice.message.send(bob.id, "hello")
    async with alice.expecting(ConnectionChanged, closed) as hers, bob.expecting(ConnectionChanged, closed) as his:
        await getattr(bob.relation, end)(alice.id)
        assert ((await hers).user_id, (await his).user_id) == (bob.id, alice.id)
    for one, other in (connected, connected[::-1]):
        with pytest.raises(NotConnected):
            await one.message.send(other.id, "still there?")
        assert [m.message for m in await one.message.history(other.id)] == ["hello"]
        assert len(await one.relation.connections()) == 0
    again = await bob.relation.like(alice.id)
    assert again.connected == (end == "unlike"), "only a disconnect takes the other's like away too"


async def test_what_withdraws_answers_for_any_id(alice):
    for withdraw in (
        alice.relation.unlike,
        alice.relation.disconnect,
        alice.relation.unpass,
        alice.relation.unblock,
    ):
        await withdraw(2**52)


async def test_a_block_ends_everything_and_nothing_comes_back_by_itself(connected):
    alice, bob = connected
    await bob.message.send(alice.id, "before")
    async with bob.expecting(ConnectionChanged, closed) as his, alice.expecting(ConnectionChanged, closed) as hers:
        await alice.relation.block(bob.id)
        assert ((await hers).user_id, (await his).user_id) == (bob.id, alice.id)
    await alice.relation.block(bob.id)
    with pytest.raises(Blacklisted):
        await alice.message.send(bob.id, "no")
    for refused in (
        bob.message.send(alice.id, "no"),
        bob.profile.get(alice.id),
        bob.relation.like(alice.id),
        bob.relation.connect("alice"),
        bob.message.history(alice.id),
        bob.relation.block(alice.id),
        alice.profile.get(bob.id),
        alice.relation.like(bob.id),
        alice.message.history(bob.id),
    ):
        with pytest.raises(NotFound):
            await refused
    await alice.relation.unblock(bob.id)
    assert (await alice.profile.get(bob.id)).connected is False
    with pytest.raises(NotConnected):
        await alice.message.send(bob.id, "now?")
    assert [m.message for m in await bob.message.history(alice.id)] == ["before"]


async def test_connections_come_last_activity_first_page_by_page(people, server, alice):
    others = [await people(f"friend{number}") for number in range(5)]
    for other in others:
        await alice.relation.like(other.id)
        await other.relation.like(alice.id)
        server.clock.advance(1)
    await others[1].message.send(alice.id, "hello")
    order, cursor = [], None
    while True:
        page = await alice.relation.connections(limit=2, cursor=cursor)
        order += [connection.user.login for connection in page]
        if not (cursor := page.cursor):
            break
    assert order == ["friend1", "friend4", "friend3", "friend2", "friend0"]
    [first] = await alice.relation.connections(limit=1)
    assert (first.last_message.message, first.unread, first.their_read_seq) == ("hello", 1, 0)


@pytest.mark.parametrize("cursor", ["x", "W10.x.y"])
async def test_a_made_up_cursor_is_refused(alice, cursor):
    with pytest.raises(InvalidPayload):
        await alice.relation.connections(cursor=cursor)


async def test_a_cursor_is_good_for_an_hour_and_for_its_owner(people, server, alice, bob):
    for number in range(2):
        friend = await people(f"friend{number}")
        await alice.relation.like(friend.id)
        await friend.relation.like(alice.id)
    cursor = (await alice.relation.connections(limit=1)).cursor
    with pytest.raises(InvalidPayload):
        await bob.relation.connections(cursor=cursor)
    server.clock.advance(3601)
    with pytest.raises(InvalidPayload):
        await alice.relation.connections(cursor=cursor)


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "like_cycles_day": 2})
async def test_likes_given_and_taken_back_are_few_a_day(server, alice, bob):
    for _ in range(2):
        await alice.relation.like(bob.id)
        await alice.relation.unlike(bob.id)
    with pytest.raises(RateLimited) as refused:
        await alice.relation.like(bob.id)
    assert 0 < refused.value.retry_after <= 86_400
    server.clock.advance(refused.value.retry_after)
    await alice.relation.like(bob.id)


# -- lists -------------------------------------------------------------------------------------------------------------


async def pages(list_, size):
    """Return all entries of a list, read page by page."""
    found, cursor = [], None
    while True:
        page = await list_(limit=size, cursor=cursor)
        assert len(page) == size or page.cursor is None, "a page that is not full is the last one"
        found += page
        if not (cursor := page.cursor):
            return found


async def test_who_likes_me_comes_newest_first_page_by_page(people, server, alice):
    fans = [await people(f"fan{number}") for number in range(5)]
    for number, fan in enumerate(fans):
        await (fan.relation.connect("alice") if number == 3 else fan.relation.like(alice.id))
        server.clock.advance(1)
    await alice.relation.like(fans[1].id)  # connected: not in this list any more
    await alice.relation.pass_(fans[4].id)  # not interested, but liked all the same
    await set_state(server, fans[2], State.BANNED)
    for size in (1, 2, 20):
        likes = await pages(alice.relation.likes, size)
        assert [(like.user.login, like.kind) for like in likes] == [
            ("fan4", "like"),
            ("fan3", "request"),
            ("fan0", "like"),
        ]
    assert likes[0].liked_at > likes[1].liked_at
    await fans[0].relation.unlike(alice.id)
    assert [like.user.login for like in await alice.relation.likes()] == ["fan4", "fan3"]
    assert not await fans[0].relation.likes()


async def test_a_black_list_keeps_people_as_they_were(people, server, alice):
    others = [await people(f"other{number}") for number in range(4)]
    for other in others:
        await alice.relation.block(other.id)
        server.clock.advance(1)
    await set_state(server, others[0], State.DELETED)
    await others[1].profile.save(new_login="renamed", old_pass=others[1].password)
    for size in (1, 3, 20):
        listed = await pages(alice.relation.blocks, size)
        assert [(block.user_id, block.login) for block in listed] == [
            (other.id, other.login) for other in reversed(others)
        ]
    await alice.relation.block(others[0].id)  # again, and though it is gone
    assert [block.blocked_at for block in await alice.relation.blocks()] == [block.blocked_at for block in listed]
    await alice.relation.unblock(others[0].id)
    await alice.relation.unblock(others[2].id)
    assert [block.login for block in await alice.relation.blocks()] == ["other3", "other1"]
    assert not await others[1].relation.blocks()


@pytest.mark.parametrize("one", ["connections", "likes", "blocks"])
async def test_a_cursor_goes_with_its_list_only(people, server, alice, bob, one):
    for number in range(2):
        friend, fan, foe = [await people(f"{kind}{number}") for kind in ("friend", "fan", "foe")]
        await alice.relation.like(friend.id)
        for liker in (friend, fan):
            await liker.relation.like(alice.id)
        await alice.relation.block(foe.id)
    cursor = (await getattr(alice.relation, one)(limit=1)).cursor
    assert cursor
    for person, other in product((alice, bob), ("connections", "likes", "blocks")):
        if (person, other) != (alice, one):
            with pytest.raises(InvalidPayload):
                await getattr(person.relation, other)(cursor=cursor)
    server.clock.advance(3601)
    with pytest.raises(InvalidPayload):
        await getattr(alice.relation, one)(cursor=cursor)


async def test_a_list_does_not_jump_while_it_is_read(people, server, alice):
    fans = [await people(f"fan{number}") for number in range(4)]
    for fan in fans:
        await fan.relation.like(alice.id)
        server.clock.advance(1)
    first = await alice.relation.likes(limit=2)
    await (await people("late")).relation.like(alice.id)
    await fans[3].relation.unlike(alice.id)
    await fans[3].relation.like(alice.id)  # goes to the top: seen already, not seen again
    second = await alice.relation.likes(limit=2, cursor=first.cursor)
    assert [like.user.login for like in (*first, *second)] == ["fan3", "fan2", "fan1", "fan0"]
    assert second.cursor is None


# -- pass --------------------------------------------------------------------------------------------------------------


async def test_who_is_passed_is_out_of_search_until_that_is_undone_or_the_person_liked(alice, bob):
    async def found():
        return [card.user_id for card in await alice.research.search()]

    assert await found() == [bob.id]
    await alice.relation.pass_(bob.id)
    await alice.relation.pass_(bob.id)
    assert await found() == []
    assert [card.user_id for card in await bob.research.search()] == [alice.id], "bob is not concerned"
    assert (await alice.profile.get(bob.id)).login == "bob"
    await alice.relation.unpass(bob.id)
    assert await found() == [bob.id]
    await alice.relation.pass_(bob.id)
    await alice.relation.like(bob.id)
    await alice.relation.unlike(bob.id)
    assert await found() == [bob.id]


async def test_whom_one_may_not_see_one_can_not_pass(server, alice, bob, carol):
    await bob.relation.block(alice.id)
    await set_state(server, carol, State.DELETED)
    for user_id in (bob.id, carol.id, 2**52):
        with pytest.raises(NotFound):
            await alice.relation.pass_(user_id)


# -- what one's own devices, and the other, are told -------------------------------------------------------------------


async def told(server, person):
    """Return what the log of somebody says, in short; the times and numbers are left out."""
    async with Client(server.url, token=person.token) as reader:
        page = await reader.sync.since(0)
    return [(push.event, short(push.data)) for push in page]


def short(data):
    user = data.get("user") or {}
    if "liked" in data:
        return "+".join(name for name in ("liked", "passed", "blocked") if data[name]) or "nothing"
    return data.get("kind") or data.get("state") or user.get("login")


async def test_a_like_is_told_to_the_other_and_to_ones_own_devices_once(server, alice, bob):
    for _ in range(3):
        await alice.relation.like(bob.id)
    assert await told(server, alice) == [("relation/changed", "liked")]
    assert await told(server, bob) == [("notification", "like")]
    await bob.relation.like(alice.id)
    assert await told(server, bob) == [
        ("notification", "like"),
        ("connection", "connected"),
        ("relation/changed", "liked"),
        ("notification", "match"),
    ]
    assert await told(server, alice) == [
        ("relation/changed", "liked"),
        ("connection", "connected"),
        ("notification", "match"),
    ]


async def test_a_quiet_like_becomes_a_request_which_is_told(server, alice, bob):
    await alice.relation.like(bob.id)
    assert [like.kind for like in await bob.relation.likes()] == ["like"]
    for _ in range(2):
        await alice.relation.connect("bob")
    await alice.relation.like(bob.id)
    assert [like.kind for like in await bob.relation.likes()] == ["request"]
    assert await told(server, bob) == [("notification", "like"), ("notification", "request")]


async def test_a_like_that_is_taken_back_is_no_news_any_more(server, alice, bob):
    await alice.relation.connect("bob")
    await alice.relation.unlike(bob.id)
    assert await told(server, bob) == [("void", None)]
    assert await told(server, alice) == [("relation/changed", "nothing")] * 2, "as it stands now"
    assert not await bob.relation.likes()


@pytest.mark.parametrize("end", ["unlike", "disconnect"])
async def test_an_end_is_told_and_what_was_told_before_is_taken_back(server, connected, end):
    alice, bob = connected
    await alice.message.send(bob.id, "hello")
    await getattr(alice.relation, end)(bob.id)
    hers, his = [[entry for entry in await told(server, person) if entry[0] != "message/new"] for person in connected]
    connection = [("connection", "connected"), ("connection", "closed")]
    assert [entry for entry in hers if entry[0] != "void"] == [
        ("relation/changed", "nothing"),
        *connection,
        ("relation/changed", "nothing"),
    ]
    if end == "unlike":  # his like stands
        expected = [connection[0], ("relation/changed", "liked"), connection[1], ("notification", "unlike")]
    else:
        changed = ("relation/changed", "nothing")
        expected = [connection[0], changed, connection[1], changed, ("notification", "unlike")]
    assert [entry for entry in his if entry[0] != "void"] == expected


@pytest.mark.parametrize("end", ["unlike", "disconnect"])
async def test_whom_one_has_left_makes_no_more_noise_until_one_likes_them_again(server, connected, end):
    alice, bob = connected
    await getattr(alice.relation, end)(bob.id)
    before = len(await told(server, alice))
    await bob.relation.unlike(alice.id)
    await bob.relation.like(alice.id)
    await bob.relation.connect("alice")
    await bob.profile.get(alice.id)
    assert len(await told(server, alice)) == before
    assert [like.user.login for like in await alice.relation.likes()] == ["bob"], "who looks still sees it"
    await alice.relation.like(bob.id)
    assert ("notification", "match") in await told(server, alice)


async def test_a_stranger_who_was_unliked_is_muted_too(server, alice, bob):
    await alice.relation.unlike(bob.id)
    await bob.relation.like(alice.id)
    assert await told(server, alice) == []


async def test_passes_and_blocks_are_told_to_ones_own_devices_alone(server, alice, bob):
    async with alice.expecting(RelationChanged) as changed:
        await alice.relation.pass_(bob.id)
        assert (await changed).passed
    await alice.relation.pass_(bob.id)
    await alice.relation.unpass(bob.id)
    await alice.relation.unpass(bob.id)
    async with alice.expecting(RelationChanged) as changed:
        await alice.relation.block(bob.id)
        assert (await changed).blocked
    await alice.relation.block(bob.id)
    assert await told(server, alice) == [("relation/changed", "blocked")] * 3
    await alice.relation.unblock(bob.id)
    await alice.relation.unblock(bob.id)
    assert await told(server, alice) == [("relation/changed", "nothing")] * 4
    assert await told(server, bob) == []


async def test_nothing_is_told_of_acts_towards_those_who_are_gone(server, alice, bob, carol):
    for other in (bob, carol):
        await alice.relation.like(other.id)
        await alice.relation.pass_(other.id)
    await bob.relation.block(alice.id)
    await set_state(server, carol, State.DELETED)
    for act, other in product(("unlike", "disconnect", "unpass", "unblock"), (bob, carol)):
        await getattr(alice.relation, act)(other.id)
    assert await told(server, alice) == [("void", None)] * 4


async def test_repeats_cost_nothing(server, alice, bob):
    for act in ("like", "unlike", "block", "unblock", "pass_", "unpass"):
        for _ in range(2):
            await getattr(alice.relation, act)(bob.id)
    used = await server.database.fetch("SELECT SUM(used) FROM quota WHERE user_id = %s AND kind = 1", alice.id)
    assert used == [(2,)], "one like, counted for the day and for the pair"

"""Relations: the whole transition table, and what the two people are told."""

from copy import deepcopy
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from client_sdk import (
    Blacklisted,
    ConnectionChanged,
    InvalidPayload,
    NotConnected,
    NotFound,
    RateLimited,
)
from handlers import relation as rules
from sql.relation import Pair, Side

ME, OTHER = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
EARLIER = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def every_state() -> list[Pair]:
    """Return every state that two people can be in: likes and blocks of both, and connected where both like."""
    pairs = []
    for my_like, their_like, my_block, their_block in product((None, EARLIER), repeat=4):
        if (my_like or their_like) and (my_block or their_block):
            continue  # a block withdraws both likes, and none can come while it stands
        low, high = Side(liked_at=my_like, blocked_at=my_block), Side(liked_at=their_like, blocked_at=their_block)
        pairs.append(Pair(ME, OTHER, bool(my_like and their_like), low=low, high=high))
    return pairs


def facts(pair: Pair) -> dict[str, Any]:
    mine, theirs = pair.side(ME), pair.side(OTHER)
    return {
        "i_like": bool(mine.liked_at),
        "they_like": bool(theirs.liked_at),
        "connected": pair.connected,
        "i_muted": mine.muted,
        "i_block": bool(mine.blocked_at),
        "they_block": bool(theirs.blocked_at),
    }


ACTS = {
    "like": lambda pair: rules.like(pair, ME, NOW),
    "request": lambda pair: rules.like(pair, ME, NOW, request=True),
    "unlike": lambda pair: rules.unlike(pair, ME),
    "disconnect": lambda pair: rules.disconnect(pair, ME),
    "block": lambda pair: rules.block(pair, ME, NOW),
    "unblock": lambda pair: rules.unblock(pair, ME),
}


def expected(act: str, before: dict[str, Any]) -> dict[str, Any]:
    """Say in the contract's words what an act changes."""
    after = dict(before)
    if act in ("like", "request"):
        after |= {"i_like": True, "i_muted": False, "connected": before["they_like"]}
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
        if act in ("like", "request") and (before["i_block"] or before["they_block"]):
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
        alice.profile.get(alice.id),
        alice.message.send(alice.id, "me"),
    ):
        with pytest.raises(InvalidPayload):
            await refused


@pytest.mark.parametrize("end", ["unlike", "disconnect"])
async def test_an_end_closes_the_chat_and_keeps_it_readable(connected, end):
    alice, bob = connected
    await alice.message.send(bob.id, "hello")
    async with alice.expecting(ConnectionChanged) as hers, bob.expecting(ConnectionChanged) as his:
        await getattr(bob.relation, end)(alice.id)
        assert (await hers).state == (await his).state == "closed"
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
        alice.relation.unblock,
    ):
        await withdraw(2**52)


async def test_a_block_ends_everything_and_nothing_comes_back_by_itself(connected):
    alice, bob = connected
    await bob.message.send(alice.id, "before")
    async with bob.expecting(ConnectionChanged) as his, alice.expecting(ConnectionChanged) as hers:
        await alice.relation.block(bob.id)
        assert (await his).state == (await hers).state == "closed"
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

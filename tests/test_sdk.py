"""The client: order, holes, losses, waiting; against a peer that misbehaves on purpose."""

import asyncio
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import client_sdk
from client_sdk import (
    UNSET,
    AlreadyExists,
    Client,
    ConnectionLost,
    Goodbye,
    InvalidCredentials,
    InvalidPayload,
    MatchaError,
    MessageNew,
    Presence,
    Push,
    RateLimited,
    Resync,
    SessionEnded,
    SettingsChanged,
    Unauthorized,
    Unavailable,
    Unknown,
    Void,
)
from client_sdk.backoff import Backoff
from client_sdk.types import Settings
from tests.ground.peer import AT, SILENCE, Peer, at_once, message, refused
from tests.ground.server import Person
from tests.ground.waiting import until

ROOT = Path(client_sdk.__file__).parents[1]


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
async def client(peer: Peer) -> AsyncIterator[Client]:
    async with Client(peer.url, token="t", cursor=0, timeout=3.0, wait=at_once) as client:
        await until(lambda: peer.count("sync") == 1)
        yield client


async def seqs(events: AsyncIterator[Push], count: int) -> list[int | None]:
    async with asyncio.timeout(5):
        return [(await anext(events)).seq for _ in range(count)]


# Calls


async def test_an_answer_is_typed_and_tolerates_new_fields(client: Client) -> None:
    me = await client.profile.me()
    assert (me.login, me.cursor, client.id) == ("alice", 0, 1)


async def test_unset_fields_are_left_out_and_none_is_sent(client: Client, peer: Peer) -> None:
    assert await client.call("user/save_profile", age=None, gender=UNSET, tags=["a"]) == {"age": None, "tags": ["a"]}


async def test_errors_are_raised_as_their_class_with_all_they_say(client: Client, peer: Peer) -> None:
    fields = {"age": {"code": "min", "params": {"min": 18}, "message": "18 at least"}}
    peer.answers["a"] = refused("invalid_payload", fields=fields)
    peer.answers["b"] = refused("rate_limited", 429, retry_after=7)
    peer.answers["c"] = refused("from_the_future", 418)
    with pytest.raises(InvalidPayload, match="age: 18 at least") as invalid:
        await client.call("a")
    assert invalid.value.fields == fields
    with pytest.raises(RateLimited) as limited:
        await client.call("b")
    assert (limited.value.code, limited.value.retry_after) == (429, 7)
    with pytest.raises(MatchaError) as unheard:
        await client.call("c")
    assert (type(unheard.value), unheard.value.name, unheard.value.code) == (MatchaError, "from_the_future", 418)


@pytest.mark.parametrize("answer", [None, "ok", [], 7, {}, {"code": 400}, {"code": 400, "error": "no"}])
async def test_an_answer_that_makes_no_sense_is_an_error(client: Client, peer: Peer, answer: Any) -> None:
    peer.answers["a"] = lambda event, data: answer
    with pytest.raises(MatchaError):
        await client.call("a")


async def test_a_call_without_an_answer_ends_after_the_timeout(peer: Peer) -> None:
    peer.answers["a"] = SILENCE
    async with Client(peer.url, timeout=0.2) as client:
        with pytest.raises(ConnectionLost) as lost:
            await client.call("a")
    assert lost.value.unknown


async def test_a_pending_call_fails_at_once_when_the_connection_drops(client: Client, peer: Peer) -> None:
    peer.answers["a"] = SILENCE
    pending = asyncio.create_task(client.call("a"))
    await until(lambda: peer.count("a") == 1)
    await peer.drop()
    async with asyncio.timeout(1):
        with pytest.raises(ConnectionLost) as lost:
            await pending
    assert lost.value.unknown


async def test_what_may_be_repeated_is_repeated_after_a_loss(client: Client, peer: Peer) -> None:
    peer.answers["message/send"] = [SILENCE, {"code": 200, "data": {"seq": 1, "sent_at": AT}}]
    pending = asyncio.create_task(client.message.send(2, "hi"))
    await until(lambda: peer.count("message/send") == 1)
    await peer.drop()
    assert (await pending).seq == 1
    first, second = (data for event, data in peer.seen if event == "message/send")
    assert first == second


async def test_a_drawn_random_id_is_drawn_again_when_it_was_used_before(client: Client, peer: Peer) -> None:
    taken = refused("already_exists")
    peer.answers["message/send"] = [taken, {"code": 200, "data": {"seq": 1, "sent_at": AT}}, taken]
    await client.message.send(2, "hi")
    first, second = (data["random_id"] for event, data in peer.seen if event == "message/send")
    assert first != second
    with pytest.raises(AlreadyExists):
        await client.message.send(2, "hi", random_id=5)


async def test_calls_wait_for_the_connection_and_keep_their_order(peer: Peer) -> None:
    gate = asyncio.Event()
    async with Client(peer.url, token="t", cursor=0, wait=lambda _: gate.wait()) as client:
        await peer.drop()
        await until(lambda: not client.connected)
        calls = asyncio.gather(*(client.call("a", n=n) for n in range(20)))
        await asyncio.sleep(0.05)
        gate.set()
        await calls
    assert [data["n"] for event, data in peer.seen if event == "a"] == list(range(20))


async def test_a_call_that_finds_no_connection_in_time_fails(peer: Peer) -> None:
    async with Client(peer.url, token="t", cursor=0, timeout=0.2, wait=lambda _: asyncio.sleep(10)) as client:
        await peer.drop()
        await until(lambda: not client.connected)
        for call in client.call("a"), client.profile.me():
            with pytest.raises(ConnectionLost):
                await call
    assert peer.count("a") == 0


async def test_a_client_that_never_connected_says_so() -> None:
    with pytest.raises(ConnectionLost, match="connect"):
        await Client("http://127.0.0.1:1").call("a")


async def test_connecting_to_nobody_is_refused_in_words() -> None:
    with pytest.raises(ConnectionLost, match="Cannot connect to http"):
        await Client("http://127.0.0.1:1", timeout=2.0).connect()


# Sessions


async def test_a_refused_handshake_is_raised_as_its_error(peer: Peer) -> None:
    peer.refusals = [refused("unauthorized", 401), refused("unavailable", 503, retry_after=2)]
    with pytest.raises(Unauthorized):
        await Client(peer.url, token="bad").connect()
    with pytest.raises(Unavailable) as unavailable:
        await Client(peer.url, token="t").connect()
    assert unavailable.value.retry_after == 2


async def test_after_a_login_the_client_comes_back_with_token_and_cursor(peer: Peer) -> None:
    async with Client(peer.url, wait=at_once) as client:
        await client.session.login("alice", "secret")
        assert (client.id, client.token, client.cursor) == (1, "t", 0)
        async with client.expecting(MessageNew) as got:
            await peer.push(1)
        await got
        await peer.drop()
        await client.profile.me()
    assert peer.auths[-1] == {"token": "t", "cursor": 1}


async def test_a_client_with_a_password_signs_in_when_it_has_no_token(peer: Peer) -> None:
    client = Client(peer.url, login="alice", password="secret", wait=at_once)
    async with client:
        assert (client.id, client.token, peer.auths) == (1, "t", [None])
        await client.session.logout()
    async with client:
        assert client.token == "t"
        await peer.drop()
        await client.profile.me()
    assert [data for event, data in peer.seen if event == "user/login"] == [
        {"login": "alice", "password": "secret"}
    ] * 2
    peer.answers["user/login"] = refused("invalid_credentials")
    with pytest.raises(InvalidCredentials):
        await Client(peer.url, login="alice", password="wrong").connect()


async def test_a_client_of_nobody_comes_back_only_when_it_is_needed(peer: Peer) -> None:
    async with Client(peer.url, wait=at_once) as client:
        await peer.drop()
        await until(lambda: not client.connected)
        await asyncio.sleep(0.1)
        assert peer.auths == [None]
        assert await client.call("tags", prefix="a") == {"prefix": "a"}
        assert len(peer.auths) == 2


async def test_an_ended_session_ends_the_client(client: Client, peer: Peer) -> None:
    peer.answers["a"] = SILENCE
    pending = asyncio.create_task(client.call("a"))
    events = client.events()
    await until(lambda: peer.count("a") == 1)
    await peer.emit("goodbye", {"reason": "session_ended", "retry_after": None})
    for ended in pending, client.call("b"), client.wait_closed():
        with pytest.raises(SessionEnded):
            await ended
    assert [type(event) for event in [event async for event in events]] == [Goodbye]


async def test_a_token_refused_on_the_way_back_ends_the_client(client: Client, peer: Peer) -> None:
    peer.refusals = [refused("unauthorized", 401)]
    waiting = asyncio.create_task(client.wait_for(MessageNew))
    await asyncio.sleep(0)
    await peer.drop()
    for ended in client.wait_closed(), client.call("a"), waiting:
        with pytest.raises(SessionEnded):
            await ended


async def test_after_logout_the_client_can_connect_and_log_in_again(client: Client, peer: Peer) -> None:
    await client.session.logout()
    with pytest.raises(SessionEnded):
        await client.profile.me()
    await client.connect()
    await client.session.login("alice", "secret")
    async with client.expecting(MessageNew) as got:
        await peer.push(1)
    assert (await got).seq == 1


# Order


async def test_pushes_come_in_the_order_of_the_wire(client: Client, peer: Peer) -> None:
    events = client.events(MessageNew)
    await peer.push(*range(1, 1001))
    assert await seqs(events, 1000) == list(range(1, 1001))
    assert peer.count("sync") == 1


async def test_a_hole_is_filled_from_the_log_page_by_page(client: Client, peer: Peer) -> None:
    peer.page = 3
    peer.log = [message(seq) for seq in range(1, 9)]
    events = client.events(MessageNew)
    await peer.push(9, 10)
    assert await seqs(events, 10) == list(range(1, 11))
    assert client.cursor == 10


async def test_a_push_that_comes_twice_is_handed_on_once(client: Client, peer: Peer) -> None:
    events = client.events(MessageNew)
    await peer.push(1, 2, 1, 2, 3)
    assert await seqs(events, 3) == [1, 2, 3]
    with pytest.raises(TimeoutError):
        await client.wait_for(MessageNew, timeout=0.1)


async def test_a_hole_that_the_log_does_not_know_is_passed_over(client: Client, peer: Peer) -> None:
    events = client.events(MessageNew)
    await peer.push(5, logged=False)
    await peer.push(6, logged=False)
    assert await seqs(events, 2) == [5, 6]


async def test_what_was_missed_while_away_comes_before_what_is_new(client: Client, peer: Peer) -> None:
    events = client.events(MessageNew)
    await peer.push(1)
    assert await seqs(events, 1) == [1]
    await peer.drop()
    peer.log += [message(2), message(3)]
    await until(lambda: peer.count("sync") == 2)
    await peer.push(4)
    assert await seqs(events, 3) == [2, 3, 4]


async def test_through_losses_holes_and_repeats_every_push_is_handed_on_once(client: Client, peer: Peer) -> None:
    chance = Random(42)
    events = client.events(MessageNew)
    for seq in range(1, 201):
        peer.log.append(message(seq))
        for live in chance.choices((seq, chance.randint(1, seq), None), (8, 2, 2)):
            if live is not None:
                await peer.emit("message/new", message(live))
        if chance.random() < 0.1:
            await peer.drop()
            await asyncio.sleep(chance.random() / 50)
    await until(lambda: client.connected)
    await peer.push(201)
    assert await seqs(events, 201) == list(range(1, 202))


async def test_catching_up_goes_on_after_the_server_was_unavailable(client: Client, peer: Peer) -> None:
    events = client.events(MessageNew)
    peer.log = [message(1)]
    down = refused("unavailable", 503, retry_after=1)
    peer.answers["sync"] = [down, down, lambda event, data: peer._usual("sync", data)]
    await peer.push(2)
    assert await seqs(events, 2) == [1, 2]


async def test_a_cursor_that_is_too_old_is_told_as_resync(client: Client, peer: Peer) -> None:
    peer.answers["sync"] = {"code": 200, "data": {"resync": True, "cursor": 40}}
    events = client.events()
    await peer.push(41, logged=False)
    resync, new = await anext(events), await anext(events)
    assert (resync, new.seq, client.cursor) == (Resync(cursor=40), 41, 41)


async def test_without_a_cursor_the_first_push_is_where_it_starts(peer: Peer) -> None:
    peer.log = [message(seq) for seq in range(1, 8)]

    async def answer(event: str, data: Any) -> Any:
        await peer.push(8)
        return peer._usual(event, data)

    peer.answers["user/me"] = answer
    client = Client(peer.url, token="t")
    events = client.events(MessageNew)
    async with client:
        assert await seqs(events, 1) == [8]


async def test_who_one_is_is_known_before_the_first_push_is_handed_on(peer: Peer) -> None:
    peer.log = [message(1)]
    heard: list[int | None] = []
    client = Client(peer.url, token="t", cursor=0)

    async def later(event: str, data: Any) -> Any:
        await asyncio.sleep(0.05)
        return peer._usual(event, data)

    @client.on(MessageNew)
    async def hear(event: MessageNew) -> None:
        heard.append(client.id)
        event.reply("may be posted")

    peer.answers |= {"user/me": later, "message/send": {"code": 200, "data": {"seq": 2, "sent_at": AT}}}
    async with client:
        await until(lambda: peer.count("message/send"))
    assert heard == [1]


async def test_ephemeral_unknown_and_broken_pushes_pass_through_in_order(client: Client, peer: Peer) -> None:
    events = client.events()
    await peer.emit("message/typing", {"user_id": 2})
    await peer.emit("void", {"seq": 1, "at": AT})
    await peer.emit("new/thing", {"seq": 2, "at": AT, "x": 1})
    await peer.emit("message/new", {"seq": 3, "at": AT, "user_id": "nobody"})
    await peer.emit("void", ["nonsense"])
    await peer.emit("settings/changed", {"seq": 4, "at": AT, "mail_on": True})
    got = [await anext(events) for _ in range(6)]
    assert [event.seq for event in got] == [None, 1, 2, 3, None, 4]
    assert isinstance(got[1], Void) and got[2] == Unknown(event="new/thing", data={"seq": 2, "at": AT, "x": 1}, seq=2)
    assert [type(event) for event in got[3:5]] == [Unknown, Unknown]
    assert got[5] == SettingsChanged(seq=4, at=got[1].at, settings=Settings(mail_on=True))


async def test_after_an_outage_the_log_is_read_without_another_wait(peer: Peer) -> None:
    """However often reading it has failed meanwhile: each try has waited for the connection already."""
    delays: list[float] = []

    async def wait(seconds: float) -> None:
        delays.append(seconds)

    async with Client(peer.url, token="t", cursor=0, timeout=0.1, wait=wait) as client:
        events = client.events(MessageNew)
        await until(lambda: peer.count("sync") == 1)
        peer.answers["sync"] = SILENCE
        await peer.push(2, logged=False)
        await until(lambda: peer.count("sync") >= 4)
        peer.log = [message(1), message(2)]
        del peer.answers["sync"]
        assert await seqs(events, 2) == [1, 2]
    assert delays == []


# Presence


def standing(**online: bool | None) -> dict[str, Any]:
    shown = {user_id.strip("_"): {"online": here, "last_seen": None} for user_id, here in online.items()}
    return {"code": 200, "data": {"presence": shown}}


async def test_who_is_watched_is_watched_again_and_what_changed_meanwhile_is_told(client: Client, peer: Peer) -> None:
    peer.answers["presence/watch"] = [standing(_2=True, _3=False, _4=None), standing(_2=True, _3=True, _4=None)]
    events = client.events(Presence)
    assert (await client.presence.watch([2, 3, 4]))[3].online is False
    await peer.drop()
    event = await anext(events)
    assert (event.user_id, event.online) == (3, True)
    peer.answers["presence/watch"] = [refused("unavailable", 503, retry_after=1), standing(_2=True, _3=True, _4=None)]
    await peer.emit("presence", {"user_id": 2, "online": False, "last_seen": None})
    assert (await anext(events)).user_id == 2
    await peer.drop()
    event = await anext(events)
    assert (event.user_id, event.online) == (2, True)
    watches = [data["user_ids"] for event, data in peer.seen if event == "presence/watch"]
    assert watches == [[2, 3, 4]] * 4


async def test_others_who_are_asked_for_during_an_outage_are_watched_after_it(client: Client, peer: Peer) -> None:
    peer.answers["presence/watch"] = [standing(_2=True), SILENCE, standing(_3=True)]
    await client.presence.watch([2])
    asking = asyncio.create_task(client.presence.watch([3]))
    await until(lambda: peer.count("presence/watch") == 2)
    await peer.drop()
    assert (await asking)[3].online
    await until(lambda: peer.count("sync") == 2)
    await client.profile.me()
    watches = [data["user_ids"] for event, data in peer.seen if event == "presence/watch"]
    assert watches == [[2], [3], [3]]


async def test_whoever_logs_out_or_watches_nobody_watches_nobody_after_a_loss(client: Client, peer: Peer) -> None:
    peer.answers["presence/watch"] = [standing(_2=True), standing(), standing(_2=True)]
    await client.presence.watch([2])
    await client.presence.watch([])
    await peer.drop()
    await until(lambda: peer.count("sync") == 2)
    await client.presence.watch([2])
    await client.session.logout()
    await client.connect()
    await client.session.login("alice", "secret")
    await client.profile.me()
    assert peer.count("presence/watch") == 3


# Lists


async def test_lists_are_read_to_their_end(client: Client, peer: Peer) -> None:
    for event, items, everything in [
        ("user/likes", "likes", client.relation.all_likes()),
        ("user/blocks", "blocks", client.relation.all_blocks()),
        ("user/connections", "connections", client.relation.all_connections()),
        ("user/history", "visits", client.visit.all()),
        ("notifications/list", "notifications", client.notification.all()),
        ("research", "users", client.research.all(age_min=30)),
    ]:
        user = {"user_id": 2, "login": "bob", "first_name": "Bob"}
        item = user | {
            "user": user, "kind": "like", "liked_at": AT, "blocked_at": AT, "connected_at": AT, "visited_at": AT,
            "seq": 1, "at": AT,
        }  # fmt: skip
        pages = [([item, item], "c1"), ([], "c2"), ([item], None)]
        peer.answers[event] = [
            {"code": 200, "data": {items: page, "cursor": cursor, "unread": 0}} for page, cursor in pages
        ]
        assert len([item async for item in everything]) == 3, event
        asked = [data for name, data in peer.seen if name == event]
        assert [data.get("cursor") for data in asked] == [None, "c1", "c2"]
        assert len({data.get("age_min") for data in asked}) == 1


# Handlers and waiting


async def test_handlers_run_one_after_the_other_and_one_that_fails_stops_nothing(
    client: Client, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, int | None]] = []

    @client.on(MessageNew)
    async def fail(event: MessageNew) -> None:
        heard.append(("fail", event.seq))
        raise RuntimeError("oops")

    @client.on(MessageNew)
    async def slow(event: MessageNew) -> None:
        await asyncio.sleep(0.01)
        heard.append(("slow", event.seq))

    with caplog.at_level(logging.ERROR, "client_sdk"):
        await peer.push(1, 2)
        await until(lambda: len(heard) == 4)
    assert heard == [("fail", 1), ("slow", 1), ("fail", 2), ("slow", 2)]
    assert "oops" in caplog.text


async def test_a_handler_may_reply_and_wait_for_more(client: Client, peer: Peer) -> None:
    peer.answers["message/send"] = {"code": 200, "data": {"seq": 1, "sent_at": AT}}
    done = asyncio.Event()

    @client.on(MessageNew)
    async def ask(event: MessageNew) -> None:
        if event.seq == 1:
            more = client.wait_for(MessageNew)
            await event.read()
            await event.typing()
            await event.reply("and?")
            assert (await more).seq == 2
            done.set()

    await peer.push(1)
    await until(lambda: peer.count("message/send") == 1)
    await peer.push(2)
    async with asyncio.timeout(2):
        await done.wait()
    said = [(name, data) for name, data in peer.seen if name.startswith("message/")]
    assert said[:2] == [("message/read", {"target_user_id": 2, "seq": 1}), ("message/typing", {"target_user_id": 2})]
    assert (said[2][1]["target_user_id"], said[2][1]["message"]) == (2, "and?")


async def test_wait_for_sees_what_comes_before_it_is_awaited_but_not_what_was_before(
    client: Client, peer: Peer
) -> None:
    async with client.expecting(MessageNew) as got:
        await peer.push(1)
    await got
    second = client.wait_for(MessageNew, lambda event: event.seq != 3)
    await peer.push(2, 3)
    await until(lambda: client.cursor == 3)
    assert (await second).seq == 2
    with pytest.raises(TimeoutError, match="MessageNew"):
        await client.wait_for(MessageNew, timeout=0.05)


async def test_a_handler_may_close_the_client(client: Client, peer: Peer) -> None:
    @client.on(MessageNew)
    async def stop(event: MessageNew) -> None:
        await client.close()

    await peer.push(1)
    async with asyncio.timeout(3):
        await client.wait_closed()
    with pytest.raises(ConnectionLost):
        await client.call("a")


async def test_closing_cancels_what_handlers_wait_for_and_that_is_no_failure(
    client: Client, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answers |= {"message/send": SILENCE, "message/read": SILENCE}

    @client.on(MessageNew)
    async def answer(event: MessageNew) -> None:
        await (event.read() if event.seq == 1 else event.reply("yes"))

    for seq, called in (1, "message/read"), (2, "message/send"):
        await peer.push(seq)
        await until(lambda called=called: peer.count(called))
        await client.close()
        await client.connect()
    assert not [record for record in caplog.records if record.name == "client_sdk"]


# Coming back


@pytest.mark.parametrize(("goodbye", "expected"), [
    (None, 1.0),
    ({"reason": "draining", "retry_after": 3}, 8.0),
    ({"reason": "slow", "retry_after": None}, 1.0),
])  # fmt: skip
async def test_the_first_try_comes_soon_and_later_ones_ever_later(
    peer: Peer, goodbye: dict[str, Any] | None, expected: float
) -> None:
    delays: list[float] = []

    async def wait(seconds: float) -> None:
        delays.append(seconds)

    async with Client(peer.url, token="t", cursor=0, wait=wait, random=lambda: 1.0) as client:
        await client.profile.me()
        peer.refusals = [refused("rate_limited", 429, retry_after=2), refused("unavailable", 503)]
        if goodbye:
            async with client.expecting(Goodbye) as got:
                await peer.emit("goodbye", goodbye)
                await got
        await peer.drop()
        await until(lambda: len(delays) == 3)
        await client.profile.me()
    window = expected - ((goodbye or {}).get("retry_after") or 0)
    assert delays == [expected, 2 + 2 * window, 4 * window]


async def test_after_a_planned_stop_a_crowd_spreads_over_five_seconds(peer: Peer) -> None:
    """Also of clients that have not called anything yet, whose connection might else look like a bad one."""
    delays: list[float] = []

    async def wait(seconds: float) -> None:
        delays.append(seconds)

    for share in (0.0, 0.5, 1.0):
        async with Client(peer.url, wait=wait, random=lambda share=share: share) as client:
            async with client.expecting(Goodbye) as got:
                await peer.emit("goodbye", {"reason": "draining", "retry_after": 1})
                await got
            await peer.drop()
            await client.insist("tags", prefix="a")
    assert delays == [1.0, 3.5, 6.0]


@pytest.mark.parametrize("nonsense", ["soon", -5, float("inf"), [], {}])
async def test_a_goodbye_that_makes_no_sense_is_no_reason_to_stay_away(peer: Peer, nonsense: Any) -> None:
    async with Client(peer.url, token="t", cursor=0, wait=at_once) as client:
        await peer.emit("goodbye", {"reason": nonsense, "retry_after": nonsense})
        await peer.drop()
        await client.profile.me()


async def test_delays_double_up_to_a_minute_and_are_all_jitter() -> None:
    longest, shortest = Backoff(lambda: 1.0), Backoff(lambda: 0.0)
    for _ in range(10):
        longest.fail()
        shortest.fail()
    assert (longest.delay(), shortest.delay()) == (60.0, 0.0)
    longest.start()
    assert longest.delay() == 1.0


async def test_a_restarted_server_is_found_again(client: Client, peer: Peer) -> None:
    port = int(peer.url.rsplit(":", 1)[1])
    events = client.events(MessageNew)
    await peer.stop()
    restarted = Peer()
    restarted.log = [message(1), message(2)]
    await restarted.start(port)
    assert await seqs(events, 2) == [1, 2]
    await restarted.stop()


# A bot


async def test_the_example_bot_echoes_and_ends_cleanly_on_ctrl_c(peer: Peer) -> None:
    peer.answers["message/send"] = {"code": 200, "data": {"seq": 1, "sent_at": AT}}
    environ = {"MATCHA_URL": peer.url, "MATCHA_TOKEN": "t"}
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "client_sdk.examples.echo_bot", cwd=ROOT, env=environ, stderr=PIPE
    )
    await until(lambda: peer.count("user/me") == 1)
    await peer.push(1)
    await until(lambda: peer.count("message/send") == 1)
    bot.send_signal(signal.SIGINT)
    _, errors = await bot.communicate()
    assert (bot.returncode, errors) == (0, b"")
    assert peer.seen[-1][1] | {"random_id": 0} == {"target_user_id": 2, "message": "hi", "random_id": 0}


# The terminal


class Terminal:
    """`python -m client_sdk …` with pipes."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *arguments: str, password: str | None = "secret") -> "Terminal":
        environ = {"MATCHA_PASSWORD": password} if password else {}
        command = sys.executable, "-m", "client_sdk", *arguments
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        return cls(process)

    def type(self, *lines: str) -> None:
        assert self._process.stdin
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    async def read(self) -> str:
        assert self._process.stdout
        async with asyncio.timeout(10):
            return (await self._process.stdout.readline()).decode().rstrip()

    async def end(self) -> tuple[int, str, str]:
        """Return the exit code, and what was left of its output and its errors."""
        async with asyncio.timeout(10):
            out, errors = await self._process.communicate(b"")
        return await self._process.wait(), out.decode(), errors.decode()


def connections(*logins: str) -> dict[str, Any]:
    users = [{"user_id": 2, "login": login, "first_name": login.title()} for login in logins]
    return {"code": 200, "data": {"connections": [{"user": user, "connected_at": AT} for user in users]}}


async def test_two_people_chat_in_the_terminal_once_both_want_to(peer: Peer) -> None:
    peer.answers |= {
        "user/connections": [connections("carol"), connections("bob")],
        "user/connect": {"code": 200, "data": {"state": "requested"}},
        "message/history": {"code": 200, "data": {"messages": [message(1)["message"]], "my_read_seq": 0}},
        "message/send": {"code": 200, "data": {"seq": 3, "sent_at": AT}},
    }
    chat = await Terminal.start("chat", "--url", peer.url, "--login", "alice", "--with", "bob")
    assert "Waiting until bob" in await chat.read()
    chat.type("hello bob", "")
    await peer.emit("connection", {"seq": 1, "at": AT, "user_id": 2, "state": "connected"})
    assert (await chat.read()).endswith("bob: hi")
    assert "Connected with bob" in await chat.read()
    said = message(2, "\x1b[2Jhow are you?")
    await peer.emit("message/new", said)
    assert (await chat.read()).endswith("bob: \ufffd[2Jhow are you?")
    await until(lambda: peer.count("message/send") == 1 and peer.count("message/read") == 2)
    chat.type("/quit")
    assert await chat.end() == (0, "", "")
    assert next(data["message"] for event, data in peer.seen if event == "message/send") == "hello bob"


@pytest.mark.parametrize("end", [[], ["/quit", "four"]])
async def test_lines_from_a_pipe_are_all_sent_before_its_end(peer: Peer, end: list[str]) -> None:
    peer.answers |= {
        "user/connections": connections("bob"),
        "message/history": {"code": 200, "data": {"messages": [], "my_read_seq": 0}},
        "message/send": {"code": 200, "data": {"seq": 3, "sent_at": AT}},
    }
    chat = await Terminal.start("chat", "--url", peer.url, "--login", "alice", "--with", "Bob")
    chat.type("one", "two", "three", *end)
    code, _, errors = await chat.end()
    assert (code, errors) == (0, "")
    assert [data["message"] for event, data in peer.seen if event == "message/send"] == ["one", "two", "three"]


async def test_a_wait_for_the_other_person_can_be_given_up(peer: Peer) -> None:
    peer.answers |= {
        "user/connections": connections(),
        "user/connect": {"code": 200, "data": {"state": "requested"}},
    }
    chat = await Terminal.start("chat", "--url", peer.url, "--login", "alice", "--with", "bob")
    assert "Waiting" in await chat.read()
    chat.type("/quit")
    assert await chat.end() == (0, "", "")


async def test_registering_and_verifying_from_the_terminal(peer: Peer) -> None:
    peer.answers["user/registr"] = peer.answers["user/verification"] = {"code": 200, "data": {"user_id": 1}}
    names = "--first-name", "Alice", "--last-name", "A"
    register = await Terminal.start(
        "register", "--url", peer.url, "--login", "alice", "--mail", "a@example.org", *names
    )
    code, out, _ = await register.end()
    assert (code, "Registered as alice" in out) == (0, True)
    verify = await Terminal.start("verify", f"{peer.url}/verify#ver_id=v1&login=alice", password=None)
    code, out, _ = await verify.end()
    assert (code, "confirmed" in out) == (0, True)
    assert peer.seen[-1] == ("user/verification", {"ver_id": "v1", "login": "alice"})


@pytest.mark.parametrize(("answer", "arguments", "code", "sentence"), [
    (refused("invalid_credentials"), ["chat", "--login", "a", "--with", "b"], 1, "invalid_credentials"),
    (refused("invalid_link"), ["verify", "http://x/verify#ver_id=1&login=a"], 1, "invalid_link"),
    (None, ["verify", "http://x/"], 2, "it does not look like"),
    (None, ["chat", "--login", "a"], 2, "--with"),
    (None, ["chat", "--login", "a", "--with", "b", "--url", "http://127.0.0.1:1"], 1, "Cannot connect"),
])  # fmt: skip
async def test_the_terminal_says_what_is_wrong_without_a_traceback(
    peer: Peer, answer: Any, arguments: list[str], code: int, sentence: str
) -> None:
    peer.answers["user/login"] = peer.answers["user/verification"] = answer
    url = [] if "--url" in arguments else ["--url", peer.url]
    ended, _, errors = await (await Terminal.start(*arguments, *url)).end()
    assert (ended, sentence in errors, "Traceback" in errors) == (code, True, False), errors


async def test_without_a_terminal_the_password_comes_from_the_environment(peer: Peer) -> None:
    chat = await Terminal.start("chat", "--url", peer.url, "--login", "a", "--with", "b", password=None)
    code, _, errors = await chat.end()
    assert (code, "MATCHA_PASSWORD" in errors) == (1, True)


# With the real server


@pytest.mark.usefixtures("connected")
async def test_a_bot_answers_whoever_writes(alice: Person, bob: Person) -> None:
    @bob.on(MessageNew)
    async def greet(event: MessageNew) -> None:
        if event.message.message == "hello":
            await event.reply("Hi! How was your day?")

    async with alice.expecting(MessageNew, lambda event: event.message.from_user_id == bob.id) as got:
        await alice.message.send(bob.id, "hello")
        assert (await got).message.message == "Hi! How was your day?"


@pytest.mark.usefixtures("connected")
async def test_a_client_that_was_away_sees_everything_once_and_in_order(alice: Person, bob: Person) -> None:
    for number in range(5):
        await alice.message.send(bob.id, str(number))
    away = Client(bob.url, token=bob.token, cursor=0)
    events = away.events()
    async with away:
        live = await alice.message.send(bob.id, "live")
        told: list[Push] = []
        async with asyncio.timeout(5):
            while not (told and isinstance(told[-1], MessageNew) and told[-1].message.seq == live.seq):
                told.append(await anext(events))
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    assert [event.message.message for event in told if isinstance(event, MessageNew)] == [*"01234", "live"]


@pytest.mark.usefixtures("connected")
async def test_a_terminal_talks_with_someone_else(alice: Person, bob: Person) -> None:
    chat = await Terminal.start(
        "chat", "--url", alice.url, "--login", alice.login, "--with", bob.login, password=alice.password
    )
    assert "Connected" in await chat.read()
    async with bob.expecting(MessageNew) as got:
        chat.type("привет")
        event = await got
    assert event.message.message == "привет"
    await event.reply("hello")
    assert (await chat.read()).endswith(f"{bob.login}: hello")
    chat.type("/quit")
    assert await chat.end() == (0, "", "")


# Alone


_ALONE = """
import sys, client_sdk, client_sdk.__main__
assert not {"server", "handlers", "sql", "pydantic"} & set(sys.modules)
"""


async def test_the_client_imports_nothing_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "client_sdk").symlink_to(Path(client_sdk.__file__).parent)
    for name in "server", "handlers", "sql":
        (tmp_path / f"{name}.py").write_text("raise ImportError('the client stands alone')")
    python = await asyncio.create_subprocess_exec(sys.executable, "-c", _ALONE, cwd=tmp_path)
    assert await python.wait() == 0

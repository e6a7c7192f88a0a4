"""Notifications: once for each kind and person until it is read, at once on every device, of nobody who is gone."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import pytest
from redis.asyncio import Redis

from client_sdk import (
    Client,
    InvalidPayload,
    NotFound,
    Notification,
    NotificationsRead,
    PhotoRequired,
    RateLimited,
)
from handlers import notices
from server.app import SERVICES
from server.context import Context
from server.wire.pushes import Notice
from tests.ground.accounts import State, set_state
from tests.ground.recorders import SqlRecorder

LIMITED = {"scale": 1, "registrations": 100, "mails_address": 100}


class Scene(NamedTuple):
    """Alice acts, Bob is told."""

    server: Any
    alice: Any
    bob: Any


async def like(scene: Scene) -> None:
    await scene.alice.relation.unlike(scene.bob.id)
    await scene.alice.relation.like(scene.bob.id)


async def request(scene: Scene) -> None:
    await scene.alice.relation.unlike(scene.bob.id)
    await scene.alice.relation.connect("bob")


async def match(scene: Scene) -> None:
    await scene.bob.relation.like(scene.alice.id)
    await like(scene)


async def visit(scene: Scene) -> None:
    scene.server.clock.advance(3601)
    await scene.alice.profile.get(scene.bob.id)


async def nudge(scene: Scene) -> None:
    await scene.alice.notification.nudge(scene.bob.id)


async def message(scene: Scene) -> None:
    for one, other in ((scene.alice, scene.bob), (scene.bob, scene.alice)):
        await one.relation.like(other.id)
    await scene.alice.message.send(scene.bob.id, "hello")


async def unlike(scene: Scene) -> None:
    for one, other in ((scene.alice, scene.bob), (scene.bob, scene.alice)):
        await one.relation.like(other.id)
    await scene.alice.relation.unlike(scene.bob.id)


async def moderation(scene: Scene) -> None:
    services = scene.server.app[SERVICES]
    await services.transact(lambda tx: notices.tell(Context(tx, services), scene.bob.id, Notice.MODERATION))


Act = Callable[[Scene], Awaitable[None]]
COUNTED: list[Act] = [visit, nudge, message, unlike, moderation]
"""What may happen again while it is unread."""
TAKEN_BACK: list[Act] = [like, request, match]
"""What must be undone before it can happen again, so that what was told of it is gone."""


@pytest.fixture
def scene(server: Any, alice: Any, bob: Any) -> Scene:
    return Scene(server, alice, bob)


async def caused(act: Act, scene: Scene) -> Notification:
    """Return what Bob is told of an act, at once."""
    kind = act.__name__
    async with scene.bob.expecting(Notification, lambda told: told.kind == kind, timeout=1.0) as told:
        await act(scene)
        return await told


async def told(person: Any, kind: str) -> int:
    """Return how often somebody was told of a kind so far."""
    log = await person.sync.since(0)
    return len([event for event in log if event.event == "notification" and event.data["kind"] == kind])


async def entry(person: Any, kind: str) -> Any:
    """Return the one notification of a kind."""
    [found] = [notice for notice in await person.notification.list() if notice.kind == kind]
    return found


async def unread(person: Any) -> int:
    """Return how many notifications wait, after making sure that everything says the same."""
    listed = await person.notification.list(limit=50)
    waiting = len([notice for notice in listed if not notice.read])
    assert waiting == listed.unread == (await person.profile.me()).unread.notifications
    return waiting


# -- the eight kinds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", COUNTED, ids=lambda act: act.__name__)
async def test_a_kind_is_told_once_until_it_is_read_and_counts_up_meanwhile(scene, act):
    kind = act.__name__
    first = await caused(act, scene)
    someone = None if kind == "moderation" else scene.alice.id
    assert (first.count, first.user and first.user.user_id) == (1, someone)
    before = await entry(scene.bob, kind)
    assert (before.seq, before.count, before.read) == (first.seq, 1, False)
    assert (before.user and before.user.user_id) == someone
    scene.server.clock.advance(1)
    await act(scene)
    counted = await entry(scene.bob, kind)
    assert (counted.seq, counted.count, counted.read) == (first.seq, 2, False)
    assert counted.at > before.at
    assert await told(scene.bob, kind) == 1, "the row is updated, and nobody is disturbed"
    assert await scene.bob.notification.read((await scene.bob.profile.me()).cursor) == 0 == await unread(scene.bob)
    assert (await entry(scene.bob, kind)).read
    again = await caused(act, scene)
    assert (again.count, again.seq > first.seq) == (1, True)
    renewed = await entry(scene.bob, kind)
    assert (renewed.seq, renewed.count, renewed.read) == (again.seq, 1, False)


@pytest.mark.parametrize("act", TAKEN_BACK, ids=lambda act: act.__name__)
async def test_what_is_taken_back_is_gone_and_is_told_anew_when_it_comes_again(scene, act):
    kind = act.__name__
    first = await caused(act, scene)
    assert (first.count, first.user.user_id) == (1, scene.alice.id)
    listed = await entry(scene.bob, kind)
    assert (listed.seq, listed.count, listed.read, listed.user.user_id) == (first.seq, 1, False, scene.alice.id)
    repeat = scene.alice.relation.connect("bob") if act is request else scene.alice.relation.like(scene.bob.id)
    await repeat
    assert await told(scene.bob, kind) == 1
    assert (await entry(scene.bob, kind)).count == 1
    await scene.alice.relation.unlike(scene.bob.id)
    assert kind not in [notice.kind for notice in await scene.bob.notification.list()]
    await unread(scene.bob)
    renewed = await caused(act, scene)
    assert (renewed.count, renewed.seq > first.seq) == (1, True)
    await scene.bob.notification.read(renewed.seq)
    assert await unread(scene.bob) == 0
    assert (await caused(act, scene)).seq > renewed.seq


async def test_a_mutual_like_tells_both_of_the_match_and_of_no_further_like(scene):
    await scene.bob.relation.like(scene.alice.id)
    async with scene.alice.expecting(Notification, lambda told: told.kind == "match") as hers:
        await caused(match, scene)
        assert (await hers).user.login == "bob"
    assert [await told(scene.alice, kind) for kind in ("like", "match")] == [1, 1]
    assert [await told(scene.bob, kind) for kind in ("like", "match")] == [0, 1]


async def test_after_i_took_my_like_back_the_others_tries_make_no_noise_until_i_like_again(scene):
    await scene.bob.relation.unlike(scene.alice.id)
    for act in (like, request, visit, nudge):
        await act(scene)
    assert len(await scene.bob.notification.list()) == 0
    assert (await scene.bob.sync.since(0)).events == ()
    await scene.alice.relation.unlike(scene.bob.id)
    await scene.bob.relation.like(scene.alice.id)
    for act in (visit, nudge):
        assert (await caused(act, scene)).count == 1


# -- nudges ------------------------------------------------------------------------------------------------------------


async def test_a_nudge_that_is_repeated_arrives_once(scene):
    for _ in range(3):
        await scene.alice.notification.nudge(scene.bob.id, random_id=7)
    assert (await entry(scene.bob, "nudge")).count == 1
    await scene.alice.notification.nudge(scene.bob.id, random_id=8)
    assert (await entry(scene.bob, "nudge")).count == 2
    await scene.bob.notification.nudge(scene.alice.id, random_id=7)
    assert (await entry(scene.alice, "nudge")).count == 1, "each has numbers of their own"


async def test_nobody_nudges_oneself_or_somebody_who_is_not_there(scene, carol):
    with pytest.raises(InvalidPayload) as refused:
        await scene.alice.notification.nudge(scene.alice.id)
    assert set(refused.value.fields) == {"user_id"}
    await scene.bob.relation.block(scene.alice.id)
    await set_state(scene.server, carol, State.BANNED)
    for target in (2**52, scene.bob.id, carol.id):
        with pytest.raises(NotFound):
            await scene.alice.notification.nudge(target)
    assert len(await scene.bob.notification.list()) == 0


async def test_a_nudge_needs_a_photo_of_ones_own(people, bob):
    plain = await people("plain", photo=False)
    with pytest.raises(NotFound):
        await plain.notification.nudge(2**52)
    with pytest.raises(PhotoRequired):
        await plain.notification.nudge(bob.id)
    assert len(await bob.notification.list()) == 0


@pytest.mark.config(limits=LIMITED)
async def test_one_nudge_a_day_and_person_and_a_repeat_costs_nothing(scene, carol):
    await scene.alice.notification.nudge(scene.bob.id, random_id=7)
    with pytest.raises(RateLimited) as refused:
        await scene.alice.notification.nudge(scene.bob.id, random_id=8)
    assert 0 < refused.value.retry_after <= 86_400
    await scene.alice.notification.nudge(scene.bob.id, random_id=7)
    await scene.alice.notification.nudge(carol.id)
    assert (await entry(scene.bob, "nudge")).count == 1
    scene.server.clock.advance(refused.value.retry_after)
    await scene.alice.notification.nudge(scene.bob.id, random_id=8)
    assert (await entry(scene.bob, "nudge")).count == 2


@pytest.mark.config(limits=LIMITED | {"nudges_day": 1})
async def test_nudges_are_few_a_day(scene, carol):
    await scene.alice.notification.nudge(scene.bob.id, random_id=7)
    with pytest.raises(RateLimited):
        await scene.alice.notification.nudge(carol.id)
    await scene.alice.notification.nudge(scene.bob.id, random_id=7)
    assert len(await carol.notification.list()) == 0


async def test_a_nudge_can_be_sent_by_either_method_of_http_where_user_id_is_the_receiver(scene):
    headers = {"Authorization": f"Bearer {scene.alice.token}"}
    async with aiohttp.ClientSession(scene.server.url, headers=headers) as http:
        fields = {"user_id": scene.bob.id, "random_id": -7}
        async with http.get("/api/notifications", params=fields) as response:
            assert await response.json() == {"code": 200, "data": {}}
        async with http.post("/api/notifications/", json=fields | {"random_id": 8}) as response:
            assert await response.json() == {"code": 200, "data": {}}
    assert (await entry(scene.bob, "nudge")).count == 2


# -- the list ----------------------------------------------------------------------------------------------------------


async def test_the_list_is_newest_first_page_by_page(people, bob):
    senders = [await people(f"sender{number}") for number in range(5)]
    for sender in senders:
        await sender.notification.nudge(bob.id)
    await senders[0].notification.nudge(bob.id)
    seen, cursor = [], None
    while True:
        page = await bob.notification.list(limit=2, cursor=cursor)
        assert page.unread == 5
        seen += [(notice.user.login, notice.count) for notice in page]
        if not (cursor := page.cursor):
            break
    assert seen == [("sender4", 1), ("sender3", 1), ("sender2", 1), ("sender1", 1), ("sender0", 2)]


async def test_a_made_up_or_foreign_cursor_is_refused(people, alice, bob, carol):
    for sender in (alice, carol):
        await sender.notification.nudge(bob.id)
    cursor = (await bob.notification.list(limit=1)).cursor
    for refused in (bob.notification.list(cursor="x"), alice.notification.list(cursor=cursor)):
        with pytest.raises(InvalidPayload):
            await refused


async def test_reading_goes_up_to_a_number_and_other_devices_learn_of_it_once(scene, carol):
    first = await caused(nudge, scene)
    await carol.notification.nudge(scene.bob.id)
    async with Client(scene.server.url, token=scene.bob.token) as device:
        async with device.expecting(NotificationsRead) as got:
            assert await scene.bob.notification.read(first.seq) == 1
            learned = await got
        assert (learned.up_to, learned.unread) == (first.seq, 1)
        assert [(notice.user.login, notice.read) for notice in await device.notification.list()] == [
            ("carol", False),
            ("alice", True),
        ]
        for seq in (0, first.seq - 1, first.seq):
            assert await scene.bob.notification.read(seq) == 1
        async with device.expecting(NotificationsRead) as got:
            assert await scene.bob.notification.read(2**53 - 1) == 0
            last = await got
    newest = max(notice.seq for notice in await scene.bob.notification.list())
    assert (last.up_to, last.unread) == (newest, 0), "what comes later is not read yet"
    assert last.seq == learned.seq + 1, "what changed nothing was not told"


async def test_what_another_has_cannot_be_read_or_marked(scene, carol):
    await nudge(scene)
    assert await carol.notification.read(2**52) == 0
    assert len(await carol.notification.list()) == 0
    assert await unread(scene.bob) == 1


# -- messages ----------------------------------------------------------------------------------------------------------


async def test_reading_a_conversation_to_its_end_reads_its_notification(connected):
    alice, bob = connected
    for number in range(3):
        await alice.message.send(bob.id, f"{number}")
    assert (await entry(bob, "message")).count == 3
    before = await unread(bob)
    await bob.message.send(alice.id, "wait")
    await bob.message.read(alice.id, 2)
    assert not (await entry(bob, "message")).read, "one of them is still to be read"
    await bob.message.read(alice.id, 3)
    assert (await entry(bob, "message")).read, "what is left is one's own"
    assert await unread(bob) == before - 1
    assert (await bob.profile.me()).unread.messages == 0


async def test_a_message_more_costs_one_statement_more_while_it_waits_unread(connected):
    def written(recorder: SqlRecorder) -> list[str]:
        texts = [sql for sql, *_ in recorder.statements if not sql.startswith("SELECT")]
        return [sql for sql in texts if "`notification`" in sql or "`reminder`" in sql]

    alice, bob = connected
    with SqlRecorder() as first:
        await alice.message.send(bob.id, "one")
    with SqlRecorder() as second:
        await alice.message.send(bob.id, "two")
    assert (len(written(first)), len(written(second))) == (3, 1)


# -- who is gone -------------------------------------------------------------------------------------------------------


async def test_a_block_takes_away_what_was_told_and_the_counter_drops_at_once(scene, carol, start_server):
    other = await start_server()
    async with Client(other.url, token=scene.bob.token) as device:
        await carol.notification.nudge(scene.bob.id)
        for act in (nudge, visit, match):
            await act(scene)
        await scene.alice.message.send(scene.bob.id, "hello")
        assert await unread(scene.bob) == await unread(device) == 5
        await scene.alice.relation.block(scene.bob.id)
        assert await unread(scene.bob) == await unread(device) == 1
        assert (await device.profile.me()).unread.messages == 0
        assert [notice.user.login for notice in await device.notification.list()] == ["carol"]
        events = [event for event in await device.sync.since(0) if event.event not in ("void", "connection")]
        assert [event.data["user"]["login"] for event in events if event.event == "notification"] == ["carol"]
        assert "alice" not in str(events) and str(scene.alice.id) not in str(events)


async def test_what_a_block_would_have_left_behind_is_not_shown_either(scene):
    await nudge(scene)
    await scene.server.database.fetch("UPDATE pair SET low_blocked_at = %s", scene.server.clock.now())
    assert len(await scene.bob.notification.list()) == 0 == await unread(scene.bob)
    assert [event.event for event in await scene.bob.sync.since(0)] == ["void"]


@pytest.mark.parametrize("state", State)
async def test_who_is_banned_or_deleted_is_neither_listed_nor_counted(scene, carol, state):
    await carol.notification.nudge(scene.bob.id)
    await message(scene)
    await set_state(scene.server, scene.alice, state)
    assert [notice.user.login for notice in await scene.bob.notification.list()] == ["carol"]
    assert await unread(scene.bob) == 1
    assert (await scene.bob.profile.me()).unread.messages == 0
    assert await scene.bob.notification.read((await entry(scene.bob, "nudge")).seq) == 0
    cursor = (await scene.bob.profile.me()).cursor
    assert await scene.bob.notification.read(2**52) == 0
    assert (await scene.bob.profile.me()).cursor == cursor, "what cannot be seen cannot be read"
    told = [event for event in await scene.bob.sync.since(0) if event.event == "notification"]
    assert [event.data["user"]["login"] for event in told] == ["carol"]


@pytest.mark.parametrize("end", ["block", "unlike", "deletion"])
async def test_nothing_that_was_pending_is_delivered_after_the_end(scene, end):
    """R81: what was told while somebody was away, and is no longer so when they come back, never reaches them."""
    await scene.bob.relation.like(scene.alice.id)
    token, cursor = scene.bob.token, scene.bob.cursor
    await scene.bob.close()
    await scene.alice.relation.like(scene.bob.id)
    await scene.alice.message.send(scene.bob.id, "hello")
    if end == "deletion":
        await set_state(scene.server, scene.alice, State.DELETED)
    else:
        await getattr(scene.alice.relation, end)(scene.bob.id)
    async with Client(scene.server.url, token=token, cursor=cursor) as back:
        events = back.events()
        newest = (await back.profile.me()).cursor
        delivered = []
        async for event in events:
            delivered.append(event)
            if event.seq == newest:
                break
    told = [event.kind for event in delivered if isinstance(event, Notification)]
    assert told == (["unlike"] if end == "unlike" else [])
    if end != "unlike":
        assert "hello" not in str(delivered) and "Alice" not in str(delivered)


# -- counters ----------------------------------------------------------------------------------------------------------


async def test_what_was_counted_is_kept_and_counted_anew_when_something_changes(scene):
    def counts(recorder: SqlRecorder) -> int:
        return len([sql for sql, *_ in recorder.statements if "COUNT(*)" in sql or "SUM(`unread`)" in sql])

    await nudge(scene)
    with SqlRecorder() as recorder:
        assert await unread(scene.bob) == 1
    assert counts(recorder) == 2, "once, for list and profile"
    await like(scene)
    with SqlRecorder() as recorder:
        assert await unread(scene.bob) == 2
    assert counts(recorder) == 2
    async with Redis.from_url(scene.server.redis_url) as redis:
        await redis.flushall()
    with SqlRecorder() as recorder:
        assert await unread(scene.bob) == 2
    assert counts(recorder) == 2


async def test_counters_are_right_while_redis_is_down_and_when_it_comes_back(scene, carol, start_server):
    await carol.notification.nudge(scene.bob.id)
    await message(scene)
    assert await unread(scene.bob) == 4, "a nudge, a like, a match, a message"
    async with scene.server.redis_down():
        await nudge(scene)
        assert await unread(scene.bob) == 5
        await scene.bob.notification.read(2**52)
        await visit(scene)
        assert await unread(scene.bob) == 1
    other = await start_server()  # which has not learned that Redis was away
    async with Client(other.url, token=scene.bob.token) as device:
        assert await unread(device) == 1
        assert (await device.profile.me()).unread.messages == 1


async def test_what_was_taken_back_while_redis_was_down_is_not_counted_by_what_redis_still_has(scene, start_server):
    """A block of somebody who is not connected moves nothing in the log of the other."""
    await nudge(scene)
    assert await unread(scene.bob) == 1
    async with scene.server.redis_down():
        await scene.alice.relation.block(scene.bob.id)
    other = await start_server()
    async with Client(other.url, token=scene.bob.token) as device:
        assert await unread(device) == 0


async def test_two_processes_count_alike(scene, start_server):
    other = await start_server()
    async with Client(other.url, token=scene.bob.token) as device:
        for act, waiting in ((nudge, 1), (visit, 2), (nudge, 2), (message, 5)):
            await act(scene)
            assert await unread(scene.bob) == await unread(device) == waiting
        async with scene.bob.expecting(NotificationsRead, timeout=1.0) as got:
            assert await device.notification.read((await entry(device, "visit")).seq) == 3
            assert (await got).unread == 3
        assert await unread(scene.bob) == await unread(device) == 3


async def test_a_notification_reaches_every_process_within_a_second(scene, start_server):
    other = await start_server()
    async with (
        Client(other.url, token=scene.bob.token) as device,
        device.expecting(Notification, timeout=1.0) as got,
    ):
        await nudge(scene)
        assert (await got).user.login == "alice"

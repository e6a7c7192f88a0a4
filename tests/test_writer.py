"""The group commit: many are written together, and none of them notices the others."""

import asyncio
import itertools
from typing import NamedTuple

import aiohttp
import pytest

from handlers import chat, visit, wish
from server.app import SERVICES
from sql import quota
from sql.database import Database
from sql.writer import _MANY as MANY
from tests.ground.answers import ok, refused
from tests.ground.crowd import Crowd
from tests.ground.locks import locked
from tests.ground.raw import RawSocket
from tests.ground.recorders import SqlRecorder
from tests.ground.waiting import until


def send(socket, to, number, text="hello"):
    return socket.call("message/send", {"target_user_id": to.id, "random_id": number, "message": text})


@pytest.fixture
async def circle(alice, bob, carol, mallory):
    """Four people, all connected with each other."""
    four = [alice, bob, carol, mallory]
    for one, other in itertools.permutations(four, 2):
        await one.relation.like(other.id)
    return four


@pytest.fixture
async def sockets(server, circle):
    """For each of them the sockets they write on, one for each of the others, since each sends in its order."""
    opened = {}
    for one, other in itertools.permutations(circle, 2):
        opened[one, other] = await RawSocket.open(server.url, auth={"token": one.token})
    yield opened
    for socket in opened.values():
        await socket.close()


async def test_what_comes_at_once_is_written_in_few_transactions_of_as_many_statements(server, sockets):
    def commits(recorder):
        return sum(text.startswith("INSERT INTO `message`") for text, *_ in recorder.statements)

    sizes = server.app[SERVICES].writer.sizes
    before = sum(sizes.counts)
    with SqlRecorder() as recorder:
        answers = await asyncio.gather(*(send(socket, to, 1) for (_, to), socket in sockets.items()))
    assert sorted(ok(answer)["seq"] for answer in answers) == [1] * 6 + [2] * 6
    assert commits(recorder) <= sum(sizes.counts) - before <= 6, "twelve messages"


async def test_the_statements_of_a_batch_are_as_many_as_those_of_one(circle, sockets):
    alice, bob, carol, mallory = circle
    for (_, to), socket in sockets.items():
        ok(await send(socket, to, 1))
    with SqlRecorder() as one:
        ok(await send(sockets[alice, bob], bob, 2))
    with SqlRecorder() as many:
        sends = [send(sockets[one, to], to, 3) for one, to in ((alice, bob), (carol, bob), (mallory, bob))]
        for answer in await asyncio.gather(*sends):
            ok(answer)
    assert len(many.statements) <= 2 * len(one.statements), "two batches at most"


async def test_one_that_cannot_be_written_hurts_nobody_else(circle, sockets, empty_world):
    """The database itself refuses one text, whatever it is written together with."""
    alice, bob, *_ = circle
    admin = Database(empty_world.migrate_url, timeout=10)
    await admin.fetch(
        "CREATE TRIGGER poison BEFORE INSERT ON message FOR EACH ROW"
        " IF NEW.body = 'poison' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
    )
    try:
        texts = {pair: "poison" if pair == (alice, bob) else "hello" for pair in sockets}
        answers = await asyncio.gather(*(send(sockets[pair], pair[1], 1, text) for pair, text in texts.items()))
    finally:
        await admin.fetch("DROP TRIGGER poison")
        admin.close()
    told = dict(zip(sockets, answers, strict=True))
    refused(told.pop((alice, bob)), "internal")
    for answer in told.values():
        ok(answer)
    assert [m.message for m in await bob.message.history(alice.id)] == ["hello"]
    assert ok(await send(sockets[alice, bob], bob, 1))["seq"] == 2


@pytest.mark.config(database={"timeout": 5.0, "lock_wait": 4})
async def test_a_conversation_that_is_locked_waits_alone(server, circle, sockets):
    alice, bob, *_ = circle
    writer = server.app[SERVICES].writer
    async with locked(server, alice, bob):
        waiting = [asyncio.ensure_future(send(sockets[pair], pair[1], 1)) for pair in ((alice, bob), (bob, alice))]
        await until(lambda: len(writer._apart) == 1)
        for number in range(2, 6):
            others = [pair for pair in sockets if set(pair) != {alice, bob}]
            async with asyncio.timeout(2):
                for answer in await asyncio.gather(*(send(sockets[pair], pair[1], number) for pair in others)):
                    ok(answer)
        assert not any(task.done() for task in waiting)
    assert sorted(ok(answer)["seq"] for answer in await asyncio.gather(*waiting)) == [1, 2]
    assert ok(await send(sockets[alice, bob], bob, 2))["seq"] == 3
    assert (writer._apart, writer.waiting) == ({}, 0)


async def test_repeats_in_one_batch_are_one_message(server, connected):
    """Also with another text, which is refused, and by the other side, whose numbers are their own."""
    alice, bob = connected
    hers = [await RawSocket.open(server.url, auth={"token": alice.token}) for _ in range(6)]
    his = await RawSocket.open(server.url, auth={"token": bob.token})
    texts = ["one", "one", "one", "one", "one", "another"]
    async with asyncio.TaskGroup() as group:
        first = group.create_task(send(hers[0], bob, 7, texts[0]))
        rest = [group.create_task(send(socket, bob, 7, text)) for socket, text in zip(hers[1:], texts[1:], strict=True)]
        own = group.create_task(send(his, alice, 7, "mine"))
    answers = [task.result() for task in (first, *rest)]
    stored = [answer for answer in answers if answer["code"] == 200]
    assert all(ok(answer) == ok(stored[0]) for answer in stored)
    for answer in answers:
        if answer["code"] != 200:
            refused(answer, "already_exists")
    assert len(stored) in (1, 5)
    ok(own.result())
    assert len(await bob.message.history(alice.id)) == 2
    for socket in (*hers, his):
        await socket.close()


@pytest.mark.config(database={"timeout": 1.0})
async def test_with_the_database_frozen_all_who_wait_are_told_in_time_and_nothing_stays(server, sockets):
    async with server.database_down():
        async with asyncio.timeout(2.0):
            answers = await asyncio.gather(*(send(socket, to, 1) for (_, to), socket in sockets.items()))
        for answer in answers:
            refused(answer, "unavailable")
    for (_, to), socket in sockets.items():
        ok(await send(socket, to, 1))
    await until(lambda: server.database.in_use == 0)


async def test_what_one_socket_sends_at_once_to_one_person_is_written_together_in_order(server, connected):
    """And what comes after it waits for all of it."""
    alice, bob = connected
    writer = server.app[SERVICES].writer
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        before = sum(writer.sizes.counts)
        for number in range(1, 11):
            fields = {"target_user_id": bob.id, "random_id": number, "message": f"{number}"}
            await socket.emit("message/send", fields, ack=number)
        await socket.emit("user/block", {"target_user_id": bob.id}, ack=11)
        fields = {"target_user_id": bob.id, "random_id": 11, "message": "too late"}
        await socket.emit("message/send", fields, ack=12)
        assert [ok(await socket.answer(number))["seq"] for number in range(1, 11)] == list(range(1, 11))
        ok(await socket.answer(11))
        refused(await socket.answer(12), "blacklisted")
        assert sum(writer.sizes.counts) - before < 10
        acks = [frame for frame in socket.frames if str(frame).startswith("43")]
        assert [str(frame).partition("[")[0] for frame in acks] == [f"43{number}" for number in range(1, 13)]


@pytest.mark.config(database={"timeout": 5.0})
async def test_a_second_batch_is_begun_only_when_many_wait_and_never_of_what_the_first_has(server):
    writer, batches, go = server.app[SERVICES].writer, [], asyncio.Event()

    async def work(_, drafts, wait):
        batches.append([(draft.key, draft.number) for draft in drafts])
        await go.wait()
        return [None] * len(drafts)

    def put(key, number):
        return asyncio.ensure_future(writer.write(work, Numbered(key, number)))

    waiting = [put("first", 0)]
    await until(lambda: batches)
    waiting += [put("first", 1), *(put(f"other {number}", number) for number in range(MANY - 2))]
    await until(lambda: writer.waiting == MANY - 1)
    waiting.append(put("first", 2))
    await until(lambda: len(batches) == 2)
    assert batches[1] == [(f"other {number}", number) for number in range(MANY - 2)], "all that waited, and it alone"
    waiting += [put(f"third {number}", number) for number in range(MANY)]
    await until(lambda: writer.waiting == MANY + 2)
    assert len(batches) == 2
    go.set()
    await asyncio.gather(*waiting)
    assert [number for batch in batches for key, number in batch if key == "first"] == [0, 1, 2]


class Numbered(NamedTuple):
    """What a test wants to be written."""

    key: str
    number: int


# -- likes, reads, looks -----------------------------------------------------------------------------------------------

ACTS = {"user/like": {}, "message/read": {"seq": 1}, "profile": {}}
LIKE, MATCH, VISIT, MESSAGE = 1, 3, 4, 6


async def at_once(server, person, event, fields):
    """Let somebody do all that at the same moment, by HTTP, and return the answers."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:

        async def ask(payload):
            async with session.get(f"{server.url}/api/{event}", params=payload) as response:
                return await response.json()

        return await asyncio.gather(*map(ask, fields))


async def notices(server, person):
    return await server.database.fetch(
        "SELECT kind, other_id, count FROM notification WHERE user_id = %s ORDER BY kind, other_id", person.id
    )


async def pushed(person, event):
    return [push.data for push in await person.sync.since(0) if push.event == event]


@pytest.mark.parametrize("act", ["user/like", "profile"])
async def test_what_one_does_to_a_hundred_people_at_once_takes_few_transactions(server, alice, act):
    crowd = Crowd(server, 1)
    others = sorted([await crowd.join() for _ in range(100)])
    sizes = server.app[SERVICES].writer.sizes
    before = sum(sizes.counts)
    with SqlRecorder() as recorder:
        answers = await at_once(server, alice, act, [{"target_user_id": other} for other in others])
    for answer in answers:
        ok(answer)
    logged = sum(text.startswith("INSERT INTO `user_event`") for text, *_ in recorder.statements)
    assert logged <= sum(sizes.counts) - before <= 40, "a hundred acts"
    kind = LIKE if act == "user/like" else VISIT
    told = await server.database.fetch("SELECT user_id, count FROM notification WHERE kind = %s", kind)
    assert sorted(told) == [(other, 1) for other in others]
    used = await server.database.fetch("SELECT used FROM quota WHERE user_id = %s AND target_id = 0", alice.id)
    assert used == [(100,)]


@pytest.mark.parametrize("act", ACTS)
async def test_what_cannot_be_written_of_one_hurts_nobody_else(server, circle, empty_world, act):
    alice, bob, *others = circle
    for other in (bob, *others):
        await other.message.send(alice.id, "hello")
        if act == "user/like":
            await alice.relation.unlike(other.id)
    table, whose = ("visit", "NEW.user_id") if act == "profile" else ("pair", "NEW.low_id, NEW.high_id")
    admin = Database(empty_world.migrate_url, timeout=10)
    await admin.fetch(
        f"CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW"
        f" IF {bob.id} IN ({whose}) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
    )
    sockets = [await RawSocket.open(server.url, auth={"token": alice.token}) for _ in range(3)]
    try:
        aimed = zip(sockets, (bob, *others), strict=True)
        acts = [socket.call(act, {"target_user_id": other.id} | ACTS[act]) for socket, other in aimed]
        poisoned, *answers = await asyncio.gather(*acts)
    finally:
        await admin.fetch("DROP TRIGGER poison")
        admin.close()
    refused(poisoned, "internal")
    for answer in answers:
        ok(answer)
    ok(await sockets[0].call(act, {"target_user_id": bob.id} | ACTS[act]))
    for socket in sockets:
        await socket.close()


@pytest.mark.config(database={"timeout": 5.0, "lock_wait": 4})
@pytest.mark.parametrize("act", ACTS)
async def test_two_people_that_are_locked_wait_alone(server, circle, sockets, act):
    alice, bob, *_ = circle
    for one, other in itertools.permutations(circle, 2):
        await one.message.send(other.id, "hello")

    def do(one, other):
        return asyncio.ensure_future(sockets[one, other].call(act, {"target_user_id": other.id} | ACTS[act]))

    writer = server.app[SERVICES].writer
    async with locked(server, alice, bob):
        waiting = [do(alice, bob), do(bob, alice)]
        await until(lambda: len(writer._apart) == 1)
        async with asyncio.timeout(2):
            for answer in await asyncio.gather(*(do(*pair) for pair in sockets if set(pair) != {alice, bob})):
                ok(answer)
        assert not any(task.done() for task in waiting)
    for answer in await asyncio.gather(*waiting):
        ok(answer)
    await until(lambda: not writer._apart)


async def test_likes_that_meet_in_one_batch_connect_once(server, alice, bob, carol):
    writer = server.app[SERVICES].writer
    wishes = [(alice, bob), (carol, bob), (bob, alice), (alice, bob), (bob, alice)]
    drafts = [wish.Wish(one.id, other.id, request=False) for one, other in wishes]
    results = await asyncio.gather(*(writer.write(wish.fulfil, draft) for draft in drafts))
    assert results == [False, False, True, True, True]
    for one, other in ((alice, bob), (bob, alice)):
        assert [(push["user_id"], push["state"]) for push in await pushed(one, "connection")] == [
            (other.id, "connected")
        ]
        assert [notice for notice in await notices(server, one) if notice[0] == MATCH] == [(MATCH, other.id, 1)]
    assert len(await pushed(alice, "notification")) == 1, "the match"
    assert len(await pushed(bob, "notification")) == 3, "two likes, of which one became a match"
    assert len(await pushed(alice, "relation/changed")) == len(await pushed(bob, "relation/changed")) == 1
    used = await server.database.fetch("SELECT SUM(used) FROM quota WHERE kind = 1 AND target_id = 0")
    assert used == [(3,)]


@pytest.mark.config(
    limits={"scale": 1, "registrations": 100, "mails_address": 100, "likes_day": 20, "profiles_day": 20}
)
@pytest.mark.parametrize("act", ["user/like", "profile"])
async def test_many_at_once_are_counted_one_by_one(server, alice, act):
    crowd = Crowd(server, 2)
    others = [{"target_user_id": await crowd.join()} for _ in range(50)]
    answers = await at_once(server, alice, act, others)
    assert sorted(answer["code"] for answer in answers) == [200] * 20 + [429] * 30
    for answer in await at_once(server, alice, act, others[:5] if act == "user/like" else []):
        assert answer["code"] in (200, 429)
    used = await server.database.fetch("SELECT used FROM quota WHERE user_id = %s AND target_id = 0", alice.id)
    told = await server.database.fetch("SELECT COUNT(*) FROM notification WHERE kind IN (%s, %s)", LIKE, VISIT)
    assert (used, told) == ([(20,)], [(20,)])


async def test_who_counts_somebodys_first_act_of_a_day_lets_nobody_else_count_meanwhile(server, alice):
    """Two processes, each with a batch of hers, before there is anything to lock."""
    counters, day = [quota.Counter(alice.id, 0), quota.Counter(alice.id, 7)], server.clock.now().date()
    locked_by_first, go = asyncio.Event(), asyncio.Event()

    async def count(first):
        async def work(tx):
            used = await quota.lock(tx, act=quota.Act.LIKE, day=day, counters=counters)
            if first:
                locked_by_first.set()
                await go.wait()
            quota.count_all(tx, act=quota.Act.LIKE, day=day, times=dict.fromkeys(counters, 1))
            return used

        return (await server.app[SERVICES].transact(work))[0]

    async with asyncio.TaskGroup() as group:
        one = group.create_task(count(first=True))
        await locked_by_first.wait()
        other = group.create_task(count(first=False))
        await until(lambda: server.database.in_use == 2)
        go.set()
    assert one.result() == {counters[0]: 0}
    assert other.result() == dict.fromkeys(counters, 1)


async def test_messages_of_one_batch_to_one_person_are_one_notification(server, connected):
    alice, bob = connected
    writer = server.app[SERVICES].writer
    drafts = [chat.Draft(alice.id, bob.id, number, "hello") for number in range(5)]
    await asyncio.gather(*(writer.write(chat.deliver, draft) for draft in drafts))
    assert [push["kind"] for push in await pushed(bob, "notification")].count("message") == 1
    assert (MESSAGE, alice.id, 5) in await notices(server, bob)


async def test_reads_of_one_batch_never_go_back(server, connected):
    alice, bob = connected
    for number in range(5):
        await (bob if number else alice).message.send((alice if number else bob).id, f"{number + 1}")
    writer = server.app[SERVICES].writer

    async def read(*seqs):
        drafts = [chat.Reading(alice.id, bob.id, seq) for seq in seqs]
        await asyncio.gather(*(writer.write(chat.read, draft) for draft in drafts))
        [connection] = await alice.relation.connections()
        return (await alice.message.history(bob.id)).my_read_seq, connection.unread

    assert await read(1) == (1, 4)
    assert await read(3, 2, 3) == (3, 2)
    assert [kind for kind, *_ in await notices(server, alice)] == [MATCH, MESSAGE]
    assert await read(2, 4, 99, 1) == (5, 0)
    assert [push["read_seq"] for push in await pushed(bob, "message/read")] == [1, 3, 4, 5]
    [(is_read,)] = await server.database.fetch(
        "SELECT is_read FROM notification WHERE user_id = %s AND kind = 6", alice.id
    )
    assert is_read


async def test_who_has_only_messages_of_their_own_left_has_read_all(server, connected):
    alice, bob = connected
    await bob.message.send(alice.id, "hello")
    await alice.message.send(bob.id, "hello")
    await alice.message.read(bob.id, 1)
    [connection] = await alice.relation.connections()
    assert connection.unread == 0
    assert (await alice.profile.me()).unread.messages == 0


async def test_looks_at_one_person_in_one_batch_are_one_visit_and_each_is_counted(server, alice, bob):
    writer = server.app[SERVICES].writer
    looks = [visit.Look(alice.id, bob.id) for _ in range(20)]
    await asyncio.gather(*(writer.write(visit.note, look) for look in looks))
    assert await notices(server, bob) == [(VISIT, alice.id, 1)]
    assert await server.database.fetch("SELECT used FROM quota WHERE kind = 2") == [(20,)]
    assert len(await pushed(bob, "notification")) == 1

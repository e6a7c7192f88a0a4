"""The group commit: many are written together, and none of them notices the others."""

import asyncio
import itertools

import pytest

from server.app import SERVICES
from sql.database import Database
from tests.ground.answers import ok, refused
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
    assert len(many.statements) <= 2 * len(one.statements), "two shards at most"


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

"""Faults: a dependency that is down is said in time, hurts nobody else, and is found again."""

import asyncio
import contextlib
import time

import aiomysql
import pymysql
import pytest

from client_sdk import MatchaError, MessageNew, Unavailable
from tests.ground.answers import ok, refused
from tests.ground.locks import locked
from tests.ground.raw import RawSocket, Refused

BOUND = 2.0
"""Seconds within which `unavailable` is said."""


async def open_as(person):
    return await RawSocket.open(person.url, auth={"token": person.token})


async def test_a_frozen_database_is_said_within_two_seconds_and_found_again(server, connected):
    alice, bob = connected
    async with await open_as(alice) as socket, await RawSocket.open(server.url) as nobody:
        send = {"target_user_id": bob.id, "random_id": 1, "message": "kept"}
        async with server.database_down():
            started = time.monotonic()
            for number, (event, payload) in enumerate(
                [("message/send", send), ("user/me", {}), ("research", {}), ("sync", {"cursor": 0})], start=100
            ):
                await socket.emit(event, payload, ack=number)
            login = {"login": bob.login, "password": bob.password}
            await nobody.emit("user/login", login, ack=1)
            for answer in [await socket.answer(number) for number in range(100, 104)] + [await nobody.answer(1)]:
                refused(answer, "unavailable")
                assert answer["error"]["retry_after"] >= 1
            assert time.monotonic() - started < 2 * BOUND, "the reads wait for the write to start, no longer"
            with pytest.raises(Refused, match="unavailable"):
                await open_as(alice)
        assert ok(await socket.call("message/send", send))["seq"] == 1
        ok(await socket.call("user/me"))


async def test_many_events_at_a_frozen_database_all_end_and_no_connection_is_lost(server, connected):
    sockets = [await open_as(person) for person in connected for _ in range(5)]
    async with server.database_down():
        started = time.monotonic()
        calls = [socket.call("user/me") for socket in sockets for _ in range(5)]
        for answer in await asyncio.gather(*calls):
            refused(answer, "unavailable")
        assert time.monotonic() - started < BOUND + 1
    answers = await asyncio.gather(*(socket.call("user/me") for socket in sockets for _ in range(5)))
    assert all(ok(answer) for answer in answers)
    for socket in sockets:
        await socket.close()


async def test_with_redis_frozen_people_chat_and_nobody_logs_in(server, connected):
    alice, bob = connected
    async with await open_as(bob) as socket, await RawSocket.open(server.url) as nobody, server.redis_down():
        for number in range(5):
            started = time.monotonic()
            await alice.message.send(bob.id, f"{number}")
            pushed = await socket.push("message/new", seq=2 + number)
            assert pushed["message"]["message"] == f"{number}"
            assert time.monotonic() - started < 1
        started = time.monotonic()
        for event in ("user/login", "user/logout"):
            refused(await nobody.call(event, {"login": bob.login, "password": bob.password}), "unavailable")
        assert time.monotonic() - started < 2 * BOUND
    async with await RawSocket.open(server.url) as nobody:
        ok(await nobody.call("user/login", {"login": bob.login, "password": bob.password}))


@pytest.fixture
def break_at(monkeypatch):
    """`break_at(k, fault)` makes the k-th statement from now fail as the driver would."""
    execute, query = aiomysql.Cursor.execute, aiomysql.Connection.query
    count, due = 0, {}

    def step():
        nonlocal count
        count += 1
        if fault := due.pop(count, None):
            raise fault

    async def counting_execute(cursor, *args):
        step()
        return await execute(cursor, *args)

    async def counting_query(connection, text, *args):
        if text != "ROLLBACK":
            step()
        return await query(connection, text, *args)

    def arm(at, fault):
        nonlocal count
        count = 0
        due.clear()
        due[at] = fault
        return due

    monkeypatch.setattr(aiomysql.Cursor, "execute", counting_execute)
    monkeypatch.setattr(aiomysql.Connection, "query", counting_query)
    return arm


CONFLICT = (1213, "Deadlock found when trying to get lock; try restarting transaction")
LOST = (2013, "Lost connection to MySQL server during query")


@pytest.mark.config(delivery={"tail_interval": 600.0})
@pytest.mark.parametrize("fault", [CONFLICT, LOST], ids=["conflict", "lost"])
async def test_a_fault_at_any_statement_of_a_send_leaves_it_done_once(server, connected, break_at, fault):
    """Each statement in turn fails, until one send needs fewer: all are stored once, numbered densely, pushed once."""
    alice, bob = connected
    async with await open_as(alice) as socket, await open_as(bob) as his:
        ok(await his.call("user/me"))
        statement = 0
        while True:
            statement += 1
            send = {"target_user_id": bob.id, "random_id": statement, "message": f"{statement}"}
            armed = break_at(statement, pymysql.err.OperationalError(*fault))
            answer = await socket.call("message/send", send)
            if armed:
                break
            if answer["code"] != 200:
                assert answer["error"] == refused(answer, "unavailable")
                assert answer["error"]["unknown"] is True, "only a commit that broke off is not known"
                answer = await socket.call("message/send", send)
            assert ok(answer)["seq"] == statement
        assert statement > 8
        break_at(10**9, None)
        rows = await server.database.fetch("SELECT seq, body FROM message ORDER BY seq")
        assert [body for _, body in rows] == [f"{number}" for number in range(1, statement + 1)]
        await his.push("message/new", seq=statement + 1)
        pushed = [push.data["seq"] for push in his.pushes]
        assert pushed == list(range(2, statement + 2))


@pytest.mark.config(delivery={"tail_interval": 600.0})
async def test_a_handler_that_breaks_is_one_answer_and_a_line_in_the_log(server, connected, break_at):
    alice, _ = connected
    async with alice.expecting(MessageNew) as echo:
        await alice.message.send(connected[1].id, "all that was under way is done")
        await echo
    break_at(1, pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax"))
    with pytest.raises(MatchaError) as refusal:
        await alice.profile.me()
    assert refusal.value.name == "internal"
    assert any(refusal.value.error_id in str(record.msg) for record in server.log)
    assert "SQL" not in str(refusal.value)
    await alice.profile.me()


@pytest.mark.config(server={"event_timeout": 0.3}, database={"lock_wait": 5, "timeout": 5.0})
async def test_an_event_that_takes_too_long_is_ended_and_leaves_nothing_behind(server, connected):
    alice, bob = connected
    async with await open_as(alice) as socket:
        send = {"target_user_id": bob.id, "random_id": 1, "message": "in time"}
        async with locked(server, alice, bob):
            refused(await socket.call("message/send", send), "unavailable")
        assert ok(await socket.call("message/send", send))["seq"] == 1


@pytest.mark.config(server={"event_timeout": 0.3}, delivery={"tail_interval": 0.1})
async def test_an_event_that_takes_too_long_to_commit_says_that_its_fate_is_unknown(connected, monkeypatch):
    alice, bob = connected
    query, late = aiomysql.Connection.query, asyncio.Event()

    async def late_commit(connection, text, *args):
        result = await query(connection, text, *args)
        if text == "COMMIT" and not late.is_set():
            await late.wait()
        return result

    async with await open_as(alice) as socket, bob.expecting(MessageNew) as his:
        monkeypatch.setattr(aiomysql.Connection, "query", late_commit)
        send = {"target_user_id": bob.id, "random_id": 1, "message": "was it sent?"}
        answer = await socket.call("message/send", send)
        assert refused(answer, "unavailable")["unknown"] is True
        late.set()
        assert ok(await socket.call("message/send", send))["seq"] == 1, "it was"
        assert (await his).message.message == "was it sent?", "and the log tells of it"


async def test_clients_that_leave_in_the_middle_leave_nothing_behind(server, connected):
    """Cut at once after sending, again and again: the pool is whole, no lock stays, and what was acked is there."""
    alice, bob = connected
    for number in range(60):
        socket = await open_as(alice)
        send = {"target_user_id": bob.id, "random_id": number, "message": f"{number}"}
        await socket.emit("message/send", send, ack=1)
        if number % 3:
            with contextlib.suppress(Exception):
                await socket.answer(1, timeout=0.001 * (number % 7))
        await socket.abort()
    await alice.message.send(bob.id, "last")
    async with asyncio.timeout(5):
        while server.gateway.connections.keys() - {c.sid for c in _signed_in(server)}:
            await asyncio.sleep(0.01)
    await asyncio.gather(*(bob.profile.me() for _ in range(30)))
    numbers = [number for (number,) in await server.database.fetch("SELECT seq FROM message ORDER BY seq")]
    assert numbers == list(range(1, len(numbers) + 1))


def _signed_in(server):
    return [connection for connection in server.gateway.connections.values() if connection.session]


async def test_an_unavailable_error_names_when_to_come_back(server, alice):
    async with server.database_down():
        with pytest.raises(Unavailable) as refusal:
            await alice.profile.me()
    assert refusal.value.retry_after >= 1

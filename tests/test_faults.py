"""Faults: a dependency that is down is said in time, hurts nobody else, and is found again."""

import asyncio
import contextlib
import time
from datetime import date, datetime
from random import Random

import aiohttp
import pymysql
import pytest

from client_sdk import MatchaError, MessageNew, Unavailable
from server.outside.passwords import Passwords
from sql import quota
from sql.database import Conflict, Connection, Database, Lost, connect_options
from sql.driver import Driver
from sql.transaction import CommitUnknown, transact
from tests.ground.answers import ok, refused
from tests.ground.faults import CONFLICT, LOST
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


async def test_with_redis_frozen_people_chat_and_nobody_logs_in(server, talking):
    alice, bob = talking
    start = (await bob.sync.since(None)).cursor
    async with await open_as(bob) as socket, await RawSocket.open(server.url) as nobody, server.redis_down():
        for number in range(5):
            started = time.monotonic()
            await alice.message.send(bob.id, f"{number}")
            pushed = await socket.push("message/new", seq=start + 1 + number)
            assert pushed["message"]["message"] == f"{number}"
            assert time.monotonic() - started < 1
        started = time.monotonic()
        for event in ("user/login", "user/logout"):
            refused(await nobody.call(event, {"login": bob.login, "password": bob.password}), "unavailable")
        assert time.monotonic() - started < 2 * BOUND
    async with await RawSocket.open(server.url) as nobody:
        ok(await nobody.call("user/login", {"login": bob.login, "password": bob.password}))


@pytest.mark.config(delivery={"tail_interval": 600.0})
@pytest.mark.parametrize("fault", [CONFLICT, LOST], ids=["conflict", "lost"])
async def test_a_fault_at_any_statement_of_a_send_leaves_it_done_once(server, connected, breaker, fault):
    """Each statement in turn fails, until one send needs fewer: all are stored once, numbered densely, pushed once."""
    alice, bob = connected
    async with await open_as(alice) as socket, await open_as(bob) as his:
        start = ok(await his.call("user/me"))["cursor"]
        statement = 0
        while True:
            statement += 1
            ok(await his.call("notifications/read", {"seq": 2**52}))  # so that each is told of in every way
            send = {"target_user_id": bob.id, "random_id": statement, "message": f"{statement}"}
            breaker.arm(statement, fault)
            answer = await socket.call("message/send", send)
            if breaker.is_armed:
                break
            if answer["code"] != 200:
                assert answer["error"] == refused(answer, "unavailable")
                assert answer["error"]["unknown"] is True, "only a commit that broke off is not known"
                answer = await socket.call("message/send", send)
            assert ok(answer)["seq"] == statement
        assert statement > 8
        breaker.arm(0, None)
        rows = await server.database.fetch("SELECT seq, body FROM message ORDER BY seq")
        assert [body for _, body in rows] == [f"{number}" for number in range(1, statement + 1)]
        end = ok(await his.call("user/me"))["cursor"]
        await his.until(lambda push: push.data["seq"] == end)
        assert [push.data["seq"] for push in his.pushes] == list(range(start + 1, end + 1))
        events = [push.event for push in his.pushes]
        assert (events.count("message/new"), events.count("notification")) == (statement, statement)


@pytest.mark.config(delivery={"tail_interval": 600.0})
async def test_a_handler_that_breaks_is_one_answer_and_a_line_in_the_log(server, connected, breaker):
    alice, _ = connected
    breaker.arm(1, pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax"), of="FROM `tag_use`")
    with pytest.raises(MatchaError) as refusal:
        await alice.tag.complete("te")
    assert refusal.value.name == "internal"
    assert any(refusal.value.error_id in str(record.msg) for record in server.log)
    assert "SQL" not in str(refusal.value)
    await alice.tag.complete("te")


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
    ask, late = Driver.ask, asyncio.Event()

    async def late_commit(driver, texts):
        answers = await ask(driver, texts)
        if "COMMIT" in texts and not late.is_set():
            await late.wait()
        return answers

    async with await open_as(alice) as socket, bob.expecting(MessageNew) as his:
        monkeypatch.setattr(Driver, "ask", late_commit)
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


# The pool, whatever happens to its connections


class BlackHole:
    """A way to the database on which connections can freeze: nothing gets through any more, and nobody is told."""

    def __init__(self, target, path):
        self._target = target
        self._path = path
        self._serving = set()
        self._open = asyncio.Event()

    async def __aenter__(self):
        self._open.set()
        self._listener = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def freeze(self):
        """Freeze the connections there are; new ones work."""
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        answers, questions = await asyncio.open_unix_connection(self._target)
        with contextlib.closing(writer), contextlib.closing(questions):
            pumps = (self._pump(reader, questions, self._open), self._pump(answers, writer, self._open))
            await asyncio.gather(*pumps)

    async def _pump(self, source, sink, is_open):
        while data := await source.read(65_536):
            await is_open.wait()
            sink.write(data)
        sink.close()


@pytest.fixture
async def hole(empty_world, tmp_path):
    target = connect_options(empty_world.database_url)["unix_socket"]
    async with BlackHole(target, tmp_path / "hole") as hole:
        yield hole


@pytest.fixture
def remote(empty_world, hole, tmp_path):
    """A pool of three whose connections lead through the hole."""
    database = Database(f"mysql://root@localhost/matcha?unix_socket={tmp_path / 'hole'}", size=3, timeout=0.2)
    yield database
    database.close()


async def whole(database, size=3):
    """All connections of a pool can be had, and all of them work."""
    async with asyncio.timeout(5):
        connections = [await database.acquire() for _ in range(size)]
        for connection in connections:
            assert await connection.run("SELECT 7", []) == (1, ((7,),))
    for connection in connections:
        database.release(connection)


def like_of(user_id, database):
    """Run a transaction of a user's own, which waits for nobody else's."""

    async def work(tx):
        await quota.count_up(tx, user_id=user_id, act=quota.Act.LIKE, day=date(2026, 1, 15))

    return transact(database, datetime.fromisoformat("2026-01-15"), work, random=Random(1))


async def test_commits_that_vanish_are_of_unknown_fate_and_cost_no_connection(remote, hole, monkeypatch):
    command = Connection.command

    async def vanish(connection, text):
        if text == "COMMIT":
            hole.freeze()
        await command(connection, text)

    await like_of(1, remote)
    with monkeypatch.context() as at_commit:
        at_commit.setattr(Connection, "command", vanish)
        for user_id in (2, 3, 4):
            with pytest.raises(CommitUnknown):
                await like_of(user_id, remote)
    await whole(remote)
    await like_of(5, remote)


async def test_statements_that_vanish_are_given_up_in_time_and_cost_no_connection(remote, hole):
    await whole(remote)
    hole.freeze()
    async with asyncio.timeout(1):
        outcomes = await asyncio.gather(*(remote.fetch("SELECT 7") for _ in range(9)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 9
    await whole(remote)


async def test_who_pauses_before_another_try_holds_nothing_meanwhile(remote):
    held, faults = [], [Conflict("…", kind="lock_wait"), Lost("…")]

    class Dice(Random):
        def uniform(self, a, b):
            held.append(remote.in_use)
            return 0.0

    async def work(tx):
        await quota.count_up(tx, user_id=6, act=quota.Act.LIKE, day=date(2026, 1, 15))
        if faults:
            raise faults.pop(0)

    await transact(remote, datetime.fromisoformat("2026-01-15"), work, random=Dice())
    assert held == [0, 0]


@pytest.mark.config(database={"pool": 3})
async def test_asking_again_and_again_whether_a_frozen_database_is_ready_costs_no_connection(server):
    async def ask(http):
        async with http.get(f"{server.url}/readyz", timeout=aiohttp.ClientTimeout(3)) as response:
            return response.status

    await whole(server.database)
    async with aiohttp.ClientSession() as http:
        async with server.database_down():
            assert await asyncio.gather(*(ask(http) for _ in range(9))) == [503] * 9
        await whole(server.database)
        assert await ask(http) == 200


@pytest.mark.config(database={"timeout": 0.5})
async def test_waiting_for_passwords_to_be_checked_is_not_waiting_for_the_database(server, alice, monkeypatch):
    """17 sign in at once, as many as there is room for: the last waits for twice as long as a database may take."""
    matches = Passwords._matches

    def matches_slowly(*args):
        time.sleep(0.06)
        return matches(*args)

    monkeypatch.setattr(Passwords, "_matches", matches_slowly)
    sockets = await asyncio.gather(*(RawSocket.open(server.url) for _ in range(17)))
    started = time.monotonic()
    login = {"login": alice.login, "password": alice.password}
    for answer in await asyncio.gather(*(socket.call("user/login", login) for socket in sockets)):
        ok(answer)
    assert time.monotonic() - started > 2 * server.database.timeout
    for socket in sockets:
        await socket.close()


async def kill_all_connections(server):
    """Do to the server what a database does that is restarted."""
    outside = Database(server.config.database.url, timeout=5)
    others = "FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()"
    for (number,) in await outside.fetch(f"SELECT ID {others}"):
        with contextlib.suppress(pymysql.err.OperationalError):  # it is gone already
            await outside.fetch(f"KILL {number}")
    async with asyncio.timeout(5):
        while (await outside.fetch(f"SELECT COUNT(*) {others}"))[0][0]:
            await asyncio.sleep(0.005)
    outside.close()


@pytest.mark.config(delivery={"tail_interval": 600.0}, mail={"retry": 600.0})
async def test_a_database_that_was_restarted_is_not_noticed(server, connected):
    """Every connection of the pool is dead, and whoever comes first finds out: those who read, write, or just come."""
    alice, bob = connected
    async with await open_as(alice) as hers, await open_as(bob) as his, await RawSocket.open(server.url) as nobody:
        send = {"target_user_id": bob.id, "random_id": 1, "message": "hi"}
        login = {"login": alice.login, "password": alice.password}
        for call, times in (
            (lambda: nobody.call("user/me", {"token": alice.token}), 10),
            (lambda: hers.call("user/me"), 10),
            (lambda: hers.call("message/send", send), 1),
            (lambda: nobody.call("user/login", login), 1),
        ):
            await whole(server.database, 10)
            await kill_all_connections(server)
            for answer in await asyncio.gather(*(call() for _ in range(times))):
                ok(answer)
        await his.push("message/new")
        await whole(server.database, 10)
        await kill_all_connections(server)
        await (await open_as(alice)).close()


async def test_a_process_that_froze_in_a_transaction_keeps_nobody_waiting_for_ever(server):
    """MariaDB lets go of what it holds, a few seconds after its last statement."""
    [(version,)] = await server.database.fetch("SELECT VERSION()")
    if "MariaDB" in version:
        [(seconds,)] = await server.database.fetch("SELECT @@SESSION.idle_write_transaction_timeout")
        assert 0 < seconds <= 5

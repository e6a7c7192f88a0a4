"""Expiry: what has had its time goes from the database, and nothing else."""

import pytest

from client_sdk.errors import InvalidLink
from sql import link, session
from sql.database import Database
from tests.ground.accounts import reset_id
from tests.ground.answers import refused
from tests.ground.raw import RawSocket
from tests.ground.server import PASSWORD
from tests.ground.waiting import until

DAY = 86_400
SWEEPS = pytest.mark.config(links={"sweep": 0.01}, session={"idle_days": 30})


async def count(server, table: str) -> int:
    [(rows,)] = await server.database.fetch(f"SELECT COUNT(*) FROM {table}")
    return int(rows)


@SWEEPS
async def test_a_session_goes_when_its_token_is_no_longer_good_also_one_that_was_ended(server, alice, bob):
    await bob.session.logout()
    server.clock.advance(29 * DAY)
    await alice.profile.me()
    assert await count(server, "session") == 2
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/me", {"token": alice.token[:-1]}), "unauthorized")
        server.clock.advance(DAY)
        await until(lambda: empty(server, "session"))
        refused(await socket.call("user/me", {"token": alice.token}), "session_ended")


async def empty(server, table: str) -> bool:
    return not await count(server, table)


@SWEEPS
async def test_a_session_that_began_later_stays(server, alice):
    server.clock.advance(DAY)
    async with await RawSocket.open(server.url) as socket:
        begun = await socket.call("user/login", {"login": "alice", "password": PASSWORD})
        server.clock.advance(29 * DAY + 1)
        await until(lambda: one(server))
        assert (await socket.call("user/me", {"token": begun["data"]["token"]}))["code"] == 200


async def one(server) -> bool:
    return await count(server, "session") == 1


@SWEEPS
async def test_a_link_goes_when_it_is_no_longer_good(server, alice):
    await alice.account.forgot_password(alice.mail)
    mailed = reset_id(await server.mails.wait_for(alice.mail))
    assert await count(server, "link") == 1
    server.clock.advance(31 * 60)
    await until(lambda: empty(server, "link"))
    with pytest.raises(InvalidLink):
        await alice.account.reset_password(PASSWORD + "!", reset_id=mailed)


@SWEEPS
async def test_many_go_by_and_by_and_two_servers_are_not_in_each_others_way(start_server):
    first, second = await start_server(), await start_server()
    rows = ",".join(f"({n}, 'session', NOW(), NOW(), '2020-01-01', 'agent')" for n in range(1, 1001))
    await first.database.fetch(
        f"INSERT INTO session (user_id, id, started_at, last_seen_at, expires_at, agent) VALUES {rows}"
    )
    await until(lambda: empty(second, "session"))
    assert not [record for record in first.log if "failed" in record.getMessage()]


async def test_what_has_expired_is_found_by_an_index(empty_world):
    database = Database(empty_world.database_url, timeout=10)
    for statement, table in ((session._DELETE_EXPIRED, "session"), (link._DELETE_EXPIRED, "link")):
        text, values = statement.bind({"now": "2026-01-01", "limit": 100})
        [plan] = await database.fetch(f"EXPLAIN {text}", *values)
        assert plan[2] == table and "expiring" in plan, plan
    database.close()

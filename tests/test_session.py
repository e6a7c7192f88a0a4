"""Sessions: signing in, being recognised, and the end of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from client_sdk import Client, ConnectionChanged, InvalidCredentials, NotFound, NotVerified, SessionEnded
from tests.ground.accounts import State, set_state
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket, Refused
from tests.ground.recorders import SqlRecorder
from tests.ground.server import PASSWORD, RunningServer
from tests.ground.waiting import until

MINUTE, DAY = 60, 86_400
WRONG = "wrong horse battery"


@pytest_asyncio.fixture
async def nobody(server: RunningServer) -> AsyncIterator[Client]:
    """An anonymous client."""
    async with Client(server.url) as client:
        yield client


@pytest_asyncio.fixture
async def socket(server: RunningServer) -> AsyncIterator[RawSocket]:
    """An anonymous socket."""
    async with await RawSocket.open(server.url) as opened:
        yield opened


# -- signing in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.org", "Alice@Example.ORG"])
async def test_one_signs_in_by_login_or_mail_in_any_case(server, alice, nobody, name):
    begun = await nobody.session.login(name, PASSWORD)
    assert begun.user_id == alice.id
    lasts = begun.expires_at.replace(tzinfo=None) - server.clock.now()
    assert timedelta(days=30) - timedelta(seconds=5) < lasts <= timedelta(days=30)


async def test_every_login_begins_a_session_of_its_own(alice, nobody):
    first = await nobody.session.login("alice", PASSWORD)
    second = await nobody.session.login("alice", PASSWORD)
    assert len({alice.token, first.token, second.token}) == 3


async def test_whoever_cannot_sign_in_is_told_the_same(server, people, nobody):
    active, banned, deleted = [await people(name) for name in ("alice", "bob", "carol")]
    await set_state(server, banned, State.BANNED)
    await set_state(server, deleted, State.DELETED)
    for login, mail in (("dave", "dave@example.org"), ("phantom", active.mail)):
        await nobody.account.register(login, mail, PASSWORD, "Dave", "Example")
    names = ["alice", "alice@example.org", "bob", "carol", "dave", "phantom", "nobody-here", "nobody@example.org"]
    frames = set()
    for name in names:
        async with await RawSocket.open(server.url) as fresh:
            await fresh.call("user/login", {"login": name, "password": WRONG})
            frames.add(fresh.frames[-1])
    assert len(frames) == 1
    assert '"code":400,"error":{"name":"invalid_credentials"' in frames.pop()


async def test_an_unknown_name_costs_as_much_as_a_wrong_password(alice, nobody, monkeypatch):
    checked = []
    verify = PasswordHasher.verify

    def recorded(self: PasswordHasher, password_hash: str, password: str) -> bool:
        checked.append(password_hash.split("$")[3])  # what the check costs
        return verify(self, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", recorded)
    for name in ("alice", "nobody-here", "nobody@example.org"):
        with pytest.raises(InvalidCredentials):
            await nobody.session.login(name, WRONG)
    assert checked == ["m=8,t=1,p=1"] * 3


async def test_only_the_right_password_tells_that_an_account_is_not_confirmed(server, nobody):
    await nobody.account.register("dave", "dave@example.org", PASSWORD, "Dave", "Example")
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("dave", WRONG)
    with pytest.raises(NotVerified):
        await nobody.session.login("dave", PASSWORD)
    assert await server.database.fetch("SELECT id FROM session") == []


@pytest.mark.parametrize("state", State)
async def test_a_closed_account_is_closed(server, alice, socket, state):
    await set_state(server, alice, state)
    refused(await socket.call("user/login", {"login": "alice", "password": PASSWORD}), "forbidden")


async def test_login_signs_an_anonymous_socket_in_and_its_pushes_come(alice, bob, socket):
    refused(await socket.call("user/me"), "unauthorized")
    ok(await socket.call("user/login", {"login": "alice", "password": PASSWORD}))
    assert ok(await socket.call("user/me"))["user_id"] == alice.id
    await alice.relation.like(bob.id)
    await bob.relation.like(alice.id)
    assert (await socket.push("connection"))["user_id"] == bob.id


async def test_what_is_pushed_begins_where_the_login_says(connected, socket):
    alice, bob = connected
    begun = ok(await socket.call("user/login", {"login": "alice", "password": PASSWORD}))
    assert begun["cursor"] == ok(await socket.call("sync", {"cursor": None}))["cursor"] > 0
    await bob.message.send(alice.id, "hi")
    assert (await socket.push("message/new"))["seq"] == begun["cursor"] + 1


async def test_login_on_a_socket_that_is_signed_in_only_gives_a_token(server, alice, bob, carol):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        begun = ok(await socket.call("user/login", {"login": "bob", "password": PASSWORD}))
        assert ok(await socket.call("user/me"))["user_id"] == alice.id
        assert ok(await socket.call("user/me", {"token": begun["token"]}))["user_id"] == bob.id
        for one, other in ((bob, carol), (alice, carol)):
            await one.relation.like(other.id)
            await other.relation.like(one.id)
        cursor = ok(await socket.call("sync", {"cursor": None}))["cursor"]
        await socket.until(lambda push: push.data["seq"] == cursor)
        assert [push.data["seq"] for push in socket.pushes] == list(range(1, cursor + 1)), "only alice's own pushes"


@pytest.mark.config(password={"time_cost": 2})
async def test_a_weak_old_hash_is_made_anew_at_the_next_login(server, alice, nobody):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await server.database.fetch("UPDATE account SET password_hash = %s", weak)
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("alice", WRONG)
    assert await hash_of_alice(server) == weak
    await nobody.session.login("alice", PASSWORD)
    fresh = await hash_of_alice(server)
    assert "t=2" in fresh
    await nobody.session.login("alice", PASSWORD)
    assert await hash_of_alice(server) == fresh, "a hash that is good enough stays"


async def hash_of_alice(server: RunningServer) -> str:
    [(password_hash,)] = await server.database.fetch("SELECT password_hash FROM account")
    return str(password_hash)


# -- being recognised --------------------------------------------------------------------------------------------------


async def test_a_token_in_the_handshake_signs_the_socket_in(server, alice):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        assert ok(await socket.call("user/me"))["user_id"] == alice.id


async def test_a_token_in_a_payload_counts_for_that_event_and_the_socket_stays_as_it_was(server, alice, bob, socket):
    assert ok(await socket.call("user/me", {"token": bob.token}))["user_id"] == bob.id
    refused(await socket.call("user/me"), "unauthorized")
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as hers:
        assert ok(await hers.call("user/me", {"token": bob.token}))["user_id"] == bob.id
        assert ok(await hers.call("user/me"))["user_id"] == alice.id


async def test_a_user_id_in_a_payload_must_be_the_callers(server, alice, bob, socket):
    assert ok(await socket.call("user/me", {"token": bob.token, "user_id": bob.id}))["user_id"] == bob.id
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as hers:
        assert ok(await hers.call("user/me", {"user_id": alice.id}))["user_id"] == alice.id
        for wrong in (bob.id, str(alice.id), float(alice.id) + 0.5, True, None, [alice.id]):
            refused(await hers.call("user/me", {"user_id": wrong}), "unauthorized")
        refused(await hers.call("user/me", {"token": bob.token, "user_id": alice.id}), "unauthorized")
    refused(await socket.call("user/me", {"user_id": alice.id}), "unauthorized")


async def test_a_token_that_was_good_once_is_told_from_one_that_never_was(server, alice, socket):
    token = alice.token
    await alice.session.logout()
    refused(await socket.call("user/me", {"token": token}), "session_ended")
    refused(await socket.call("user/me", {"token": token[:-6] + "forged"}), "unauthorized")
    for bad, name in ((token, "session_ended"), ("nonsense", "unauthorized")):
        with pytest.raises(Refused) as refusal:
            await RawSocket.open(server.url, auth={"token": bad})
        assert refusal.value.error["message"] == name
        assert refusal.value.error["data"]["code"] == 401


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_after_a_logout_come_the_answer_goodbye_the_disconnect_and_the_end(server, alice):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        ok(await socket.call("user/me"))
        so_far = len(socket.frames)
        await socket.emit("user/logout", ack=77)
        await socket.closed(timeout=1)
        assert socket.frames[so_far:] == [
            '4377[{"code":200,"data":{}}]',
            '42["goodbye",{"reason":"session_ended","retry_after":null}]',
            "41",
        ]


async def test_a_logout_ends_this_session_on_all_its_sockets_and_spares_the_others(server, alice, nobody):
    other = await nobody.session.login("alice", PASSWORD)
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as ended,
        await RawSocket.open(server.url, auth={"token": other.token}) as spared,
    ):
        await alice.session.logout()
        await ended.closed(timeout=1)
        assert ended.pushes[-1].data["reason"] == "session_ended"
        for payload in ({}, {"token": other.token}):
            assert ok(await spared.call("user/me", payload))["user_id"] == other.user_id
        assert spared.pushes == []


async def test_a_logout_at_one_server_ends_the_session_at_another(start_server, server, alice):
    other = await start_server()
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as here,
        await RawSocket.open(other.url, auth={"token": alice.token}) as there,
    ):
        ok(await there.call("user/logout"))
        await asyncio.gather(here.closed(timeout=1), there.closed(timeout=1))
        assert [push.data["reason"] for push in here.pushes] == ["session_ended"]


async def test_a_logout_by_a_token_in_the_payload_ends_that_session_and_not_the_sockets(server, alice, bob):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        ok(await socket.call("user/logout", {"token": bob.token}))
        assert ok(await socket.call("user/me"))["user_id"] == alice.id
        refused(await socket.call("user/me", {"token": bob.token}), "session_ended")


async def test_a_logout_with_login_and_password_ends_all_sessions_of_the_account(server, alice, bob, nobody):
    other = await nobody.session.login("alice", PASSWORD)
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as first,
        await RawSocket.open(server.url, auth={"token": other.token}) as second,
        await RawSocket.open(server.url) as socket,
    ):
        ok(await socket.call("user/logout", {"login": "alice", "password": PASSWORD}))
        await asyncio.gather(first.closed(timeout=1), second.closed(timeout=1))
        for token in (alice.token, other.token):
            refused(await socket.call("user/me", {"token": token}), "session_ended")
        assert ok(await socket.call("user/me", {"token": bob.token}))["user_id"] == bob.id
        ok(await socket.call("user/login", {"login": "alice", "password": PASSWORD}))


async def test_a_logout_needs_a_session_or_the_right_password(alice, bob, nobody, socket):
    refused(await socket.call("user/logout"), "unauthorized")
    with pytest.raises(InvalidCredentials):
        await nobody.session.logout("alice", WRONG)
    for half in ({"login": "alice"}, {"password": PASSWORD}):
        refused(await socket.call("user/logout", half), "invalid_payload")
    await alice.profile.me()


async def test_the_sdk_tells_those_who_wait_that_the_session_has_ended(alice, nobody):
    waiting = alice.wait_for(ConnectionChanged)
    await nobody.session.logout("alice", PASSWORD)
    with pytest.raises(SessionEnded):
        await waiting
    with pytest.raises(SessionEnded):
        await alice.profile.me()


# -- the list ----------------------------------------------------------------------------------------------------------


async def test_one_sees_where_one_is_signed_in_newest_first(server, alice, bob):
    for minutes, agent in ((1, "Firefox"), (2, "x" * 300)):
        server.clock.advance(minutes * MINUTE)
        async with await RawSocket.open(server.url, headers={"User-Agent": agent}) as socket:
            ok(await socket.call("user/login", {"login": "alice", "password": PASSWORD}))
    lines = (await alice.call("user/sessions"))["sessions"]
    assert [line["agent"] for line in lines][:2] == ["x" * 200, "Firefox"]
    assert [line["current"] for line in lines] == [False, False, True]
    assert [line["started_at"] for line in lines] == sorted((line["started_at"] for line in lines), reverse=True)
    for line in lines:
        assert line.keys() == {"session_id", "started_at", "last_seen", "agent", "current"}
        assert line["started_at"] <= line["last_seen"]
        assert line["session_id"] not in [part for token in (alice.token,) for part in token.split(".")]
    assert len(await bob.session.list()) == 1


async def test_a_token_in_the_payload_says_which_session_is_the_current_one(server, alice, nobody):
    other = (await nobody.session.login("alice", PASSWORD)).token
    by_token = {
        line["session_id"] for line in (await alice.call("user/sessions", token=other))["sessions"] if line["current"]
    }
    own = {line.session_id for line in await alice.session.list() if line.current}
    assert len(own) == len(by_token) == 1 and own != by_token


async def test_what_has_ended_is_not_listed(server, people, nobody):
    alice = await people("alice")
    for _ in range(2):
        await nobody.session.login("alice", PASSWORD)
    async with await RawSocket.open(server.url) as socket:
        token = ok(await socket.call("user/login", {"login": "alice", "password": PASSWORD}))["token"]
        ok(await socket.call("user/logout", {"token": token}))
    assert len(await alice.session.list()) == 3
    server.clock.advance(6 * DAY)
    await alice.profile.me()

    async def noted() -> bool:
        return bool(
            await server.database.fetch(
                "SELECT id FROM session WHERE last_seen_at > %s", server.clock.now() - timedelta(days=1)
            )
        )

    async with asyncio.timeout(5):
        while not await noted():
            await asyncio.sleep(0.005)
    server.clock.advance(2 * DAY)
    assert [line.current for line in await alice.session.list()] == [True], "the others have rested for 8 days"


async def test_one_ends_another_session_and_its_sockets_are_closed_at_every_server(start_server, server, alice, nobody):
    other = await start_server()
    token = (await nobody.session.login("alice", PASSWORD)).token
    [ended] = [line for line in await alice.session.list() if not line.current]
    async with (
        await RawSocket.open(server.url, auth={"token": token}) as here,
        await RawSocket.open(other.url, auth={"token": token}) as there,
        await RawSocket.open(server.url, auth={"token": alice.token}) as own,
    ):
        await alice.session.end(ended.session_id)
        await asyncio.gather(here.closed(timeout=1), there.closed(timeout=1))
        for socket in (here, there):
            assert socket.pushes[-1].data["reason"] == "session_ended"
        refused(await own.call("user/me", {"token": token}), "session_ended")
        assert [line["session_id"] for line in ok(await own.call("user/sessions"))["sessions"]] != [ended.session_id]
    with pytest.raises(NotFound):
        await alice.session.end(ended.session_id)


async def test_who_ends_the_own_session_is_answered_first(server, alice):
    [line] = await alice.session.list()
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        await socket.emit("user/end_session", {"session_id": line.session_id}, ack=77)
        await socket.closed(timeout=1)
        assert socket.frames[-3:] == [
            '4377[{"code":200,"data":{}}]',
            '42["goodbye",{"reason":"session_ended","retry_after":null}]',
            "41",
        ]


@pytest.mark.parametrize("session_id", ["x", "a" * 22, "сеанс", "'; --", "%", "_" * 22])
async def test_there_is_no_such_session(alice, session_id):
    with pytest.raises(NotFound):
        await alice.session.end(session_id)
    await alice.profile.me()


async def test_a_foreign_session_is_not_found_and_goes_on(alice, bob):
    [line] = await bob.session.list()
    with pytest.raises(NotFound):
        await alice.session.end(line.session_id)
    await bob.profile.me()


# -- time --------------------------------------------------------------------------------------------------------------


async def test_a_session_that_rests_for_7_days_has_ended(server, alice, socket):
    server.clock.advance(7 * DAY - MINUTE)
    ok(await socket.call("user/me", {"token": alice.token}))
    await alice.close()
    server.clock.advance(7 * DAY + MINUTE)
    refused(await socket.call("user/me", {"token": alice.token}), "session_ended")


async def test_a_session_ends_after_30_days_however_much_it_is_used(server, alice, socket):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as hers:
        for rest in (6 * DAY, 6 * DAY, 6 * DAY, 6 * DAY, 6 * DAY - MINUTE):
            server.clock.advance(rest)
            used_at = server.clock.now()
            ok(await hers.call("user/me"))
            async with asyncio.timeout(5):
                while await server.database.fetch("SELECT id FROM session WHERE last_seen_at < %s", used_at):
                    await asyncio.sleep(0.005)
        ok(await socket.call("user/me", {"token": alice.token}))
        server.clock.advance(2 * MINUTE)
        refused(await hers.call("user/me"), "session_ended")
        refused(await socket.call("user/me", {"token": alice.token}), "session_ended")


@pytest.mark.parametrize("days", [8, 31])
async def test_an_open_socket_is_told_when_its_session_expires(server, alice, days):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        server.clock.advance(days * DAY)
        refused(await socket.call("user/me"), "session_ended")
        await socket.closed(timeout=3)
        assert socket.pushes[-1].data == {"reason": "session_ended", "retry_after": None}


def touches(recorder: SqlRecorder) -> int:
    return len([sql for sql, *_ in recorder.statements if sql.startswith("UPDATE `session` SET `last_seen_at`")])


async def test_use_is_noted_at_most_every_10_minutes(server, alice):
    [(began,)] = await server.database.fetch("SELECT last_seen_at FROM session")
    with SqlRecorder() as recorder:
        server.clock.advance(9 * MINUTE)
        for _ in range(5):
            await alice.profile.me()
        assert touches(recorder) == 0
        server.clock.advance(2 * MINUTE)
        for _ in range(5):
            await alice.profile.me()
        await until(lambda: touches(recorder) > 0)
        await alice.profile.me()
        assert touches(recorder) == 1
    async with asyncio.timeout(5):
        while not await server.database.fetch(
            "SELECT id FROM session WHERE last_seen_at >= %s", began + timedelta(minutes=11)
        ):
            await asyncio.sleep(0.005)

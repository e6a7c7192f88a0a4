"""Attacks on tokens and sessions: forged, spelt anew, ended, expired, of another kind."""

import asyncio
import hashlib
import json
import string
from typing import Any

import aiohttp
import itsdangerous
import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ground.accounts import State, set_state, verification
from tests.ground.answers import ok, refused
from tests.ground.healthy import HealthyPair
from tests.ground.raw import RawSocket, Refused
from tests.ground.recorders import SqlRecorder
from tests.ground.strategies import SAMPLES, text, wrong_values

KEY = "a signing key of the tests, long enough to be taken"
DAY = 86_400
FOREIGN_SALTS = ["itsdangerous", "itsdangerous.Signer", "cookie-session", "", "reset", "verify", "verification", "mail"]
FOREIGN_SALTS += ["session", "cursor", "matcha42.link.verify", "matcha42.link.mail", "matcha42.cursor", "matcha42."]


async def _connect_error(server: Any, token: Any) -> dict[str, Any]:
    with pytest.raises(Refused) as refusal:
        await RawSocket.open(server.url, auth={"token": token})
    assert refusal.value.error["message"] == refusal.value.error["data"]["error"]["name"]
    data: dict[str, Any] = refusal.value.error["data"]
    return data


async def _over_http(server: Any, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(server.url + "/api/research", headers=headers) as reply:
        answer: dict[str, Any] = await reply.json()
        assert reply.status == answer["code"]
        return answer


async def _refused_everywhere(server: Any, token: str, *names: str) -> None:
    refused(await _connect_error(server, token), *names)
    refused(await _over_http(server, token), *names)
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/me", {"token": token}), *names)
        refused(await socket.call("user/me"), "unauthorized")


async def _is_told_and_closed(socket: RawSocket) -> None:
    """The end of a session: goodbye, DISCONNECT, close; in this order."""
    await socket.closed(2)
    goodbyes = [push.data for push in socket.pushes if push.event == "goodbye"]
    assert [goodbye["reason"] for goodbye in goodbyes] == ["session_ended"]
    assert socket.pushes[-1].event == "goodbye" and socket.parted == ["/"]


async def _log_in(server: Any, person: Any) -> str:
    async with await RawSocket.open(server.url) as socket:
        login = {"login": person.login, "password": person.password}
        token: str = ok(await socket.call("user/login", login))["token"]
        return token


# R23: a token is good for one thing


@pytest.mark.config(session={"keys": [KEY]})
async def test_forged_tokens_are_refused_alike(server: Any, dial: Any, alice: Any) -> None:
    """R23: unsigned, cut, of another salt, key or digest, compressed, endless: one answer for all of them."""
    assert ok(await _over_http(server, alice.token)) is not None
    forged = _forgeries(alice.token)
    assert len(forged) > 40
    socket, answers = await dial(), set()
    for token in forged:
        answers.add(json.dumps(await socket.call("user/me", {"token": token}), sort_keys=True))
    assert len(answers) == 1, answers
    refused(json.loads(answers.pop()), "unauthorized")
    seen = {json.dumps(await _connect_error(server, token), sort_keys=True) for token in forged[::5]}
    assert len(seen) == 1, seen
    for token in [token for token in forged if token.isascii() and token.isprintable()][::10]:
        refused(await _over_http(server, token[:4000]), "unauthorized")


def _forgeries(token: str) -> list[str]:
    forged = ["x", ".", "..", "...", "None", "null", "\N{SNOWMAN}", "x" * 60_000, *_mangled(token)]
    for salt in FOREIGN_SALTS:
        for signer in (itsdangerous.URLSafeTimedSerializer, itsdangerous.URLSafeSerializer):
            for derivation in ("django-concat", "hmac", "none"):
                options = {"digest_method": hashlib.sha256, "key_derivation": derivation}
                serializer = signer(KEY, salt=salt, signer_kwargs=options)
                _, content = serializer.loads_unsafe(token)
                forged.append(serializer.dumps(content))
    stranger = itsdangerous.URLSafeTimedSerializer("another key", salt="matcha42.session")
    forged.append(stranger.dumps(stranger.loads_unsafe(token)[1]))
    return forged


def _mangled(token: str) -> list[str]:
    parts = token.split(".")
    mangled = [token[:-1], token[1:], "." + token, token + ".", token + "x", " " + token, token + " ", token + "\n"]
    mangled += [token + "\0", token.swapcase(), token[::-1], token * 2, "Bearer " + token, ".".join(reversed(parts))]
    mangled += [".".join(parts[:-1]), ".".join(parts[:-1]) + "."]
    mangled += [".".join([*parts[:at], "!" + part[1:], *parts[at + 1 :]]) for at, part in enumerate(parts)]
    return mangled + [".".join([*parts[:at], "", *parts[at + 1 :]]) for at in range(len(parts))]


async def test_a_token_from_the_future_is_refused(server: Any, dial: Any, alice: Any) -> None:
    """R23: a token dated a day ahead of the server's clock opens nothing."""
    server.clock.advance(-DAY)
    await _refused_everywhere(server, alice.token, "unauthorized", "session_ended")


async def test_servers_whose_clocks_differ_by_seconds_know_each_others_tokens(server: Any, alice: Any) -> None:
    """R23: what another process signed three seconds "later" is good: no two clocks are the same."""
    server.clock.advance(-3)
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        assert ok(await socket.call("user/me"))["user_id"] == alice.id


async def test_a_link_is_no_session_and_a_session_is_no_link(server: Any, dial: Any, alice: Any) -> None:
    """R23: each kind of token at the other's place."""
    socket = await dial()
    fields = {"login": "newcomer", "mail": "newcomer@example.org", "password": "correct horse battery"}
    ok(await socket.call("user/registr", fields | {"first_name": "New", "last_name": "Comer"}))
    link = verification(await server.mails.wait_for("newcomer@example.org"))
    await _refused_everywhere(server, link["ver_id"], "unauthorized")
    for ver_id in (alice.token, alice.token.split(".")[0], link["ver_id"][:-1], link["ver_id"] + "x", "x" * 900):
        refused(await socket.call("user/verification", link | {"ver_id": ver_id}), "invalid_link")
    refused(await socket.call("user/verification", link | {"login": alice.login}), "invalid_link")
    refused(await socket.call("user/login", {"login": "newcomer", "password": fields["password"]}), "not_verified")
    ok(await socket.call("user/verification", link))
    refused(await socket.call("user/verification", link), "invalid_link")


async def test_nothing_that_is_told_holds_a_token(server: Any, dial: Any, people: Any) -> None:
    """R23: neither a link nor a session of somebody shows up in an answer, but for the login's own."""
    anna = await people("anna")
    socket = await dial(anna)
    for event in ("user/me", "user/connections", "research"):
        assert anna.token not in json.dumps(await socket.call(event))
    answer = await socket.call(
        "user/registr",
        {"login": "boris", "mail": "boris@example.org", "password": "correct horse battery"}
        | {"first_name": "Boris", "last_name": "Orlov"},
    )
    assert set(ok(answer)) == {"user_id"}


async def test_no_secret_is_logged(server: Any, dial: Any, connected: Any) -> None:
    """R23: at the most talkative level, the log holds no password, token, link, mail or message."""
    alice, bob = connected
    socket, anonymous = await dial(alice), await dial()
    fields = {"login": "newcomer", "mail": "canary-mail@example.org", "password": "canary password of one"}
    ok(await anonymous.call("user/registr", fields | {"first_name": "Canary-first", "last_name": "Canary-last"}))
    link = verification(await server.mails.wait_for("canary-mail@example.org"))
    ok(await anonymous.call("user/verification", link))
    token = ok(await anonymous.call("user/login", {"login": "newcomer", "password": fields["password"]}))["token"]
    refused(await anonymous.call("user/login", {"login": "newcomer", "password": "canary wrong password"}), *_WRONG)
    refused(await anonymous.call("user/save_profile", {"description": ["canary description"]}), "invalid_payload")
    ok(await socket.call("message/send", {"target_user_id": bob.id, "random_id": 1, "message": "canary message"}))
    with pytest.raises(Refused):
        await dial(auth={"token": "canary-token"})
    refused(await _over_http(server, "canary-bearer"), "unauthorized")
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in server.log)
    assert server.log
    assert "canary" not in logged.casefold()
    assert not [secret for secret in (token, alice.token, link["ver_id"], alice.mail) if secret in logged]


_WRONG = ("invalid_credentials",)


# R26, R27: a session that ended has ended


async def test_a_logout_ends_the_session_everywhere(server: Any, dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R26: on this socket, on another one of the same session, in payloads, over HTTP, and after Redis forgot all."""
    socket, other, elsewhere = await dial(mallory), await dial(mallory), await _log_in(server, mallory)
    anonymous = await dial()
    assert ok(await anonymous.call("user/me", {"token": mallory.token}))["user_id"] == mallory.id
    ok(await socket.call("user/logout"))
    await _is_told_and_closed(socket)
    await _is_told_and_closed(other)
    refused(await anonymous.call("user/me", {"token": mallory.token}), "session_ended")
    await _refused_everywhere(server, mallory.token, "session_ended")
    await _forget_everything(server.redis_url)
    await _refused_everywhere(server, mallory.token, "session_ended")
    assert ok(await _over_http(server, elsewhere)) is not None, "another session of the same person ended too"


async def _forget_everything(redis_url: str) -> None:
    client = redis.asyncio.from_url(redis_url)
    try:
        await client.flushall()
    finally:
        await client.aclose()


async def test_ending_another_session_from_a_socket_leaves_the_socket(
    dial: Any, healthy: HealthyPair, mallory: Any, carol: Any
) -> None:
    """R26: a logout by a token in the payload ends what the token names, and that alone."""
    socket, other = await dial(mallory), await dial(carol)
    ok(await socket.call("user/logout", {"token": carol.token}))
    await _is_told_and_closed(other)
    assert ok(await socket.call("user/me"))["user_id"] == mallory.id
    login = {"login": mallory.login, "password": mallory.password}
    assert ok(await socket.call("user/login", login))["token"] != mallory.token
    refused(await socket.call("user/me", {"token": carol.token}), "session_ended")
    assert ok(await socket.call("user/me"))["user_id"] == mallory.id


async def test_an_ended_session_is_ended_in_every_spelling(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R27: base64 has several spellings of one signature; none brings a session back."""
    token = mallory.token
    ok(await (await dial(mallory)).call("user/logout"))
    socket, alphabet = await dial(), string.ascii_letters + string.digits + "-_"
    spelt = [token[:-1] + letter for letter in alphabet] + [token + "=" * count for count in (1, 2, 3)]
    middle = len(token) - len(token.split(".")[-1]) // 2  # of the signature
    spelt += [token[:middle] + odd + token[middle:] for odd in ("!!!!", "____", "\n", " ")]
    spelt += [token.replace("-", "+").replace("_", "/"), token.upper(), token + "\0"]
    for other in spelt:
        refused(await socket.call("user/me", {"token": other}), "unauthorized", "session_ended")
    refused(await socket.call("user/me", {"token": token}), "session_ended")


async def test_other_spellings_of_a_living_session_can_be_ended_too(
    dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R27: whoever got in by another spelling goes with the session."""
    sockets = []
    for letter in string.ascii_letters + string.digits + "-_":
        try:
            sockets.append(await dial(auth={"token": mallory.token[:-1] + letter}))
        except Refused:
            continue
    assert sockets, "the token itself is among them"
    ok(await sockets[0].call("user/logout"))
    for socket in sockets:
        await _is_told_and_closed(socket)


# R28: all sessions at once


async def test_ending_all_sessions_spares_none_and_not_the_next(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R28: tokens of the same second: those from before are dead, the one after lives."""
    tokens = [mallory.token, *[await _log_in(server, mallory) for _ in range(3)]]
    sockets = [await dial(auth={"token": token}) for token in tokens]
    anonymous = await dial()
    ok(await anonymous.call("user/logout", {"login": mallory.login, "password": mallory.password}))
    for socket in sockets:
        await _is_told_and_closed(socket)
    after = await _log_in(server, mallory)
    for token in tokens:
        await _refused_everywhere(server, token, "session_ended")
    assert ok(await (await dial(auth={"token": after})).call("user/me"))["user_id"] == mallory.id


async def test_ending_all_sessions_takes_the_right_password(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R28: a wrong password, or another one's, ends nothing."""
    anonymous, socket = await dial(), await dial(mallory)
    for login, password in ((mallory.login, "wrong password"), ("nobody-here", mallory.password)):
        refused(await anonymous.call("user/logout", {"login": login, "password": password}), "invalid_credentials")
    assert ok(await socket.call("user/me"))["user_id"] == mallory.id


# R29: a banned or deleted account loses everything at once


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name.lower())
async def test_a_disabled_account_loses_everything_at_once(
    server: Any, dial: Any, connected: Any, state: State
) -> None:
    """R29: the open socket closes, no event runs, nothing is delivered, no door opens again."""
    alice, bob = connected
    socket, writer = await dial(alice), await dial(bob)
    message = {"target_user_id": alice.id, "random_id": 1, "message": "before"}
    ok(await writer.call("message/send", message))
    await socket.push("message/new")
    await set_state(server, alice, state)
    refused(await writer.call("message/send", message | {"random_id": 2, "message": "a word too late"}), "not_found")
    await socket.closed(3)
    assert "a word too late" not in str(socket.pushes)
    refused(await _connect_error(server, alice.token), "session_ended", "unauthorized")
    refused(await _over_http(server, alice.token), "session_ended", "unauthorized")
    anonymous = await dial()
    refused(await anonymous.call("user/me", {"token": alice.token}), "session_ended", "unauthorized")
    login = {"login": alice.login, "password": alice.password}
    refused(await anonymous.call("user/login", login), "invalid_credentials", "forbidden")
    assert not await server.database.fetch("SELECT 1 FROM message WHERE body = %s", "a word too late")


async def test_events_in_flight_when_an_account_is_disabled_change_nothing_after(
    server: Any, dial: Any, connected: Any
) -> None:
    """R29: whatever was sent after the ban was committed is not done, also on a socket that is still open."""
    alice, bob = connected
    socket = await dial(alice)
    assert ok(await socket.call("user/me"))["user_id"] == alice.id
    await set_state(server, alice, State.BANNED)
    payload = {"target_user_id": bob.id, "random_id": 5, "message": "from beyond"}
    calls = [socket.call_or_close("message/send", payload | {"random_id": number}) for number in range(5)]
    for answer in filter(None, await asyncio.gather(*calls)):
        refused(answer, "session_ended", "unauthorized")
    await socket.closed(3)
    assert not await server.database.fetch("SELECT 1 FROM message WHERE body = %s", "from beyond")


# R30: lifetimes count on an open socket too


@pytest.mark.parametrize("rests", [[8], [5] * 6], ids=["idle", "absolute"])
async def test_a_session_expires_on_its_open_socket(server: Any, dial: Any, alice: Any, rests: list[int]) -> None:
    """R30: after 7 days without use, or after 30 in all, the next event is refused and the socket closes."""
    socket = await dial(alice)
    for days in rests[:-1]:
        server.clock.advance(days * DAY)
        ok(await socket.call("user/me"))
    server.clock.advance(rests[-1] * DAY)
    answer = await socket.call_or_close("user/me")
    if answer is not None:
        refused(answer, "session_ended")
    await _is_told_and_closed(socket)
    await _refused_everywhere(server, alice.token, "session_ended")


async def test_a_session_in_use_does_not_idle_out(server: Any, dial: Any, alice: Any) -> None:
    """R30: six days of rest are allowed, as often as one likes within thirty days."""
    socket = await dial(alice)
    for _ in range(4):
        server.clock.advance(6 * DAY)
        assert ok(await socket.call("user/me"))["user_id"] == alice.id


# R32: types are checked at the door


async def test_wrong_types_never_reach_the_database(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R32: `0 = 'text'` is true in SQL; so nothing but text comes near it where text belongs."""
    anonymous, socket = await dial(), await dial(mallory)
    with SqlRecorder() as recorder:
        for event in ("user/login", "user/logout", "user/registr", "user/verification", "user/connect"):
            sample = SAMPLES[event].required or SAMPLES[event].optional
            caller = socket if event in ("user/connect", "user/logout") else anonymous
            for name, example in sample.items():
                for value in wrong_values(name, example):
                    body = text([event, sample | {name: value}])
                    refused(await caller.call_raw(body), "invalid_payload")
        for pair in ({"login": 0, "password": 0}, {"login": True, "password": True}, {"login": [], "password": {}}):
            refused(await anonymous.call("user/login", pair), "invalid_payload")
            refused(await anonymous.call("user/logout", pair), "invalid_payload", "unauthorized")
    touched = [statement for statement in recorder.statements if "`login`=" in statement.sql.replace(" ", "")]
    assert not touched, f"an account was looked for: {touched[:3]}"
    assert not [statement for statement in recorder.statements if "INSERT INTO `account`" in statement.sql]


async def test_a_token_is_text_or_nothing(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R32: a token of another type is no token; nor does one make an id of another type right."""
    anonymous = await dial()
    for token in (0, 1, True, False, 1.5, [], [mallory.token], {}, {"token": mallory.token}):
        refused(await anonymous.call("user/me", {"token": token}), "unauthorized", "invalid_payload")
    for user_id in (
        "0",
        str(mallory.id),
        [mallory.id],
        {},
        True,
        0,
        -1,
        float(mallory.id),
        mallory.id + 1,
        2**53,
        10**30,
    ):
        payload = {"token": mallory.token, "user_id": user_id}
        refused(await anonymous.call("user/me", payload), "unauthorized", "invalid_payload")
    assert ok(await anonymous.call("user/me", {"token": mallory.token, "user_id": mallory.id}))["user_id"] == mallory.id


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(junk=st.text(max_size=80))
async def test_any_text_as_a_token_is_unauthorized(server: Any, junk: str) -> None:
    """R23: whatever text: the one answer, and no error of ours."""
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/me", {"token": junk}), "unauthorized", "invalid_payload")

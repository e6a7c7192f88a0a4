"""Limits: how much one address, account, person or pair may do; what is tried again, or was right, costs nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from client_sdk import RateLimited
from server.app import SERVICES
from server.outside.passwords import Passwords
from tests.ground.accounts import reset_id
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.recorders import SqlRecorder
from tests.ground.server import PASSWORD, Person, RunningServer

MINUTE, HOUR = 60, 3600
WRONG = "wrong horse battery"
Dial = Callable[..., Awaitable[RawSocket]]


def limits(**limits: float) -> Any:
    """The limits as they are by default but for these, and a proxy that tells addresses."""
    return pytest.mark.config(limits={"scale": 1} | limits, server={"proxies": ["127.0.0.1"]})


@pytest_asyncio.fixture
async def dial(server: RunningServer) -> AsyncIterator[Dial]:
    """`await dial("10.0.0.1")` opens a socket from that address; with a person, signed in."""
    async with AsyncExitStack() as sockets:

        async def open_from(address: str, person: Person | None = None, url: str = server.url) -> RawSocket:
            options: dict[str, Any] = {"auth": {"token": person.token}} if person else {}
            socket = await RawSocket.open(url, headers={"X-Forwarded-For": address}, **options)
            return await sockets.enter_async_context(socket)

        yield open_from


def sign_in(socket: RawSocket, login: str, password: str = PASSWORD) -> Awaitable[dict[str, Any]]:
    return socket.call("user/login", {"login": login, "password": password})


def register(socket: RawSocket, login: str, **fields: Any) -> Awaitable[dict[str, Any]]:
    names = {"first_name": "Some", "last_name": "Body"}
    told = {"login": login, "mail": f"{login}@example.org", "password": PASSWORD} | names | fields
    return socket.call("user/registr", told)


def limited(answer: dict[str, Any], least: float, most: float) -> None:
    assert answer["code"] == 429
    assert least <= refused(answer, "rate_limited")["retry_after"] <= most


# -- passwords ---------------------------------------------------------------------------------------------------------


@limits()
async def test_from_one_address_10_wrong_passwords_are_tried_in_5_minutes(server, dial, alice):
    socket = await dial("10.0.0.1")
    for n in range(10):
        refused(await sign_in(socket, f"nobody{n}", WRONG), "invalid_credentials")
    limited(await sign_in(socket, "alice"), 295, 300)
    limited(await sign_in(await dial("10.0.0.1"), "alice"), 295, 300)
    ok(await sign_in(await dial("10.0.0.2"), "alice"))
    server.clock.advance(5 * MINUTE + 1)
    ok(await sign_in(socket, "alice"))


@limits()
@pytest.mark.parametrize(("name", "spelt"), [("alice", "ALICE"), ("alice@example.org", "Alice@Example.org")])
async def test_of_one_account_10_wrong_passwords_are_tried_in_an_hour_from_wherever(
    server, dial, alice, bob, name, spelt
):
    for n in range(10):
        refused(await sign_in(await dial(f"10.0.0.{n}"), (name, spelt)[n % 2], WRONG), "invalid_credentials")
    elsewhere = await dial("10.0.1.1")
    limited(await sign_in(elsewhere, name), HOUR - 5, HOUR)
    limited(await sign_in(elsewhere, spelt), HOUR - 5, HOUR)
    ok(await sign_in(elsewhere, "bob"))
    server.clock.advance(HOUR + 1)
    ok(await sign_in(elsewhere, name))


@limits()
async def test_the_limit_does_not_tell_that_a_login_and_an_address_belong_together(dial, alice, bob):
    for n in range(11):
        await sign_in(await dial(f"10.0.0.{n}"), "alice", WRONG)
    elsewhere = await dial("10.0.1.1")
    answers = [await sign_in(elsewhere, f"{login}@example.org", WRONG) for login in ("alice", "bob", "nobody")]
    assert {refused(answer, "invalid_credentials")["message"] for answer in answers} == {"Login or password is wrong."}


@limits()
async def test_strangers_do_not_lock_the_owner_out_where_the_owner_signed_in_before(server, dial, alice):
    ok(await sign_in(await dial("10.0.0.200"), "alice"))
    for n in range(12):
        await sign_in(await dial(f"10.0.0.{n}"), "alice", WRONG)
    limited(await sign_in(await dial("10.0.0.100"), "alice"), HOUR - 5, HOUR)
    ok(await sign_in(await dial("10.0.0.200"), "alice"))
    ok(await sign_in(await dial("127.0.0.1"), "alice"))


@limits()
async def test_a_right_password_is_never_counted(dial, alice):
    socket = await dial("10.0.0.1")
    for n in range(18):
        if n % 2:
            ok(await sign_in(socket, "alice"))
        else:
            refused(await sign_in(socket, "alice", WRONG), "invalid_credentials")
    refused(await sign_in(await dial("10.0.0.1"), "alice", WRONG), "invalid_credentials")
    limited(await sign_in(await dial("10.0.0.1"), "alice", WRONG), 290, 300)


@limits(login_failures_address=3)
@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("user/login", {"login": "alice", "password": WRONG}),
        ("user/logout", {"login": "alice", "password": WRONG}),
        ("user/save_profile", {"login": "alice", "password": WRONG, "age": 30}),
        ("user/save_profile", {"new_login": "alicia", "old_pass": WRONG}),
        ("user/save_profile", {"new_mail": "alicia@example.org", "old_pass": WRONG}),
        ("user/reset_pass", {"new_pass": "another horse battery", "old_pass": WRONG}),
    ],
)
async def test_wrong_passwords_count_whatever_they_are_given_for(dial, alice, event, payload):
    socket = await dial("10.0.0.1", alice)
    for _ in range(3):
        refused(await socket.call(event, payload), "invalid_credentials")
    limited(await socket.call(event, payload), 295, 300)
    limited(await sign_in(await dial("10.0.0.1"), "alice"), 295, 300)


@pytest.mark.config(
    limits={"scale": 1, "sockets_anonymous": 200}, server={"proxies": ["127.0.0.1"]}, redis={"timeout": 10.0}
)
async def test_of_100_wrong_passwords_at_once_10_are_checked(start_server, server, dial, alice, monkeypatch):
    checked = []
    verify = Passwords.verify

    async def counted(self: Passwords, password_hash: str | None, password: str) -> bool:
        checked.append(password)
        return await verify(self, password_hash, password)

    monkeypatch.setattr(Passwords, "verify", counted)
    urls = [server.url, (await start_server()).url]
    sockets = [await dial("10.0.0.1", url=urls[n % 2]) for n in range(100)]
    answers = await asyncio.gather(*(sign_in(socket, "alice", WRONG) for socket in sockets))
    codes = [answer["code"] for answer in answers]
    assert (len(checked), codes.count(400), codes.count(429)) == (10, 10, 90)


# -- registrations and mails -------------------------------------------------------------------------------------------


@limits()
async def test_from_one_address_10_register_in_half_an_hour(server, dial):
    socket = await dial("10.0.0.1")
    for n in range(9):
        ok(await register(socket, f"somebody{n}"))
    refused(await register(socket, "somebody0"), "already_exists")  # which counts: it tells something
    limited(await register(socket, "somebody9"), 1795, 1800)
    ok(await register(await dial("10.0.0.2"), "somebody9"))
    server.clock.advance(30 * MINUTE + 1)
    ok(await register(socket, "somebody10"))


@limits()
async def test_what_is_wrong_at_first_sight_is_no_registration(dial):
    socket = await dial("10.0.0.1")
    for _ in range(12):
        refused(await register(socket, "somebody", password="password123"), "invalid_payload")
    ok(await register(socket, "somebody"))


async def mailed(server: RunningServer) -> list[str]:
    """Return who was mailed to, when all has been sent."""
    async with asyncio.timeout(5):
        while True:
            if not await server.database.fetch("SELECT id FROM outbox"):
                return sorted(mail["To"] for mail in server.mails.unread())
            await asyncio.sleep(0.005)


@limits()
async def test_to_one_mailbox_go_5_mails_in_half_an_hour_and_nobody_is_told(server, dial):
    for n in range(7):
        ok(await register(await dial(f"10.0.0.{n}"), f"somebody{n}", mail=["a@example.org", "A@Example.org"][n % 2]))
    assert await mailed(server) == ["a@example.org"] * 5
    server.clock.advance(30 * MINUTE + 1)
    ok(await register(await dial("10.0.0.1"), "somebody8", mail="a@example.org"))
    assert await mailed(server) == ["a@example.org"] * 6


@limits()
@pytest.mark.parametrize("event", ["user/forgot_pass", "user/resend_verification"])
async def test_a_link_is_asked_for_5_times_in_half_an_hour_and_who_asks_more_is_not_told(server, dial, people, event):
    if event == "user/forgot_pass":
        await people("alice")
    else:
        ok(await register(await dial("10.0.0.100"), "alice"))
    await mailed(server)
    for n in range(7):
        spelt = ["alice@example.org", "ALICE@example.org"][n % 2]
        assert ok(await (await dial(f"10.0.0.{n}")).call(event, {"mail": spelt})) == {}
    assert len(await mailed(server)) <= 5
    server.clock.advance(30 * MINUTE + 1)
    before = len(await mailed(server))
    ok(await (await dial("10.0.0.1")).call(event, {"mail": "alice@example.org"}))
    assert len(await mailed(server)) == before + 1


@limits()
async def test_from_one_address_25_links_are_asked_for_in_5_minutes_whoever_they_are_for(server, dial):
    socket = await dial("10.0.0.1")
    for n in range(30):
        assert ok(await socket.call("user/forgot_pass", {"mail": f"nobody{n}@example.org"})) == {}
    await mailed(server)
    hits = await server.app[SERVICES].windows._redis.zcard("window:mail:address:10.0.0.1")
    assert hits == 25


@limits()
async def test_strangers_who_ask_for_links_do_not_keep_the_owner_from_a_new_password(server, dial, alice):
    for n in range(7):
        ok(await (await dial(f"10.0.0.{n}")).call("user/forgot_pass", {"mail": alice.mail}))
    socket = await dial("127.0.0.1", alice)
    words = [PASSWORD, *(f"horse battery staple {n}" for n in range(6))]
    for n in range(5):
        ok(await socket.call("user/reset_pass", {"old_pass": words[n], "new_pass": words[n + 1]}))
    answer = await socket.call("user/reset_pass", {"old_pass": words[5], "new_pass": words[6]})
    limited(answer, 1700, 1800)
    ok(await sign_in(await dial("10.0.0.1"), "alice", words[5]))


@limits()
async def test_who_came_by_a_link_is_not_kept_out_by_strangers_who_guess(server, dial, alice):
    for n in range(11):
        await sign_in(await dial(f"10.0.0.{n}"), "alice", WRONG)
    owner = await dial("10.0.1.1")
    limited(await sign_in(owner, "alice"), HOUR - 5, HOUR)
    ok(await owner.call("user/forgot_pass", {"mail": alice.mail}))
    secret = reset_id(await server.mails.wait_for(alice.mail))
    ok(await owner.call("user/reset_pass", {"reset_id": secret, "new_pass": "horse battery staple"}))
    ok(await sign_in(owner, "alice", "horse battery staple"))


@limits(mails_address=3)
async def test_from_one_address_so_many_mails_are_asked_for(server, dial):
    for n in range(5):
        ok(await register(await dial("10.0.0.1"), f"somebody{n}"))
    ok(await register(await dial("10.0.0.2"), "elsewhere"))
    assert await mailed(server) == ["elsewhere@example.org", *(f"somebody{n}@example.org" for n in range(3))]
    server.clock.advance(5 * MINUTE + 1)
    ok(await register(await dial("10.0.0.1"), "later"))
    assert "later@example.org" in await mailed(server)


@pytest.mark.config(limits={"scale": 1, "registrations": 2})
async def test_an_address_is_not_believed_unless_a_listed_proxy_tells_it(server, dial):
    for n in range(2):
        ok(await register(await dial(f"10.0.0.{n}"), f"somebody{n}"))
    limited(await register(await dial("10.0.0.3"), "somebody3"), 1795, 1800)


@limits(registrations=2)
async def test_one_household_is_one_address(server, dial):
    for n in range(2):
        ok(await register(await dial(f"2001:db8::{n + 1}"), f"somebody{n}"))
    limited(await register(await dial("2001:db8::ffff:3"), "somebody3"), 1795, 1800)
    ok(await register(await dial("2001:db8:0:1::1"), "somebody4"))


@pytest.mark.config(limits={"scale": 2.5, "registrations": 2})
async def test_scale_multiplies(dial):
    for n in range(5):
        ok(await register(await dial("127.0.0.1"), f"somebody{n}"))
    limited(await register(await dial("127.0.0.1"), "somebody5"), 1795, 1800)


# -- a day -------------------------------------------------------------------------------------------------------------


@limits(likes_day=2)
async def test_likes_are_so_many_a_day_and_repeats_cost_nothing(server, alice, bob, carol, mallory):
    for _ in range(5):
        await alice.relation.like(bob.id)
        await alice.relation.connect("carol")
    with pytest.raises(RateLimited) as refusal:
        await alice.relation.like(mallory.id)
    assert 11 * HOUR < refusal.value.retry_after <= 12 * HOUR  # it is noon
    await alice.relation.like(bob.id)
    await bob.relation.like(alice.id)
    server.clock.advance(12 * HOUR)
    await alice.relation.like(mallory.id)


@limits(likes_day=1)
async def test_who_comes_back_when_told_to_is_not_too_early(server, alice, bob, carol):
    await alice.relation.like(bob.id)
    server.clock.advance(0.7 - server.clock.time() % 1)
    with pytest.raises(RateLimited) as refusal:
        await alice.relation.like(carol.id)
    server.clock.advance(refusal.value.retry_after)
    await alice.relation.like(carol.id)


@limits()
async def test_one_person_is_liked_anew_3_times_a_day(server, alice, bob, carol):
    for again in (alice.relation.like, alice.relation.like, lambda _: alice.relation.connect("bob")):
        for _ in range(3):
            await again(bob.id)
        await alice.relation.unlike(bob.id)
    for wish in (alice.relation.like(bob.id), alice.relation.connect("bob")):
        with pytest.raises(RateLimited):
            await wish
    await alice.relation.like(carol.id)
    await bob.relation.like(alice.id)
    assert not (await bob.profile.get(alice.id)).connected
    server.clock.advance(12 * HOUR)
    assert (await alice.relation.like(bob.id)).connected


@limits(profiles_day=3)
async def test_profiles_are_looked_at_so_many_times_a_day(server, alice, bob):
    for _ in range(3):
        await alice.profile.get(bob.id)
    with pytest.raises(RateLimited) as refusal:
        await alice.profile.get(bob.id)
    assert 11 * HOUR < refusal.value.retry_after <= 12 * HOUR
    await bob.profile.get(alice.id)
    server.clock.advance(12 * HOUR)
    await alice.profile.get(bob.id)


# -- floods ------------------------------------------------------------------------------------------------------------


@limits(message_burst=5, message_rate=0.001)
async def test_messages_of_one_person_come_in_bursts_and_repeats_cost_nothing(connected, dial):
    alice, bob = connected
    sent = [await alice.message.send(bob.id, f"{n}", random_id=n) for n in range(5)]
    other = await dial("10.0.0.1", alice)
    message = {"target_user_id": bob.id, "random_id": 5, "message": "5"}
    limited(await other.call("message/send", message), 900, 1000)
    assert await alice.message.send(bob.id, "4", random_id=4) == sent[4]
    assert [message.message for message in await bob.message.history(alice.id)] == ["4", "3", "2", "1", "0"]
    assert (await bob.message.send(alice.id, "here I am")).seq == 6


@limits(socket_burst=600)
async def test_one_person_searches_20_times_a_minute_on_all_sockets(dial, alice, bob):
    sockets = [await dial("10.0.0.1", alice), await dial("10.0.0.2", alice)]
    for n in range(20):
        ok(await sockets[n % 2].call("research"))
    limited(await sockets[0].call("research"), 1, 3)
    await bob.research.search()


@limits(socket_burst=15)
async def test_an_event_costs_what_it_costs_us_and_a_handshake_leaves_the_burst_whole(dial):
    socket = await dial("10.0.0.1")
    answers = await asyncio.gather(*(sign_in(socket, "nobody", WRONG) for _ in range(6)))
    assert [answer["code"] for answer in answers] == [400] * 5 + [429]


@limits(socket_burst=5, socket_rate=0.1)
async def test_an_address_floods_no_more_over_http_than_on_sockets(server):
    async def ask(http: aiohttp.ClientSession, address: str) -> int:
        async with http.get(f"{server.url}/api/user/me", headers={"X-Forwarded-For": address}) as response:
            return response.status

    async with aiohttp.ClientSession() as http:
        statuses = [await ask(http, "10.0.0.1") for _ in range(60)]
        assert statuses == [401] * 50 + [429] * 10
        assert await ask(http, "10.0.0.2") == 401


async def test_when_too_many_passwords_are_being_checked_others_are_told_before_anything_is_done(server, dial, alice):
    socket, passwords = await dial("10.0.0.1", alice), server.app[SERVICES].passwords
    passwords._room, room = 0, passwords._room
    with SqlRecorder() as recorder:
        answer = await socket.call("user/login", {"login": "alice", "password": PASSWORD})
    assert refused(answer, "unavailable")["retry_after"] == 5
    assert not [statement for statement in recorder.statements if "password_hash" in statement.sql]
    passwords._room = room
    ok(await socket.call("user/login", {"login": "alice", "password": PASSWORD}))


# -- without Redis -----------------------------------------------------------------------------------------------------


async def test_without_redis_what_must_be_counted_is_refused_in_time_and_nothing_is_done(server, dial, alice):
    before = await server.database.fetch("SELECT id, mail FROM account")
    payloads = {
        "user/login": {"login": "alice", "password": PASSWORD},
        "user/logout": {"login": "alice", "password": PASSWORD},
        "user/registr": {"login": "bob", "mail": "bob@example.org", "password": PASSWORD}
        | {"first_name": "Bob", "last_name": "Example"},
        "user/save_profile": {"new_mail": "alicia@example.org", "old_pass": PASSWORD},
        "user/reset_pass": {"old_pass": PASSWORD, "new_pass": "another horse battery"},
        "user/forgot_pass": {"mail": "alice@example.org"},
        "user/resend_verification": {"mail": "alice@example.org"},
    }
    sockets = {event: await dial("10.0.0.1", alice) for event in payloads}
    async with server.redis_down():
        started = time.monotonic()
        answers = await asyncio.gather(*(sockets[event].call(event, payload) for event, payload in payloads.items()))
        assert time.monotonic() - started < 2
        for answer in answers:
            assert refused(answer, "unavailable")["retry_after"] >= 1
        await alice.profile.save(description="chat and all else go on")
    assert await server.database.fetch("SELECT id, mail FROM account") == before
    for event in ("user/login", "user/registr", "user/save_profile"):
        ok(await sockets[event].call(event, payloads[event]))

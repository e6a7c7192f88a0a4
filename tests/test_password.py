"""Passwords: forgotten ones, and new ones by a mailed link or by the old password."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from client_sdk import (
    Client,
    InvalidCredentials,
    InvalidLink,
    InvalidPayload,
    NotVerified,
    SessionEnded,
    Unauthorized,
)
from server.outside.mail import Mailer
from tests.ground.accounts import State, reset_id, set_state, text_of, verification
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.recorders import SqlRecorder
from tests.ground.server import PASSWORD, Person, RunningServer
from tests.ground.waiting import until_mailed

MINUTE = 60
NEW, NEWER, WRONG = "horse battery staple", "battery staple correct", "wrong horse battery"
Ask = Callable[[Person], Awaitable[str]]


@pytest_asyncio.fixture
async def nobody(server: RunningServer) -> AsyncIterator[Client]:
    """An anonymous client."""
    async with Client(server.url) as client:
        yield client


@pytest_asyncio.fixture
async def ask(server: RunningServer, nobody: Client) -> Ask:
    """`await ask(person)` returns the secret of the link that somebody who forgot the password is mailed."""

    async def forget(person: Person) -> str:
        await nobody.account.forgot_password(person.mail)
        return reset_id(await server.mails.wait_for(person.mail))

    return forget


async def register(client: Client, login: str, mail: str | None = None) -> int:
    return await client.account.register(login, mail or f"{login}@example.org", PASSWORD, login.capitalize(), "Example")


# -- forgotten ---------------------------------------------------------------------------------------------------------


async def test_a_mailed_link_replaces_a_forgotten_password(server, alice, nobody, ask):
    await nobody.account.reset_password(NEW, reset_id=await ask(alice))
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("alice", PASSWORD)
    assert (await nobody.session.login("alice", NEW)).user_id == alice.id


async def test_it_can_be_done_without_a_socket(server, alice):
    async with aiohttp.ClientSession() as http:

        async def post(event: str, **payload: Any) -> dict[str, Any]:
            async with http.post(f"{server.url}/api/{event}", json=payload) as reply:
                answer: dict[str, Any] = await reply.json()
                return answer

        assert ok(await post("user/forgot_pass", mail=alice.mail)) == {}
        link = reset_id(await server.mails.wait_for(alice.mail))
        assert ok(await post("user/reset_pass", reset_id=link, new_pass=NEW)) == {}
        ok(await post("user/login", login="alice", password=NEW))
        refused(await post("user/reset_pass", reset_id=link, new_pass=NEWER), "invalid_link")


@pytest.mark.parametrize("spelt", ["SAM@example.org", "Sam@Example.ORG", "ſam@example.org"])  # a long s
async def test_the_mail_goes_to_the_address_as_it_was_registered(server, people, nobody, spelt):
    await people("sam")
    await nobody.account.forgot_password(spelt)
    await until_mailed(server)
    assert [mail["To"] for mail in server.mails.unread()] == ["sam@example.org"]


@pytest.mark.parametrize(
    "mail",
    [
        ["alice@example.org", "mallory@example.org"],
        {"0": "alice@example.org"},
        "alice@example.org,mallory@example.org",
        "alice@example.org;mallory@example.org",
        "alice@example.org mallory@example.org",
        "alice@example.org\r\nBcc: mallory@example.org",
        "alice@example.org\0",
        "alice@example.org\u2028",
        "Alice <alice@example.org>",
        "alice",
        "a" * 320 + "@example.org",
    ],
)
@pytest.mark.parametrize("event", ["user/forgot_pass", "user/resend_verification"])
async def test_what_is_no_address_is_refused_and_mails_nothing(server, alice, event, mail):
    """R25: two addresses in one, headers in it, what a careless parser takes for another."""
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call(event, {"mail": mail}), "invalid_payload")
    assert await server.database.fetch("SELECT id FROM outbox") == []
    assert server.mails.unread() == []


@pytest.mark.parametrize("mail", ["alıce@example.org", "аlice@example.org", "alice@exampIe.org"])
async def test_an_address_that_only_looks_alike_is_another_one(server, alice, nobody, mail):
    """R25: a mail goes to the address that is kept, never to the one that was asked with."""
    await nobody.account.forgot_password(mail)
    await until_mailed(server)
    assert server.mails.unread() == []


async def nobodys_addresses(server: RunningServer, people: Any, nobody: Client) -> dict[str, str]:
    """Return addresses of all kinds, by what is behind them."""
    active, banned, deleted = [await people(login) for login in ("alice", "bob", "carol")]
    await set_state(server, banned, State.BANNED)
    await set_state(server, deleted, State.DELETED)
    await register(nobody, "dave")
    await register(nobody, "phantom", active.mail)
    await until_mailed(server)
    server.mails.forget()
    kinds = {"active": active.mail, "banned": banned.mail, "deleted": deleted.mail, "unverified": "dave@example.org"}
    return kinds | {"unknown": "nobody@example.org"}


async def test_only_who_has_an_account_is_mailed_a_link(server, people, nobody):
    mails = await nobodys_addresses(server, people, nobody)
    for mail in mails.values():
        await nobody.account.forgot_password(mail)
    await until_mailed(server)
    assert sorted(mail["To"] for mail in server.mails.unread()) == sorted([mails["active"], mails["unverified"]])
    server.mails.forget()
    for mail in mails.values():
        await nobody.account.resend_verification(mail)
    await until_mailed(server)
    assert [mail["To"] for mail in server.mails.unread()] == [mails["unverified"]]


@pytest.mark.config(mail={"retry": 1000.0})
@pytest.mark.parametrize("event", ["user/forgot_pass", "user/resend_verification"])
async def test_asking_tells_nothing_by_answer_or_by_what_is_done_for_it(server, people, nobody, event, monkeypatch):
    """The same frame, and the same statements with the same number of values, whatever is behind the address."""
    mails = await nobodys_addresses(server, people, nobody)
    monkeypatch.setattr(Mailer, "wake", lambda self: None)  # what is done for nobody's eyes comes later
    seen = set()
    for mail in mails.values():
        async with await RawSocket.open(server.url) as socket:
            with SqlRecorder() as recorder:
                await socket.call(event, {"mail": mail})
            own = [one for one in recorder.statements if not one.in_background]
            done = tuple((one.sql, len(one.args or ())) for one in own if "`outbox`" in one.sql)
            others = [one.sql for one in own if "`account`" in one.sql or "`link`" in one.sql]
            assert not others, "nobody is looked up"
            seen.add((socket.frames[-1], done))
    assert len(seen) == 1
    assert [(len(done), frame) for frame, done in seen] == [(1, '431[{"code":200,"data":{}}]')]


# -- the link ----------------------------------------------------------------------------------------------------------


async def test_a_link_is_good_once(alice, nobody, ask):
    link = await ask(alice)
    await nobody.account.reset_password(NEW, reset_id=link)
    with pytest.raises(InvalidLink):
        await nobody.account.reset_password(NEWER, reset_id=link)
    await nobody.session.login("alice", NEW)


@pytest.mark.parametrize(("minutes", "good"), [(29.9, True), (30, False), (60 * 24 * 365, False)])
async def test_a_link_is_good_for_half_an_hour(server, alice, nobody, ask, minutes, good):
    link = await ask(alice)
    server.clock.advance(minutes * MINUTE)
    if good:
        await nobody.account.reset_password(NEW, reset_id=link)
    else:
        with pytest.raises(InvalidLink):
            await nobody.account.reset_password(NEW, reset_id=link)


@pytest.mark.config(links={"reset_minutes": 5})
async def test_how_long_a_link_is_good_is_an_option_and_stands_in_the_mail(server, alice, nobody):
    await nobody.account.forgot_password(alice.mail)
    mail = await server.mails.wait_for(alice.mail)
    assert "5 min" in text_of(mail)
    server.clock.advance(5 * MINUTE)
    with pytest.raises(InvalidLink):
        await nobody.account.reset_password(NEW, reset_id=reset_id(mail))


async def by_newer_request(server: RunningServer, alice: Person, nobody: Client) -> None:
    await nobody.account.forgot_password(alice.mail)
    await server.mails.wait_for(alice.mail)


async def by_changing_the_password(server: RunningServer, alice: Person, nobody: Client) -> None:
    await alice.account.reset_password(NEWER, old_pass=PASSWORD)


async def by_changing_the_address(server: RunningServer, alice: Person, nobody: Client) -> None:
    await alice.profile.save(new_mail="alicia@example.org", old_pass=PASSWORD)
    await nobody.account.verify(**verification(await server.mails.wait_for("alicia@example.org")))


async def by_a_ban(server: RunningServer, alice: Person, nobody: Client) -> None:
    await set_state(server, alice, State.BANNED)


async def by_deletion(server: RunningServer, alice: Person, nobody: Client) -> None:
    await set_state(server, alice, State.DELETED)


@pytest.mark.parametrize(
    "void", [by_newer_request, by_changing_the_password, by_changing_the_address, by_a_ban, by_deletion]
)
async def test_a_link_is_void_after(server, alice, nobody, ask, void):
    link = await ask(alice)
    await void(server, alice, nobody)
    with pytest.raises(InvalidLink):
        await nobody.account.reset_password(NEW, reset_id=link)


async def test_a_new_login_does_not_void_a_link(alice, nobody, ask):
    link = await ask(alice)
    await alice.profile.save(new_login="alicia", old_pass=PASSWORD)
    await nobody.account.reset_password(NEW, reset_id=link)
    await nobody.session.login("alicia", NEW)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "min_length"),
        ("x" * 257, "max_length"),
        ("password123", "weak"),
        ("Alice.1990!", "weak"),
        ("alice@example.org", "weak"),
        ("Example2026", "weak"),
        ("matcha42-42", "weak"),
    ],
)
async def test_a_password_that_is_guessed_first_is_refused_and_the_link_stays_good(alice, nobody, ask, password, code):
    link = await ask(alice)
    for client, way in ((nobody, {"reset_id": link}), (alice, {"old_pass": PASSWORD})):
        with pytest.raises(InvalidPayload) as refusal:
            await client.account.reset_password(password, **way)
        assert refusal.value.fields["new_pass"]["code"] == code
    await nobody.account.reset_password(NEW, reset_id=link)


@pytest.mark.config(password={"queue": 100})
async def test_of_20_uses_of_one_link_at_once_one_succeeds(server, alice, nobody, ask):
    link = await ask(alice)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(await RawSocket.open(server.url)) for _ in range(20)]
        payloads = [{"reset_id": link, "new_pass": f"{NEW} {n}"} for n in range(20)]
        calls = [socket.call("user/reset_pass", payload) for socket, payload in zip(sockets, payloads, strict=True)]
        answers = await asyncio.gather(*calls)
    assert sorted(answer["code"] for answer in answers) == [200] + [400] * 19
    assert {answer["error"]["name"] for answer in answers if answer["code"] == 400} == {"invalid_link"}
    [winner] = [n for n, answer in enumerate(answers) if answer["code"] == 200]
    await nobody.session.login("alice", f"{NEW} {winner}")


async def test_opening_the_page_of_a_link_changes_nothing(server, alice, nobody, ask):
    link = await ask(alice)
    async with aiohttp.ClientSession() as http:
        for path in ("/reset", f"/reset?reset_id={link}", f"/api/user/reset_pass?reset_id={link}&new_pass={NEW}"):
            async with http.get(server.url + path) as page:
                assert page.status == (405 if "api" in path else 200)
                assert page.headers["Referrer-Policy"] == "no-referrer"
        for name, kind in (("/reset", "text/html"), ("/reset.js", "text/javascript")):
            async with http.get(server.url + name) as page:
                assert page.content_type in (kind, "application/javascript")
                assert "http" not in (await page.text()).replace("https://", "")
    await alice.profile.me()
    await nobody.account.reset_password(NEW, reset_id=link)


async def test_who_follows_the_link_has_confirmed_the_address(server, nobody, people):
    """Whoever registered with another's address gets neither in nor in the way: the link's password is the only one."""
    user_id = await register(nobody, "dave")
    verify = verification(await server.mails.wait_for("dave@example.org"))
    await nobody.account.forgot_password("dave@example.org")
    await nobody.account.reset_password(NEW, reset_id=reset_id(await server.mails.wait_for("dave@example.org")))
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("dave", PASSWORD)
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**verify)
    assert (await nobody.session.login("dave", NEW)).user_id == user_id
    bob = await people("bob")
    assert (await bob.profile.get(user_id)).login == "dave"


async def test_a_phantom_is_not_woken_by_the_owners_link(server, alice, nobody, ask):
    await register(nobody, "phantom", alice.mail)
    await server.mails.wait_for(alice.mail)
    await nobody.account.reset_password(NEW, reset_id=await ask(alice))
    with pytest.raises(NotVerified):
        await nobody.session.login("phantom", PASSWORD)
    assert (await nobody.session.login("alice", NEW)).user_id == alice.id


# -- sessions ----------------------------------------------------------------------------------------------------------


async def test_a_reset_by_link_ends_all_sessions_everywhere(start_server, server, alice, bob, nobody, ask):
    other = await start_server()
    link = await ask(alice)
    token = (await nobody.session.login("alice", PASSWORD)).token
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as here,
        await RawSocket.open(other.url, auth={"token": token}) as there,
        await RawSocket.open(server.url) as anonymous,
    ):
        ok(await anonymous.call("user/reset_pass", {"reset_id": link, "new_pass": NEW}))
        await asyncio.gather(here.closed(timeout=1), there.closed(timeout=1))
        for socket in (here, there):
            assert socket.pushes[-1].data["reason"] == "session_ended"
        for old in (alice.token, token):
            refused(await anonymous.call("user/me", {"token": old}), "session_ended")
        assert ok(await anonymous.call("user/me", {"token": bob.token}))["user_id"] == bob.id


async def test_who_resets_by_link_while_signed_in_is_answered_first(server, alice, ask):
    link = await ask(alice)
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        await socket.emit("user/reset_pass", {"reset_id": link, "new_pass": NEW}, ack=77)
        await socket.closed(timeout=1)
        frames = [frame for frame in socket.frames if frame.startswith(("43", "41")) or "goodbye" in frame]
        assert frames == [
            '4377[{"code":200,"data":{}}]',
            '42["goodbye",{"reason":"session_ended","retry_after":null}]',
            "41",
        ]


async def test_a_new_password_by_the_old_one_ends_all_other_sessions(start_server, server, alice, nobody):
    other = await start_server()
    token = (await nobody.session.login("alice", PASSWORD)).token
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as own,
        await RawSocket.open(other.url, auth={"token": alice.token}) as own_elsewhere,
        await RawSocket.open(server.url, auth={"token": token}) as here,
        await RawSocket.open(other.url, auth={"token": token}) as there,
    ):
        ok(await own.call("user/reset_pass", {"old_pass": PASSWORD, "new_pass": NEW}))
        await asyncio.gather(here.closed(timeout=1), there.closed(timeout=1))
        for socket in (own, own_elsewhere):
            assert ok(await socket.call("user/me"))["user_id"] == alice.id
        refused(await own.call("user/me", {"token": token}), "session_ended")
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/login", {"login": "alice", "password": PASSWORD}), "invalid_credentials")
        ok(await socket.call("user/login", {"login": "alice", "password": NEW}))


# -- by the old password -----------------------------------------------------------------------------------------------


async def test_a_new_password_takes_the_old_one_and_a_session(server, alice, bob, nobody):
    with pytest.raises(InvalidCredentials):
        await alice.account.reset_password(NEW, old_pass=WRONG)
    with pytest.raises(Unauthorized):
        await nobody.account.reset_password(NEW, old_pass=PASSWORD)
    token = alice.token
    await alice.session.logout()
    with pytest.raises(SessionEnded):
        await nobody.call("user/reset_pass", new_pass=NEW, old_pass=PASSWORD, token=token)
    await nobody.session.login("alice", PASSWORD)
    assert server.mails.unread() == []


async def test_a_token_in_the_payload_says_whose_password_changes_and_which_session_stays(server, alice, bob, nobody):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        payload = {"token": bob.token, "old_pass": PASSWORD, "new_pass": NEW}
        ok(await socket.call("user/reset_pass", payload))
        assert ok(await socket.call("user/me"))["user_id"] == alice.id
        assert ok(await socket.call("user/me", {"token": bob.token}))["user_id"] == bob.id
    await nobody.session.login("bob", NEW)
    await nobody.session.login("alice", PASSWORD)


@pytest.mark.parametrize(
    ("payload", "field", "code"),
    [
        ({"new_pass": NEW}, "reset_id", "required"),
        ({"new_pass": NEW, "reset_id": "x", "old_pass": PASSWORD}, "reset_id", "conflict"),
        ({"old_pass": PASSWORD}, "new_pass", "required"),
        ({"new_pass": NEW, "old_pass": None}, "old_pass", "type"),
        ({"new_pass": NEW, "reset_id": None}, "reset_id", "type"),
    ],
)
async def test_there_is_one_way_at_a_time(alice, payload, field, code):
    with pytest.raises(InvalidPayload) as refusal:
        await alice.call("user/reset_pass", **payload)
    assert {name: fault["code"] for name, fault in refusal.value.fields.items()} == {field: code}


# -- what is told ------------------------------------------------------------------------------------------------------


async def test_the_owner_is_told_of_a_new_password(server, alice, nobody, ask):
    await alice.account.reset_password(NEW, old_pass=PASSWORD)
    mails = [await server.mails.wait_for(alice.mail)]
    await nobody.account.reset_password(NEWER, reset_id=await ask(alice))
    mails.append(await server.mails.wait_for(alice.mail))
    for mail in mails:
        assert mail["Subject"] == "Your password was changed"
        assert not [secret for secret in (NEW, NEWER, PASSWORD, "reset_id") if secret in mail.as_string()]


async def test_a_thief_who_asked_for_another_address_has_lost_it_with_the_password(server, alice, nobody, ask):
    await alice.profile.save(new_mail="thief@example.org", old_pass=PASSWORD)
    stolen = verification(await server.mails.wait_for("thief@example.org"))
    await server.mails.wait_for(alice.mail)
    await nobody.account.reset_password(NEW, reset_id=await ask(alice))
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**stolen)


async def test_no_secret_is_kept_or_logged(server, alice, nobody, ask):
    link = await ask(alice)
    await nobody.account.reset_password(NEW, reset_id=link)
    await until_mailed(server)
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in server.log)
    kept = str([await server.database.fetch(f"SELECT * FROM {table}") for table in ("account", "link", "outbox")])
    for secret in (link, NEW, PASSWORD):
        assert secret not in logged + kept

"""Mails: written with the commit, sent once, to one mailbox, whatever the mail server does meanwhile."""

import asyncio
import email
import itertools
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult

import handlers.account
from client_sdk import Client, Internal, InvalidPayload
from tests.ground.accounts import verification
from tests.ground.server import PASSWORD, RunningServer

HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
}
_ids = itertools.count(1)


class Sink:
    """A mail server on a port of its own: keeps what it takes, after the answers that it was told to give first."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.answers: list[str] = []
        self.logins: list[Any] = []
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def mails(self) -> list[EmailMessage]:
        return [email.message_from_bytes(envelope.content, policy=default) for envelope in self.envelopes]

    @asynccontextmanager
    async def listening(self, **options: Any) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: SMTP(self, loop=loop, **options), "127.0.0.1", self.port)
        try:
            yield
        finally:
            listener.close()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.envelopes.append(envelope)
        if hook := self.before_answer:
            self.before_answer = None
            await hook()
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        self.logins.append((given.login, given.password))
        return AuthResult(success=True)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest_asyncio.fixture
async def alone(start_server: Any, sink: Sink) -> RunningServer:
    """A server that mails by SMTP."""
    return await start_server(mail={"smtp": sink.url})


async def register(server: RunningServer, login: str, **fields: Any) -> None:
    """Have somebody register, who is mailed a link."""
    names = {"first_name": login.capitalize(), "last_name": "Example"}
    async with Client(server.url) as client:
        told = {"login": login, "mail": f"{login}@example.org", "password": PASSWORD} | names | fields
        await client.account.register(**told)


async def put(server: RunningServer, **columns: Any) -> None:
    """Put a mail into the outbox."""
    row = {
        "id": next(_ids),
        "template": "taken",
        "address": "alice@example.org",
        "language": "en",
        "params": json.dumps({"login": "alice"}),
        "due_at": server.clock.now(),
    } | columns
    places = ", ".join(["%s"] * len(row))
    await server.database.fetch(f"INSERT INTO outbox ({', '.join(row)}) VALUES ({places})", *row.values())


async def outbox(server: RunningServer, columns: str = "id") -> list[Any]:
    return await server.database.fetch(f"SELECT {columns} FROM outbox ORDER BY id")


async def until(holds: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(5):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.005)


async def until_sent(server: RunningServer) -> None:
    async def is_empty() -> bool:
        return not await outbox(server)

    await until(is_empty)


def files(server: RunningServer) -> list[bytes]:
    return [path.read_bytes() for path in (server.config.server.data / "mail" / "new").iterdir()]


# -- what a mail is ----------------------------------------------------------------------------------------------------


@pytest.mark.config(server={"public_url": "https://dating.example.org"}, mail={"sender": "Matcha <us@example.org>"})
async def test_a_mail_is_a_file_with_one_receiver_and_one_whole_link(server):
    await register(server, "alice")
    await until_sent(server)
    [file] = files(server)
    mail = email.message_from_bytes(file, policy=default)
    assert set(mail.keys()) == HEADERS
    assert len(mail.keys()) == len(HEADERS), "each header once"
    assert (mail["From"], mail["To"]) == ("Matcha <us@example.org>", "alice@example.org")
    assert mail["Subject"] == "Confirm your mail address"
    assert mail["Date"].datetime.replace(tzinfo=None) == server.clock.now().replace(microsecond=0)
    assert mail["Message-ID"].endswith("@example.org>")
    [link] = [line for line in file.decode().splitlines() if "://" in line]
    assert re.fullmatch(r"https://dating\.example\.org/verify#ver_id=[\w.-]{50,}&login=alice", link)
    async with Client(server.url) as client:
        await client.account.verify(**verification(mail))


async def test_the_link_leads_to_us_whatever_host_was_asked(server):
    told = {"login": "alice", "mail": "alice@example.org", "password": PASSWORD, "first_name": "A", "last_name": "B"}
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    async with aiohttp.ClientSession() as http, http.post(f"{server.url}/api/user/registr", json=told, headers=headers):
        mail = await server.mails.wait_for("alice@example.org")
    assert "http://localhost:8080/verify#" in mail.get_content()
    assert "evil" not in mail.as_string()


@pytest.mark.parametrize(
    "name", ["Alice\nBcc: mallory@example.org", "Alice <mallory@example.org>", "{{ url }}", "=?utf-8?q?x?=", "a,b;c"]
)
async def test_a_name_gets_nothing_into_a_mail(server, name):
    await register(server, "alice", first_name=name, last_name=name)
    mail = await server.mails.wait_for("alice@example.org")
    assert set(mail.keys()) == HEADERS
    assert not [word for word in ("mallory", "Bcc", "{{", "=?", "a,b") if word in mail.as_string()]


@pytest.mark.parametrize(
    "mail",
    [
        "alice@example.org\r\nBcc: mallory@example.org",
        "alice@example.org\nmallory@example.org",
        "alice@example.org,mallory@example.org",
        "alice@example.org;mallory@example.org",
        "Alice <alice@example.org>",
        "alice@example.org\u2028",
        "alice@example.org\0",
    ],
)
async def test_an_address_is_one_address(server, mail):
    with pytest.raises(InvalidPayload) as refusal:
        await register(server, "alice", mail=mail)
    assert set(refusal.value.fields) == {"mail"}
    assert await outbox(server) == []


async def test_a_mail_to_an_international_domain_goes_where_the_dns_says(alone, sink):
    async with sink.listening():  # without SMTPUTF8
        await register(alone, "alice", mail="alice@bücher.example")
        await until_sent(alone)
    [envelope] = sink.envelopes
    assert envelope.rcpt_tos == ["alice@xn--bcher-kva.example"]
    assert sink.mails[0]["To"] == "alice@xn--bcher-kva.example"


# -- by SMTP -----------------------------------------------------------------------------------------------------------


async def test_a_mail_goes_to_its_receiver_alone(alone, sink):
    async with sink.listening():
        await register(alone, "alice")
        await until_sent(alone)
    [envelope] = sink.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@localhost", ["alice@example.org"])
    assert verification(sink.mails[0])["login"] == "alice"
    assert max(len(line) for line in envelope.content.splitlines()) <= 998


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_the_mail_servers_password_may_have_any_letters(start_server, sink):
    server = await start_server(mail={"smtp": sink.url.replace("//", "//us%40example.org:p%3Aw%2Fd%40@")})
    async with sink.listening(authenticator=sink.authenticate, auth_required=True, auth_require_tls=False):
        await register(server, "alice")
        await until_sent(server)
    assert sink.logins == [(b"us@example.org", b"p:w/d@")]


async def test_while_the_mail_server_is_down_mails_wait_and_are_sent_once_when_it_is_back(alone, sink):
    async def tried_twice() -> bool:
        return [attempts >= 2 for (attempts,) in await outbox(alone, "attempts")] == [True]

    await register(alone, "alice")  # which does not wait for the mail
    await until(tried_twice)
    async with sink.listening():
        await until_sent(alone)
    assert [envelope.rcpt_tos for envelope in sink.envelopes] == [["alice@example.org"]]


async def test_a_mail_that_is_put_off_is_the_same_mail_later(alone, sink):
    sink.answers = ["451 later", "552 full"]
    async with sink.listening():
        await register(alone, "alice")
        await until_sent(alone)
    assert sink.answers == []
    assert [envelope.rcpt_tos for envelope in sink.envelopes] == [["alice@example.org"]]


async def test_a_mail_that_cannot_be_made_is_in_nobodys_way(server):
    await put(server, template="nonsense", due_at=server.clock.now() - timedelta(hours=1))
    await put(server, params="no JSON", due_at=server.clock.now() - timedelta(hours=1))
    await register(server, "bob")
    await server.mails.wait_for("bob@example.org", timeout=2)

    async def only_the_others_are_left() -> bool:
        return len(await outbox(server)) == 2

    await until(only_the_others_are_left)


async def test_a_mail_is_tried_once_an_hour_at_least_however_often_it_failed(alone):
    await put(alone, attempts=5000)

    async def tried() -> bool:
        return await outbox(alone, "attempts") != [(5000,)] and (await outbox(alone, "due_at"))[0][0] > latest

    latest = alone.clock.now() + timedelta(minutes=59)
    await until(tried)
    [(attempts, due_at)] = await outbox(alone, "attempts, due_at")
    assert attempts == 5001
    assert due_at <= alone.clock.now() + timedelta(hours=1)


# -- once --------------------------------------------------------------------------------------------------------------


async def test_what_is_rolled_back_mails_nothing(server, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(handlers.account, "Registered", lambda **_: 1 / 0)  # after the mail was noted
        with pytest.raises(Internal):
            await register(server, "alice")
    assert await outbox(server) == []
    await register(server, "bob")
    await server.mails.wait_for("bob@example.org")
    assert server.mails.unread() == []


async def test_two_workers_send_each_mail_once(start_server):
    first, second = await start_server(), await start_server()
    names = sorted(f"somebody{n}@example.org" for n in range(100))
    for name in names:
        await put(first, address=name)
    await until_sent(second)
    assert sorted(mail["To"] for mail in first.mails.unread()) == names


async def test_what_a_worker_took_and_died_with_is_sent_when_its_lease_ends(server):
    await put(server, lease=1, due_at=server.clock.now() + timedelta(seconds=60))
    await register(server, "bob")
    await server.mails.wait_for("bob@example.org")
    assert server.mails.unread() == []
    server.clock.advance(61)
    await server.mails.wait_for("alice@example.org")
    await until_sent(server)
    assert server.mails.unread() == []


async def test_a_worker_held_up_beyond_its_lease_leaves_the_rest_to_the_other(start_server, sink):
    first = await start_server(mail={"smtp": sink.url})
    await start_server(mail={"smtp": sink.url})

    async def others_were_sent() -> bool:
        return len(sink.envelopes) == 3

    async def hold_up() -> None:
        first.clock.advance(61)  # now the mail under way may come twice, but no other one
        await until(others_were_sent)

    sink.before_answer = hold_up
    names = [f"somebody{n}@example.org" for n in range(3)]
    due_at = first.clock.now() - timedelta(seconds=1)
    await first.database.fetch(
        "INSERT INTO outbox (id, template, address, language, params, due_at) VALUES "
        + ", ".join(["(%s, 'taken', %s, 'en', '{\"login\": \"alice\"}', %s)"] * 3),
        *[value for n, name in enumerate(names) for value in (next(_ids), name, due_at + timedelta(milliseconds=n))],
    )
    async with sink.listening():
        await until_sent(first)
    receivers = [envelope.rcpt_tos[0] for envelope in sink.envelopes]
    assert [receivers.count(name) for name in names[1:]] == [1, 1]

"""Mails: written with the commit, sent once, to one mailbox, whatever the mail server does meanwhile."""

import asyncio
import email
import itertools
import json
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult
from aiosmtplib.email import flatten_message

import handlers.account
import server.outside.mail as mail_module
from client_sdk import Client, Internal, InvalidPayload
from server.clock import Clock, Ids
from server.config import Config
from server.context import Context, jobs
from server.outside.tokens import Tokens
from sql.account import Account, State
from sql.outbox import Mail
from tests.ground.accounts import text_of, unsubscribe_path, verification
from tests.ground.server import PASSWORD, RunningServer
from tests.ground.waiting import until, until_mailed

HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type"),
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
        "noted_at": server.clock.now(),
    } | columns
    places = ", ".join(["%s"] * len(row))
    await server.database.fetch(f"INSERT INTO outbox ({', '.join(row)}) VALUES ({places})", *row.values())


async def outbox(server: RunningServer, columns: str = "id") -> list[Any]:
    return await server.database.fetch(f"SELECT {columns} FROM outbox ORDER BY id")


def files(server: RunningServer) -> list[bytes]:
    return [path.read_bytes() for path in (server.config.server.data / "mail" / "new").iterdir()]


# -- what a mail is ----------------------------------------------------------------------------------------------------


@pytest.mark.config(server={"public_url": "https://dating.example.org"}, mail={"sender": "Matcha <us@example.org>"})
async def test_a_mail_is_a_file_with_one_receiver_and_one_whole_link(server):
    await register(server, "alice")
    await until_mailed(server)
    [file] = files(server)
    mail = email.message_from_bytes(file, policy=default)
    assert set(mail.keys()) == HEADERS
    assert len(mail.keys()) == len(HEADERS), "each header once"
    assert (mail["From"], mail["To"]) == ("Matcha <us@example.org>", "alice@example.org")
    assert mail["Subject"] == "Confirm your mail address"
    assert mail["Date"].datetime.replace(tzinfo=None) == server.clock.now().replace(microsecond=0)
    assert mail["Message-ID"].endswith("@example.org>")
    [link] = [line for line in text_of(mail).splitlines() if "://" in line]
    assert link.encode() in file, "it stands in one line"
    assert re.fullmatch(r"https://dating\.example\.org/verify#ver_id=[\w.-]{50,}&login=alice", link)
    async with Client(server.url) as client:
        await client.account.verify(**verification(mail))


async def test_the_link_leads_to_us_whatever_host_was_asked(server):
    told = {"login": "alice", "mail": "alice@example.org", "password": PASSWORD, "first_name": "A", "last_name": "B"}
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    async with aiohttp.ClientSession() as http, http.post(f"{server.url}/api/user/registr", json=told, headers=headers):
        mail = await server.mails.wait_for("alice@example.org")
    assert "http://localhost:8080/verify#" in text_of(mail)
    assert "evil" not in mail.as_string()


@pytest.mark.parametrize(
    "name", ["Alice <mallory@example.org>", "{{ url }}", "=?utf-8?q?x?=", "a,b;c", "<img src=x onerror=alert(1)>"]
)
async def test_a_name_gets_nothing_into_a_mail(server, name):
    await register(server, "alice", first_name=name, last_name=name)
    mail = await server.mails.wait_for("alice@example.org")
    assert set(mail.keys()) == HEADERS
    assert not [word for word in ("mallory", "Bcc", "{{", "=?", "a,b", "onerror") if word in mail.as_string()]


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
        await until_mailed(alone)
    [envelope] = sink.envelopes
    assert envelope.rcpt_tos == ["alice@xn--bcher-kva.example"]
    assert sink.mails[0]["To"] == "alice@xn--bcher-kva.example"


# -- what it says ------------------------------------------------------------------------------------------------------

SUBJECTS = {
    "verify": ("Confirm your mail address", "Подтвердите адрес почты", "Confirmez votre adresse"),
    "mail": ("Confirm your new mail address", "Подтвердите новый адрес почты", "Confirmez votre nouvelle adresse"),
    "moved": (
        "Your mail address is being changed",
        "Адрес вашей почты меняют",
        "Votre adresse est en cours de modification",
    ),
    "taken": ("You already have an account", "У вас уже есть учётная запись", "Vous avez déjà un compte"),
    "reset": ("Choose a new password", "Выберите новый пароль", "Choisissez un nouveau mot de passe"),
    "changed": ("Your password was changed", "Ваш пароль изменён", "Votre mot de passe a été changé"),
    "waiting": ("Something waits for you", "Вас кое-что ждёт", "Quelque chose vous attend"),
}
PARAMS = {"login": "a.l-i_ce", "user_id": 42, "nonce": "n" * 22, "count": 3, "kinds": {"like": 1, "message": 2}}


def paths(text: str) -> list[str]:
    """Return where the links in a text lead, but for what is signed."""
    return re.findall(r"https?://[^/\s]+(/[a-z]*)", text)


def test_every_mail_is_there_in_every_language():
    folder = Path(mail_module.__file__).parent / "templates"
    for language in ("en", "ru", "fr"):
        assert {path.stem for path in (folder / language).iterdir()} == SUBJECTS.keys()


def rendered(**columns: Any) -> EmailMessage:
    """Return a mail as the reader's program understands it."""
    row = {
        "id": next(_ids),
        "template": "taken",
        "address": "alice@example.org",
        "language": "en",
        "params": json.dumps(PARAMS),
        "attempts": 0,
        "noted_at": datetime.fromisoformat("2026-01-15"),
    }
    clock, unused = Clock(), cast(Any, None)
    tokens = Tokens(["k" * 40], clock, session_days=1, link_hours=1, reset_minutes=1)
    mailer = mail_module.Mailer(Config(), unused, tokens, unused, clock=clock, ids=Ids(), jobs={})
    flat = flatten_message(mailer.render(Mail(**row | columns)), cte_type="7bit")
    return cast(EmailMessage, email.message_from_bytes(flat, policy=default))


@pytest.mark.parametrize("language", ["en", "ru", "fr"])
@pytest.mark.parametrize("template", SUBJECTS)
def test_a_mail_says_the_same_in_text_and_html_in_the_language_of_its_reader(template, language):
    mail = rendered(template=template, language=language)
    assert mail["Subject"] == SUBJECTS[template][["en", "ru", "fr"].index(language)]
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    text, html = text_of(mail), text_of(mail, "html")
    assert f'<html lang="{language}">' in html
    assert "a.l-i_ce" in text and "a.l-i_ce" in html
    assert paths(text) == paths(re.sub(r">https?://", ">", html))
    assert bool(paths(text)) == (template not in ("moved", "taken", "changed"))
    assert not [left for left in ("{{", "{%", "None", "Undefined", "nnnnnn") if left in text + html]
    if language == "ru":
        assert re.search("[а-я]", text)


async def test_the_language_of_a_mail_is_the_one_of_the_account(server):
    await register(server, "alice", language="ru")
    assert (await server.mails.wait_for("alice@example.org"))["Subject"] == "Подтвердите адрес почты"


def test_html_in_a_value_is_text():
    params = PARAMS | {"login": '<img src="x" onerror="alert(1)">&amp;'}
    message = rendered(params=json.dumps(params))
    assert params["login"] in text_of(message)
    assert "<img" not in text_of(message, "html")
    assert "&lt;img src=&#34;x&#34; onerror=&#34;alert(1)&#34;&gt;&amp;amp;" in text_of(message, "html")


@pytest.mark.config(server={"public_url": "https://a-very-long-name-of-a-dating-site.example.org"})
async def test_what_waits_is_told_with_a_link_to_hear_no_more(alone, sink):
    """RFC 2369 and 8058: mail programs show a button; the header stands whole, however long the address is."""
    async with sink.listening():
        await put(
            alone,
            template="waiting",
            params=json.dumps(PARAMS | {"kinds": {"visit": 3, "nudge": 1, "news of later": 1}}),
        )
        await until_mailed(alone)
    [mail], [envelope] = sink.mails, sink.envelopes
    url = "https://a-very-long-name-of-a-dating-site.example.org" + unsubscribe_path(mail)
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in envelope.content
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f'href="{url}"' in text_of(mail, "html")
    lines = [line for line in text_of(mail).splitlines() if line.startswith("–")]
    assert lines == ["– somebody looked at your profile (3)", "– somebody nudged you"]


@pytest.mark.parametrize("template", sorted(SUBJECTS.keys() - {"waiting"}))
def test_other_mails_cannot_be_turned_off(template):
    message = rendered(template=template)
    assert "List-Unsubscribe" not in message and "unsubscribe" not in text_of(message)


# -- by SMTP -----------------------------------------------------------------------------------------------------------


async def test_a_mail_goes_to_its_receiver_alone(alone, sink):
    async with sink.listening():
        await register(alone, "alice")
        await until_mailed(alone)
    [envelope] = sink.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@localhost", ["alice@example.org"])
    assert verification(sink.mails[0])["login"] == "alice"
    assert max(len(line) for line in envelope.content.splitlines()) <= 998


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of a mail server at 127.0.0.1, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10"]
    command = ["openssl", "req", *kind, *named, "-keyout", str(path), "-out", str(path) + ".crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


async def test_the_mail_servers_password_may_have_any_letters_and_goes_encrypted(
    start_server, sink, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = await start_server(mail={"smtp": sink.url.replace("//", "//us%40example.org:p%3Aw%2Fd%40@")})
    async with sink.listening(authenticator=sink.authenticate, auth_required=True, tls_context=tls):
        await register(server, "alice")
        await until_mailed(server)
    assert sink.logins == [(b"us@example.org", b"p:w/d@")]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_no_password_goes_to_a_mail_server_that_does_not_encrypt(start_server, sink):
    server = await start_server(mail={"smtp": sink.url.replace("//", "//us:password@")})

    async def tried() -> bool:
        return [attempts >= 1 for (attempts,) in await outbox(server, "attempts")] == [True]

    async with sink.listening(authenticator=sink.authenticate, auth_required=True, auth_require_tls=False):
        await register(server, "alice")
        await until(tried)
        await until(lambda: logged(server, "mail.postponed"))
    assert sink.logins == []


async def logged(server: RunningServer, event: str) -> bool:
    return any(event in record.getMessage() for record in server.log)


async def test_while_the_mail_server_is_down_mails_wait_and_are_sent_once_when_it_is_back(alone, sink):
    async def tried_twice() -> bool:
        return [attempts >= 2 for (attempts,) in await outbox(alone, "attempts")] == [True]

    await register(alone, "alice")  # which does not wait for the mail
    await until(tried_twice)
    async with sink.listening():
        await until_mailed(alone)
    assert [envelope.rcpt_tos for envelope in sink.envelopes] == [["alice@example.org"]]


async def test_a_mail_that_is_put_off_is_the_same_mail_later(alone, sink):
    sink.answers = ["451 later", "552 full"]
    async with sink.listening():
        await register(alone, "alice")
        await until_mailed(alone)
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


async def test_a_mail_that_cannot_be_sent_for_3_days_is_given_up(alone):
    async def tried_again() -> bool:
        return all(attempts > 1 for (attempts,) in await outbox(alone, "attempts"))

    await put(alone, template="nonsense", attempts=1)
    await put(alone, attempts=1)
    alone.clock.advance(3 * 24 * 3600 - 60)
    await until(tried_again)
    assert len(await outbox(alone)) == 2
    alone.clock.advance(3600)
    await until_mailed(alone)
    assert len([record for record in alone.log if "mail.given_up" in record.getMessage()]) == 2
    assert "alice" not in "".join(record.getMessage() for record in alone.log if "mail." in record.getMessage())


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
    await until_mailed(second)
    assert sorted(mail["To"] for mail in first.mails.unread()) == names


async def test_what_a_worker_took_and_died_with_is_sent_when_its_lease_ends(server):
    await put(server, lease=1, due_at=server.clock.now() + timedelta(seconds=60))
    await register(server, "bob")
    await server.mails.wait_for("bob@example.org")
    assert server.mails.unread() == []
    server.clock.advance(61)
    await server.mails.wait_for("alice@example.org")
    await until_mailed(server)
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
        await until_mailed(first)
    receivers = [envelope.rcpt_tos[0] for envelope in sink.envelopes]
    assert [receivers.count(name) for name in names[1:]] == [1, 1]


# -- jobs --------------------------------------------------------------------------------------------------------------


async def test_a_job_is_done_once_whoever_takes_it(start_server, monkeypatch):
    done = []

    async def work(ctx: Context, address: str, *, n: int) -> None:
        done.append((address, n))
        await ctx.mail("taken", Account(1, "alice", address, "", State.ACTIVE, "en"))

    monkeypatch.setitem(jobs, "test", work)
    first, _ = await start_server(), await start_server()
    for n in range(50):
        await put(first, template="test", params=json.dumps({"n": n}))
    await until_mailed(first)
    assert sorted(n for _, n in done) == list(range(50))
    assert len(first.mails.unread("alice@example.org")) == 50


async def test_a_job_that_fails_leaves_nothing_and_is_tried_again(start_server, monkeypatch):
    tries = []

    async def work(ctx: Context, address: str) -> None:
        await ctx.mail("taken", Account(1, "alice", address, "", State.ACTIVE, "en"))
        tries.append(address)
        if len(tries) == 1:
            raise RuntimeError

    monkeypatch.setitem(jobs, "test", work)
    server = await start_server()
    await put(server, template="test", params="{}")
    await until_mailed(server)
    assert len(tries) == 2
    assert len(server.mails.unread()) == 1

"""Mail: rows of the outbox become messages, in a Maildir or over SMTP, until they are sent."""

import asyncio
import json
import mailbox
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, timedelta
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTPUTF8, Policy
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from server.clock import Clock, Ids
from server.config import Config
from server.outside.tokens import Tokens
from sql import outbox
from sql.database import Database, DatabaseDown
from sql.transaction import CommitUnknown, Tx, transact

log = structlog.get_logger("mail")

Send = Callable[[EmailMessage], Awaitable[None]]
Job = Callable[[Tx, outbox.Mail], Awaitable[None]]

_BATCH = 20
_FILE = SMTPUTF8.clone(linesep="\n")
_SEND_WITHIN = 20.0
_LONGEST_PAUSE = 3600.0
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html"], default=False),
    trim_blocks=True,
    keep_trailing_newline=True,
)


class _Whole(UnstructuredHeader, BaseHeader):
    """A header that is never folded: a long address in it would be encoded, and no longer be one."""

    def fold(self, *, policy: Policy) -> str:
        """Return the line as it goes out."""
        return f"{self.name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
_headers.map_to_type("list-unsubscribe", _Whole)
_MESSAGE = SMTPUTF8.clone(header_factory=_headers)


def sender(config: Config) -> Send:
    """Return how mails leave: by SMTP if a server is set, else into the Maildir `<data>/mail`."""
    if config.mail.smtp is None:
        config.server.data.mkdir(parents=True, exist_ok=True)
        box = mailbox.Maildir(config.server.data / "mail")

        async def keep(message: EmailMessage) -> None:
            await asyncio.to_thread(box.add, message.as_bytes(policy=_FILE))

        return keep
    where = connection(config.mail.smtp)

    async def send(message: EmailMessage) -> None:
        async with asyncio.timeout(_SEND_WITHIN):
            await aiosmtplib.send(message, **where, timeout=_SEND_WITHIN)

    return send


def connection(smtp: str) -> dict[str, Any]:
    """Return how to connect to a mail server, as aiosmtplib is told."""
    url = urlsplit(smtp)
    from_the_start = url.scheme == "smtps"
    return {
        "hostname": url.hostname,
        "port": url.port or (465 if from_the_start else 587),
        "username": unquote(url.username) if url.username else None,
        "password": unquote(url.password) if url.password else None,
        "use_tls": from_the_start,
        "start_tls": True if url.username and not from_the_start else None,  # no password goes unencrypted
    }


class Mailer:
    """Sends what is due in the outbox, woken by commits and, to be sure, now and then by itself.

    Rows that bear the name of a job are not sent: the job is done, once, and may note mails in its turn.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        tokens: Tokens,
        send: Send,
        *,
        clock: Clock,
        ids: Ids,
        jobs: Mapping[str, Job],
    ) -> None:
        self._config = config
        self._database = database
        self._tokens = tokens
        self._send = send
        self._clock = clock
        self._ids = ids
        self._jobs = jobs
        self._wake = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        """How many mails so far were sent, postponed or given up."""

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            try:
                while await self._send_batch() == _BATCH:
                    pass
            except (DatabaseDown, CommitUnknown) as fault:
                log.warning("outbox.unavailable", reason=str(fault))
            try:
                async with asyncio.timeout(self._config.mail.retry):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _send_batch(self) -> int:
        lease = self._ids.number()
        until = self._clock.now() + timedelta(seconds=self._config.mail.lease)

        async def claim(tx: Tx) -> list[outbox.Mail]:
            return await outbox.claim(tx, lease=lease, until=until, limit=_BATCH)

        mails = await self._transact(claim)
        for place, mail in enumerate(mails):
            if place and self._clock.now() + timedelta(seconds=_SEND_WITHIN) > until:
                break  # the others are left to whoever claims them when the lease ends
            await self._send_one(mail, lease)
        return len(mails)

    async def _send_one(self, mail: outbox.Mail, lease: int) -> None:
        try:
            if mail.template in self._jobs:
                await self._do(mail, lease)
            else:
                await self._send(self.render(mail))
                self.outcomes["sent"] += 1
                log.info("mail.sent", mail_id=mail.id, template=mail.template)
                await self._transact(lambda tx: outbox.delete(tx, id=mail.id, lease=lease))
        except Exception as fault:  # whatever is wrong with one mail, the others are sent
            await self._put_off(mail, lease, fault)

    async def _do(self, mail: outbox.Mail, lease: int) -> None:
        async def work(tx: Tx) -> None:
            if await outbox.delete(tx, id=mail.id, lease=lease):
                await self._jobs[mail.template](tx, mail)

        await self._transact(work)
        self.wake()  # for the mails that it has noted

    async def _put_off(self, mail: outbox.Mail, lease: int, fault: Exception) -> None:
        now, about = self._clock.now(), {"mail_id": mail.id, "template": mail.template, "attempts": mail.attempts}
        if now - mail.noted_at >= timedelta(days=self._config.mail.give_up_days):
            self.outcomes["given_up"] += 1
            log.error("mail.given_up", **about, reason=type(fault).__name__)
            await self._transact(lambda tx: outbox.delete(tx, id=mail.id, lease=lease))
            return
        wait = min(self._config.mail.retry * 2 ** min(mail.attempts - 1, 30), _LONGEST_PAUSE)
        self.outcomes["postponed"] += 1
        log.warning("mail.postponed", **about, reason=type(fault).__name__)
        due_at = now + timedelta(seconds=wait)
        await self._transact(lambda tx: outbox.postpone(tx, id=mail.id, lease=lease, due_at=due_at))

    async def _transact(self, work: Callable[[Tx], Awaitable[object]]) -> list[outbox.Mail]:
        result, _ = await transact(self._database, self._clock.now(), work, random=self._ids.random)
        return result if isinstance(result, list) else []

    def render(self, mail: outbox.Mail) -> EmailMessage:
        """Return the message; a link's secret is signed only here, so that no row ever holds it whole."""
        params = json.loads(mail.params)
        params |= self._links(mail.template, params)
        text = _templates.get_template(f"{mail.language}/{mail.template}.txt").render(params)
        subject, _, body = text.partition("\n")
        message = EmailMessage(policy=_MESSAGE)
        message["From"] = self._config.mail.sender
        message["To"] = _deliverable(mail.address)
        message["Subject"] = subject
        message["Date"] = format_datetime(self._clock.now().replace(tzinfo=UTC))
        message["Message-ID"] = f"<{mail.id}@{_domain(self._config.mail.sender)}>"  # the same when it is sent again
        message["Auto-Submitted"] = "auto-generated"
        if unsubscribe := params.get("unsubscribe"):
            message["List-Unsubscribe"] = f"<{unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(body, cte="8bit")  # links stay whole: no line is folded
        paragraphs = body.strip().split("\n\n")
        html = _templates.get_template("mail.html").render(
            subject=subject, paragraphs=paragraphs, language=mail.language, url=params.get("url")
        )
        message.add_alternative(html, subtype="html", cte="8bit")
        return message

    def _links(self, template: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return what the links of a mail are, and how long they are good."""
        home = self._config.server.url
        match template:
            case "verify" | "mail":
                token = self._tokens.link(template, params["user_id"], params["nonce"])
                url = f"{home}/verify#ver_id={token}&login={params['login']}"
                return {"url": url, "hours": self._config.links.verify_hours} | params
            case "reset":
                token = self._tokens.link(template, params["user_id"], params["nonce"])
                return {"url": f"{home}/reset#reset_id={token}", "minutes": self._config.links.reset_minutes}
            case "waiting":
                token = self._tokens.unsubscribe(params["user_id"])
                return {"url": f"{home}/", "unsubscribe": f"{home}/unsubscribe?token={token}"}
            case _:
                return {}


def _deliverable(address: str) -> str:
    """Return the address with its domain in the letters of the DNS, which every mail server takes."""
    parts = validate_email(address, check_deliverability=False)
    return f"{parts.local_part}@{parts.ascii_domain}"


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]

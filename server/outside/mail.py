"""Mail: rows of the outbox become messages, in a Maildir or over SMTP, until they are sent."""

import asyncio
import json
import mailbox
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.clock import Clock, Ids
from server.config import Config
from server.outside.tokens import Tokens
from sql import outbox
from sql.database import Database, DatabaseDown
from sql.transaction import CommitUnknown, Tx, transact

log = structlog.get_logger("mail")

Send = Callable[[EmailMessage], Awaitable[None]]

_BATCH = 20
_FILE = SMTPUTF8.clone(linesep="\n")
_SEND_WITHIN = 20.0
_LONGEST_PAUSE = 3600.0
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # plain text
    keep_trailing_newline=True,
)


def sender(config: Config) -> Send:
    """Return how mails leave: by SMTP if a server is set, else into the Maildir `<data>/mail`."""
    if config.mail.smtp is None:
        config.server.data.mkdir(parents=True, exist_ok=True)
        box = mailbox.Maildir(config.server.data / "mail")

        async def keep(message: EmailMessage) -> None:
            await asyncio.to_thread(box.add, message.as_bytes(policy=_FILE))

        return keep
    url = urlsplit(config.mail.smtp)

    async def send(message: EmailMessage) -> None:
        async with asyncio.timeout(_SEND_WITHIN):
            await aiosmtplib.send(
                message,
                hostname=url.hostname,
                port=url.port or (465 if url.scheme == "smtps" else 587),
                username=unquote(url.username) if url.username else None,
                password=unquote(url.password) if url.password else None,
                use_tls=url.scheme == "smtps",
                timeout=_SEND_WITHIN,
            )

    return send


class Mailer:
    """Sends what is due in the outbox, woken by commits and, to be sure, now and then by itself."""

    def __init__(
        self, config: Config, database: Database, tokens: Tokens, send: Send, *, clock: Clock, ids: Ids
    ) -> None:
        self._config = config
        self._database = database
        self._tokens = tokens
        self._send = send
        self._clock = clock
        self._ids = ids
        self._wake = asyncio.Event()

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
            await self._send(self.render(mail))
        except Exception as fault:  # whatever is wrong with one mail, the others are sent
            wait = min(self._config.mail.retry * 2 ** min(mail.attempts - 1, 30), _LONGEST_PAUSE)
            due_at = self._clock.now() + timedelta(seconds=wait)
            log.warning("mail.postponed", mail_id=mail.id, attempts=mail.attempts, reason=type(fault).__name__)
            await self._transact(lambda tx: outbox.postpone(tx, id=mail.id, lease=lease, due_at=due_at))
        else:
            log.info("mail.sent", mail_id=mail.id, template=mail.template)
            await self._transact(lambda tx: outbox.delete(tx, id=mail.id, lease=lease))

    async def _transact(self, work: Callable[[Tx], Awaitable[object]]) -> list[outbox.Mail]:
        result, _ = await transact(self._database, self._clock.now(), work, random=self._ids.random)
        return result if isinstance(result, list) else []

    def render(self, mail: outbox.Mail) -> EmailMessage:
        """Return the message; a link's secret is signed only here, so that no row ever holds it whole."""
        params = json.loads(mail.params)
        if nonce := params.pop("nonce", None):
            token = self._tokens.link(mail.template, params.pop("user_id"), nonce)
            url = f"{self._config.server.url}/verify#ver_id={token}&login={params['login']}"
            params |= {"url": url, "hours": self._config.links.verify_hours}
        text = _templates.get_template(f"en/{mail.template}.txt").render(params)
        subject, _, body = text.partition("\n")
        message = EmailMessage(policy=SMTPUTF8)
        message["From"] = self._config.mail.sender
        message["To"] = _deliverable(mail.address)
        message["Subject"] = subject
        message["Date"] = format_datetime(self._clock.now().replace(tzinfo=UTC))
        message["Message-ID"] = f"<{mail.id}@{_domain(self._config.mail.sender)}>"  # the same when it is sent again
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body, cte="8bit")  # links stay whole: no line is folded
        return message


def _deliverable(address: str) -> str:
    """Return the address with its domain in the letters of the DNS, which every mail server takes."""
    parts = validate_email(address, check_deliverability=False)
    return f"{parts.local_part}@{parts.ascii_domain}"


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]

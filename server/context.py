"""Context: all that a handler knows of the world beside its fields."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

from server.clock import Clock, Ids
from server.config import Config
from server.ephemeral.presence import Presence
from server.ephemeral.sample import Sample
from server.ephemeral.unread import Counters
from server.ephemeral.windows import Windows
from server.flood import Buckets
from server.outside.passwords import Passwords
from server.outside.photos import Photos
from server.outside.places import Places
from server.outside.tokens import Tokens
from server.wire import answers
from server.wire.errors import Unauthorized
from sql import outbox
from sql.account import Account
from sql.database import Database
from sql.transaction import Outcome, Tx, transact
from sql.writer import Draft, Writer

D = TypeVar("D", bound=Draft)
T = TypeVar("T")


@dataclass(slots=True)
class Session:
    """A session in use by this process."""

    user_id: int
    id: str
    expires_at: datetime
    last_seen_at: datetime
    auth_epoch: int
    """How often sessions of the user may have ended when this one was last checked."""
    ended: bool = False


class Log(NamedTuple):
    """Where the log of a user stands: the newest number, and the newest that is no longer kept."""

    last_seq: int
    purged_seq: int


class SignedIn(NamedTuple):
    """A session that a socket takes over, and where its user's log stood when it was looked up."""

    session: Session
    log: Log


@dataclass(frozen=True, slots=True)
class Services:
    """The ports to the outside world, one of each a process."""

    config: Config
    database: Database
    clock: Clock
    ids: Ids
    passwords: Passwords
    tokens: Tokens
    windows: Windows
    presence: Presence
    unread: Counters
    photos: Photos
    places: Places
    sample: Sample
    messages: Buckets
    """Messages of one person."""
    searches: Buckets
    """Searches of one person."""
    writer: Writer

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> tuple[T, Outcome]:
        """Run `work` in a transaction. Raises DatabaseDown, CommitUnknown, and what it raises."""
        return await transact(self.database, self.clock.now(), work, random=self.ids.random)

    async def read(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work`, which only reads. Raises DatabaseDown."""
        result, _ = await self.transact(work)
        return result


@dataclass(slots=True)
class Context:
    """One event: who calls, in which transaction, and the ports it may use."""

    tx: Tx
    services: Services
    session: Session | None = None
    address: str = ""
    agent: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    """What was done once, though the transaction may be tried again."""
    signed_in: SignedIn | None = None
    watched: Mapping[int, answers.Presence] | None = None
    """Whom the caller's socket is told of from now on, and how they stand, which it is told in the answer."""

    async def once(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Return what `act` gives, which is asked only the first time that this event is tried."""
        if what not in self.memory:
            self.memory[what] = await act()
        result: T = self.memory[what]
        return result

    async def batch(
        self, write: Callable[["Context", list[D], bool], Awaitable[Sequence[T | Exception]]], draft: D
    ) -> T:
        """Have a draft written together with those of others, in one transaction that this event waits for.

        `write` returns for each draft what came of it, or why it is refused, which is raised here; see `sql.writer`.
        """
        result: T = await self.services.writer.write(write, draft)
        return result

    @property
    def user_id(self) -> int:
        """The caller. Raises Unauthorized."""
        if self.session is None:
            raise Unauthorized
        return self.session.user_id

    @property
    def now(self) -> datetime:
        """The time of this event, UTC, the same throughout."""
        return self.tx.now

    @property
    def today(self) -> date:
        """The day of this event, UTC."""
        return self.tx.now.date()

    @property
    def config(self) -> Config:
        """The options of the server."""
        return self.services.config

    async def mail(self, template: str, to: Account, **params: Any) -> None:
        """Note a mail to an account; it leaves after the commit."""
        assert to.mail, "an account that was made with somebody else's address gets no mail"
        await self._note(template, to.mail, to.language, {"login": to.login, "user_id": to.id, **params})

    async def ask(self, job: str, address: str, **params: Any) -> None:
        """Note a job about an address, done after the commit: neither answer nor time tells whose the address is."""
        await self._note(job, address, "en", params)

    async def _note(self, template: str, address: str, language: str, params: dict[str, Any]) -> None:
        await outbox.insert(
            self.tx,
            id=self.services.ids.number(),
            template=template,
            address=address,
            language=language,
            params=json.dumps(params),
        )
        self.tx.outcome.mailed = True

    def limit(self, name: str) -> int:
        """Return a limit, scaled."""
        return int(self.services.config.limits.of(name))


Job = Callable[..., Awaitable[None]]
jobs: dict[str, Job] = {}
"""What `Context.ask` can ask for, by name."""


def job(name: str) -> Callable[[Job], Job]:
    """Register a job: `async def (ctx, address, *, param: Type)`, in a transaction of its own."""

    def register(work: Job) -> Job:
        jobs[name] = work
        return work

    return register


async def do(services: Services, tx: Tx, asked: outbox.Mail) -> None:
    """Do a job that was asked for."""
    await jobs[asked.template](Context(tx, services), asked.address, **json.loads(asked.params))

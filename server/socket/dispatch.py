"""The funnel: every event of every client comes through here and leaves with exactly one answer."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import structlog

from server.context import Context, Services, Session, SignedIn
from server.deadline import Deadlines
from server.socket.journal import Entry, Journal
from server.socket.who import Who
from server.wire.answers import Presence
from server.wire.errors import Internal, InvalidPayload, MatchaError, Unavailable
from server.wire.events import Spec
from sql.database import DatabaseDown
from sql.transaction import CommitUnknown, Outcome, Tx, is_unknown

log = structlog.get_logger("event")


class Caller(NamedTuple):
    """Who sends an event, and from where: a session that the socket remembers, or a token beside the payload."""

    session: Session | None
    address: str
    agent: str
    token: str | None = None


class Done(NamedTuple):
    """What came of an event: the answer, ready to be sent, and what it means for the socket that it came from."""

    code: int
    answer: bytes
    signed_in: SignedIn | None = None
    """A session that began."""
    watched: Mapping[int, Presence] | None = None
    """Whom the socket is told of from now on."""


class Dispatcher:
    """who → parse → handler → commit → deliver → answer."""

    def __init__(self, services: Services, who: Who, deliver: Callable[[Outcome], None], journal: Journal) -> None:
        self._services = services
        self._who = who
        self._tell = deliver
        self.journal = journal
        self._deadlines = Deadlines(services.config.server.event_timeout)
        self.draining = False

    async def __call__(self, spec: Spec, arguments: list[Any], caller: Caller) -> Done:
        """Run one event; never raises but when cancelled."""
        user_id = caller.session.user_id if caller.session else None
        entry = Entry(spec.name, user_id, caller.address, started=time.perf_counter())
        try:
            with self._deadlines.begin():
                done = await self._run(spec, arguments, caller, entry)
        except Exception as fault:
            return self.refuse(entry, fault)
        self.journal.note(entry)
        return done

    def refuse(self, entry: Entry, fault: Exception) -> Done:
        """Note an event that was not done, whatever kept it from being done, and return the answer."""
        refusal = self._refusal(fault)
        self.journal.note(entry, refusal)
        return refused(refusal)

    def _refusal(self, fault: Exception) -> MatchaError:
        if isinstance(fault, MatchaError):
            return fault
        refusal: MatchaError
        if isinstance(fault, (DatabaseDown, CommitUnknown, TimeoutError)):
            refusal = Unavailable(unknown=is_unknown(fault))
        else:
            refusal = Internal(error_id=self._services.ids.token())  # which names the line in the log
        refusal.__cause__ = fault
        return refusal

    async def _run(self, spec: Spec, arguments: list[Any], caller: Caller, entry: Entry) -> Done:
        if self.draining:
            raise Unavailable(retry_after=5)
        payload = arguments[0] if arguments else {}
        session = await self._who.identify(spec, payload, caller.session, caller.token)
        entry.user_id = session.user_id if session else None
        if len(arguments) > 1:
            raise InvalidPayload.of("payload", "type", "This should be one object.")
        fields = spec.parse(payload)

        memory: dict[str, Any] = {}

        async def work(tx: Tx) -> Done:
            ctx = Context(tx, self._services, session, caller.address, caller.agent, memory)
            data = await spec.handler(ctx, **fields)
            return Done(200, msgspec.json.encode({"code": 200, "data": data}), ctx.signed_in, ctx.watched)

        done, outcome = await self._services.transact(work)
        if done.signed_in:
            entry.user_id = done.signed_in.session.user_id
        self.deliver(outcome)
        return done

    def deliver(self, outcome: Outcome) -> None:
        """Tell those who are connected what a commit has brought; never raises: the tailer finds what is committed."""
        try:
            self._tell(outcome)
        except Exception:
            log.exception("deliver.failed", seldom=True)


def refused(refusal: MatchaError) -> Done:
    """Return an error as an answer."""
    return Done(refusal.code, msgspec.json.encode(refusal.answer()))

"""The funnel: every event of every client comes through here and leaves with exactly one answer."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import structlog

from server.context import Context, Services, Session, SignedIn
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

    def __init__(self, services: Services, who: Who, deliver: Callable[[Outcome], None]) -> None:
        self._services = services
        self._who = who
        self._deliver = deliver
        self.draining = False

    async def __call__(self, spec: Spec, arguments: list[Any], caller: Caller) -> Done:
        """Run one event; never raises but when cancelled."""
        try:
            async with asyncio.timeout(self._services.config.server.event_timeout):
                done = await self._run(spec, arguments, caller)
        except MatchaError as refusal:
            done = refused(refusal)
        except (DatabaseDown, CommitUnknown, TimeoutError) as fault:
            log.warning("event.unavailable", event_name=spec.name, reason=str(fault) or "timed out")
            done = refused(Unavailable(unknown=is_unknown(fault)))
        except Exception as fault:
            done = self.failed(spec, fault)
        log.debug("event", event_name=spec.name, code=done.code)
        return done

    def failed(self, spec: Spec, fault: Exception) -> Done:
        """Log our fault, and return the answer that names the line in the log."""
        error_id = self._services.ids.token()
        log.error("event.failed", event_name=spec.name, error_id=error_id, exc_info=fault)
        return refused(Internal(error_id=error_id))

    async def _run(self, spec: Spec, arguments: list[Any], caller: Caller) -> Done:
        if self.draining:
            raise Unavailable(retry_after=5)
        payload = arguments[0] if arguments else {}
        session = await self._who.identify(spec, payload, caller.session, caller.token)
        if len(arguments) > 1:
            raise InvalidPayload.of("payload", "type", "This should be one object.")
        fields = spec.parse(payload)

        memory: dict[str, Any] = {}

        async def work(tx: Tx) -> Done:
            ctx = Context(tx, self._services, session, caller.address, caller.agent, memory)
            data = await spec.handler(ctx, **fields)
            return Done(200, msgspec.json.encode({"code": 200, "data": data}), ctx.signed_in, ctx.watched)

        done, outcome = await self._services.transact(work)
        try:
            self._deliver(outcome)
        except Exception:
            log.exception("deliver.failed", event_name=spec.name)  # it is committed; the tailer finds it
        return done


def refused(refusal: MatchaError) -> Done:
    """Return an error as an answer."""
    return Done(refusal.code, msgspec.json.encode(refusal.answer()))

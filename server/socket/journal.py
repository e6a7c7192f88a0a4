"""The journal: every event that was answered is counted, and gets a line in the log where that is wanted or needed."""

import logging
import time
from collections import Counter

import structlog

from server.config import Limits, Log
from server.logs import Seldom, reason
from server.tally import SECONDS, Histogram
from server.wire.errors import Internal, MatchaError, RateLimited, Unavailable
from server.wire.events import registry

log = structlog.get_logger("event")

OK, HANDSHAKE, UNKNOWN = "ok", "handshake", "unknown"
"""What is counted as the outcome where there is no error, and as names beside those of events."""
LIMITS = (
    *(name for name in Limits.model_fields if not name.endswith(("_window", "_burst", "scale"))),
    *("caller_rate", "socket_queue", "images_arriving"),
)
"""What a refusal may name as the reason: options, and what follows from them."""
_LOGGER = logging.getLogger("event")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}
_SECURITY = frozenset(
    f"user/{act}"
    for act in ("login", "logout", "verification", "reset_pass", "end_session", "block", "export", "delete")
) | {"report"}
_SUSPECT = frozenset({"forbidden", "invalid_credentials", "unauthorized"})
"""Who did these things, and who met these errors, is said at level info in any case; most refusals once a second."""


class Entry:
    """One event on its way: what it is called, who sends it, from where, and since when it is worked at."""

    __slots__ = ("address", "event", "started", "user_id")

    def __init__(self, event: str, user_id: int | None, address: str, *, started: float | None = None) -> None:
        self.event = event
        self.user_id = user_id
        self.address = address
        self.started = started
        """None: it was refused before anything was done."""


class Journal:
    """Counts all events of this process and says in the log what is worth a line, one an event at most."""

    def __init__(self, options: Log) -> None:
        names = (*registry, HANDSHAKE, UNKNOWN)
        self.outcomes: dict[str, Counter[str]] = {name: Counter() for name in names}
        """How often which event ended how: `ok`, or the name of the error."""
        self.seconds = {name: Histogram(SECONDS) for name in names}
        """How long events took that were not refused at the door."""
        self.limited = Counter(dict.fromkeys(LIMITS, 0))
        """How often which limit was reached."""
        self._level = _LEVELS[options.events]
        self._slow = options.slow
        self._addresses = options.addresses
        self._traces = Seldom()

    def note(self, entry: Entry, refusal: MatchaError | None = None) -> None:
        """An event was answered; why it was refused may be told by the cause of the refusal."""
        event, seconds = entry.event, 0.0
        if entry.started is not None:
            seconds = time.perf_counter() - entry.started
            self.seconds[event].note(seconds)
        self.outcomes[event][refusal.name if refusal else OK] += 1
        if isinstance(refusal, Internal):
            self._say_failed(entry, seconds, refusal)
        elif isinstance(refusal, Unavailable):
            self._say_unavailable(entry, seconds, refusal)
        elif isinstance(refusal, RateLimited):
            limit = refusal.limit
            self.limited[limit] += 1
            log.info("event.limited", **self._fields(entry, seconds, refusal), limit=limit, seldom=limit)
        elif seconds >= self._slow:
            log.warning("event.slow", **self._fields(entry, seconds, refusal), seldom=event)
        elif _LOGGER.isEnabledFor(self._level) or self._matters(event, refusal):
            level = logging.INFO if self._matters(event, refusal) else self._level
            log.log(level, "event", **self._fields(entry, seconds, refusal), seldom=self._kind(entry, refusal))

    def _kind(self, entry: Entry, refusal: MatchaError | None) -> object:
        """What is refused at the door is seldom said, and what nobody has asked to be told."""
        if refusal is None or (entry.started is not None and _LOGGER.isEnabledFor(self._level)):
            return None
        return entry.event, refusal.name

    def _matters(self, event: str, refusal: MatchaError | None) -> bool:
        return event in _SECURITY or (refusal is not None and refusal.name in _SUSPECT)

    def _say_failed(self, entry: Entry, seconds: float, refusal: Internal) -> None:
        """The way to the fault is long, and the same for all who take it: it is written once a second."""
        cause, error_id = refusal.__cause__, refusal.details["error_id"]
        trace = cause if self._traces.passes(entry.event) is not None else None
        fields = self._fields(entry, seconds, refusal)
        log.error("event.failed", **fields, error_id=error_id, fault=type(cause).__name__, exc_info=trace)

    def _say_unavailable(self, entry: Entry, seconds: float, refusal: Unavailable) -> None:
        cause = refusal.__cause__
        why = (reason(cause) or "timed out") if cause else "too busy, or draining"
        log.warning(
            "event.unavailable", **self._fields(entry, seconds, refusal), reason=why, seldom=type(cause).__name__
        )

    def _fields(self, entry: Entry, seconds: float, refusal: MatchaError | None) -> dict[str, object]:
        fields: dict[str, object] = {"event_name": entry.event, "code": refusal.code if refusal else 200}
        if refusal:
            fields["error"] = refusal.name
        fields |= {"ms": round(1000 * seconds, 1), "user_id": entry.user_id}
        if self._addresses:
            fields["address"] = entry.address
        return fields

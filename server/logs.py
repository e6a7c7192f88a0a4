"""Logging: structlog over the standard library, one line for each record, whatever text is in it."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from server.config import Log

# They log what passes through them, which is other people's private matter.
_TALKATIVE: Final = ("socketio", "engineio", "aiohttp.access", "aiomysql", "asyncio", "faker")
# C0, DEL, C1, line and paragraph separators, and what changes the direction of writing.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ABOUT_CODE: Final = (AttributeError, ImportError, NameError, NotImplementedError, RecursionError, TypeError)
_DEEPEST: Final = 20
_IN_QUOTES: Final = re.compile("([\"'`]).*", re.DOTALL)


class Seldom:
    """Lets one line of a kind through a second, with the number of those held back since: others can bring them about.

    `log.warning("tailer.unavailable", seldom=True)`; anything but True tells kinds of the same line apart. There must
    be few: each is remembered for ever.
    """

    def __init__(self, *, pause: float = 1.0, time: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._time = time
        self._kinds: dict[object, tuple[float, int]] = {}

    def passes(self, kind: object) -> int | None:
        """Return how many of a kind were held back since the last one, or None if this one is, too."""
        now = self._time()
        until, held_back = self._kinds.get(kind, (now, 0))
        if now < until:
            self._kinds[kind] = (until, held_back + 1)
            return None
        self._kinds[kind] = (now + self._pause, 0)
        return held_back

    def forget(self) -> None:
        """Begin anew: the next line of each kind passes."""
        self._kinds.clear()

    def __call__(self, logger: logging.Logger, method: str, event: EventDict) -> EventDict:
        """Do so with the lines of structlog that ask for it."""
        if (kind := event.pop("seldom", None)) is None:
            return event
        held_back = self.passes((logger.name, event["event"], kind))
        if held_back is None:
            raise structlog.DropEvent
        if held_back:
            event["suppressed"] = held_back
        return event


seldom: Final = Seldom()
"""Of this process, like the log."""


def configure(log: Log) -> None:
    """Send every record, ours and the libraries', to standard error in the chosen format."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_without_texts),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            seldom,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


def _without_texts(exc_info: ExcInfo) -> str:
    """Write where it happened, and what; what an exception quotes may be somebody's, a password even."""
    return "\n".join(_trace(exc_info[1]))


def _trace(fault: BaseException) -> Iterator[str]:
    earlier = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    if earlier:
        yield from _trace(earlier)
        yield "which led to"
    yield from (frame.rstrip("\n") for frame in traceback.format_tb(fault.__traceback__, limit=-_DEEPEST))
    yield f"{type(fault).__name__}: {reason(fault)}"


def reason(fault: BaseException) -> str:
    """Return what an exception says, up to where it quotes."""
    text = str(fault)
    return text if isinstance(fault, _ABOUT_CODE) else _IN_QUOTES.sub(r"\1…", text)


def _renderer(log: Log) -> Processor:
    return structlog.processors.JSONRenderer() if log.format == "json" else _console


def _console(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Write a record as `time level event [logger] key=value …`, so that no text in it can pretend to be another."""
    head = f"{event.pop('timestamp')} {event.pop('level'):<8} {_escaped(event.pop('event'))}"
    name = event.pop("logger", "")
    return " ".join((head, f"[{name}]", *(f"{key}={_quoted(value)}" for key, value in event.items())))


def _escaped(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _quoted(value: object) -> str:
    text = _escaped(value)
    return '"' + text.replace('"', '\\"') + '"' if re.search(r'[\s="]', text) or not text else text

"""Logging: structlog over the standard library, one line for each record, whatever text is in it."""

from __future__ import annotations

import logging
import re
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.config import Log

# They log what passes through them, which is other people's private matter.
_TALKATIVE: Final = ("socketio", "engineio", "aiohttp.access", "aiomysql", "asyncio")
# C0, DEL, C1, line and paragraph separators, and what changes the direction of writing.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def configure(log: Log) -> None:
    """Send every record, ours and the libraries', to standard error in the chosen format."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
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

"""Recorders: every statement on its way to the database, and every line of the log."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from server.app import _forever
from sql.driver import Driver


class Statement(NamedTuple):
    """SQL as the server wrote it, before the driver puts the values in."""

    sql: str
    args: Any
    in_background: bool = False
    """It belongs to no event: one of the server's own loops came by."""


class SqlRecorder:
    """While entered, records each statement that any connection of this process is given."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def __enter__(self) -> Self:
        self._text = text = Driver.text

        def recording(driver: Driver, template: str, values: Sequence[Any]) -> str:
            self.statements.append(Statement(template, values, in_background()))
            return text(driver, template, values)

        Driver.text = recording  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Driver.text = self._text  # type: ignore[method-assign]


def in_background() -> bool:
    """Tell whether it is one of the server's own loops that is at work."""
    task = asyncio.current_task()
    return task is not None and getattr(task.get_coro(), "__name__", "") == _forever.__name__


class LogRecorder(logging.Handler):
    """While entered, records every log record of this process, at any level."""

    def __init__(self, logger: str | None = None) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self._logger = logging.getLogger(logger)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)

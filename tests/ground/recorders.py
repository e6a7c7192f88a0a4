"""Recorders: every statement on its way to the database, and every line of the log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NamedTuple, Self

import aiomysql

from server.app import _forever

_inside_executemany: ContextVar[bool] = ContextVar("_inside_executemany", default=False)


class Statement(NamedTuple):
    """SQL as the server wrote it, before the driver puts the arguments in; `many` if `args` is a list of rows."""

    sql: str
    args: Any
    many: bool = False
    in_background: bool = False
    """It belongs to no event: one of the server's own loops came by."""


class SqlRecorder:
    """While entered, records each statement that any aiomysql cursor of this process is given."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def __enter__(self) -> Self:
        self._execute = aiomysql.cursors.Cursor.execute
        self._executemany = aiomysql.cursors.Cursor.executemany
        aiomysql.cursors.Cursor.execute = self._recording_execute(self._execute)
        aiomysql.cursors.Cursor.executemany = self._recording_executemany(self._executemany)
        return self

    def __exit__(self, *_: object) -> None:
        aiomysql.cursors.Cursor.execute = self._execute
        aiomysql.cursors.Cursor.executemany = self._executemany

    def _recording_execute(self, execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def recording(cursor: Any, query: str, args: Any = None) -> Any:
            if not _inside_executemany.get():  # which hands `execute` the text with the rows put in
                self.statements.append(Statement(query, args, in_background=_in_background()))
            return await execute(cursor, query, args)

        return recording

    def _recording_executemany(self, executemany: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def recording(cursor: Any, query: str, args: Any) -> Any:
            self.statements.append(Statement(query, args, many=True, in_background=_in_background()))
            token = _inside_executemany.set(True)
            try:
                return await executemany(cursor, query, args)
            finally:
                _inside_executemany.reset(token)

        return recording


def _in_background() -> bool:
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

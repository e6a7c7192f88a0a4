"""The driver, faster where it counts: statements go out together, rows come in by the hundred, as plain bytes."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any

import aiomysql
import pymysql
from pymysql.constants import COMMAND, CR, FIELD_TYPE
from pymysql.converters import convert_date, convert_datetime, decoders, escape_float
from pymysql.protocol import MysqlPacket, OKPacketWrapper

_AT_A_TIME = 262_144
_WHOLE = 0xFFFFFF
"""A packet of this size goes on in the next one."""
_BINARY = 63
_ERROR, _END = 0xFF, 0xFE
_NULL, _LONGER = 0xFB, {0xFC: 2, 0xFD: 3, 0xFE: 8}

Convert = Callable[[bytes], Any]
Answer = tuple[int, tuple[tuple[Any, ...], ...]]
"""How many rows a statement has touched, or read, and the rows read."""


# -- values ------------------------------------------------------------------------------------------------------------


def _literal(value: Any, connection: aiomysql.Connection) -> Any:
    if value is None:
        return "NULL"
    if type(value) is float:
        return _number(value)
    if type(value) is datetime:
        return _moment(value)
    return int(value) if isinstance(value, IntEnum) else connection.escape(value)


@lru_cache(1024)
def _moment(moment: datetime) -> str:
    """Many rows of one statement have the same time."""
    return f"'{moment.isoformat(' ')}'"


@lru_cache(1024)
def _number(number: float) -> str:
    """Most are constants of some definition."""
    return str(escape_float(number))


# -- statements and rows -----------------------------------------------------------------------------------------------


class Driver(aiomysql.Connection):  # type: ignore[misc]
    """Sends many statements in one piece, and reads a result at once, instead of packet by packet."""

    @classmethod
    async def open(cls, **options: Any) -> "Driver":
        """Connect, as `aiomysql.connect` does."""
        driver = cls(**options)
        await driver._connect()
        return driver

    def text(self, template: str, values: Sequence[Any]) -> str:
        """Return a statement with its values as literals; whole numbers look the same with or without."""
        return template % tuple([value if type(value) is int else _literal(value, self) for value in values])

    async def ask(self, texts: Sequence[str]) -> list[Answer | pymysql.err.Error]:
        """Send statements together, and return what came of each: the next one is run even if one has failed.

        Nobody asks for warnings: in strict mode what matters is an error. Raises OperationalError when all is lost.
        """
        self._ensure_alive()
        self._write_bytes(b"".join([_question(text.encode(self.encoding, "surrogateescape")) for text in texts]))
        packets = _Packets(self)
        return [await self._outcome(packets) for _ in texts]

    async def _outcome(self, packets: "_Packets") -> Answer | pymysql.err.Error:
        try:
            return await _read(self, packets)
        except pymysql.err.Error as fault:
            if self.closed:
                raise
            return fault

    async def more(self) -> bytes:
        """Return what has come. Raises OperationalError when the connection is lost."""
        try:
            data: bytes = await self._reader.read(_AT_A_TIME)
        except asyncio.CancelledError:
            self._close_on_cancel()
            raise
        except OSError as fault:
            raise self.lose(str(fault)) from fault
        if not data:
            raise self.lose("it was closed")
        return data

    def lose(self, why: str) -> pymysql.err.OperationalError:
        """Give the connection up, and return what is to be raised."""
        self.close()
        return pymysql.err.OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({why})")


def _question(text: bytes) -> bytes:
    """Return the packet of a statement."""
    size = len(text) + 1
    assert size < _WHOLE, "longer than the database takes"
    return size.to_bytes(4, "little") + b"%c%b" % (COMMAND.COM_QUERY, text)


class _Packets:
    """The packets of the answers to what was asked together; none follows them until the next question."""

    def __init__(self, connection: Driver) -> None:
        self._connection = connection
        self._data = b""
        self._start = 0

    async def next(self) -> bytes:
        """Return the next packet. Raises what the database says has gone wrong."""
        whole = b""
        while True:
            size = int.from_bytes(await self._take(4), "little") & _WHOLE
            part = await self._take(size)
            whole = whole + part if whole else part
            if size != _WHOLE:
                break
        if whole[0] == _ERROR:
            _packet(whole, self._connection).raise_for_error()
        return whole

    async def _take(self, size: int) -> bytes:
        end = self._start + size
        while len(self._data) < end:
            self._data = self._data[self._start :] + await self._connection.more()
            self._start, end = 0, size
        taken, self._start = self._data[self._start : end], end
        return taken

    def take_rows(self, converters: list[Convert | None], rows: list[tuple[Any, ...]]) -> None:
        """Take all rows that have come as a whole; whatever is not plain is left to be read one by one."""
        data, start, count = self._data, self._start, len(self._data)
        while start + 5 <= count:
            size = data[start] | data[start + 1] << 8 | data[start + 2] << 16
            if start + 4 + size > count or data[start + 4] >= _END or size == _WHOLE:
                break
            rows.append(_row(data, start + 4, converters))
            start += 4 + size
        self._start = start


def _packet(data: bytes, connection: Driver) -> Any:
    return MysqlPacket(data, connection.encoding)


async def _read(connection: Driver, packets: _Packets) -> Answer:
    first = await packets.next()
    if first[0] == 0:
        return _read_ok(first, connection), ()
    if first[0] == _NULL:
        raise connection.lose("it asks for a file")
    assert first[0] < _NULL, "more columns than any statement has"
    rows = await _read_rows(packets, first[0], connection)
    return len(rows), rows


def _read_ok(packet: bytes, connection: Driver) -> int:
    told = OKPacketWrapper(_packet(packet, connection))
    connection.server_status = told.server_status
    touched: int = told.affected_rows
    return touched


async def _read_rows(packets: _Packets, count: int, connection: Driver) -> tuple[tuple[Any, ...], ...]:
    converters = [_converter(await packets.next()) for _ in range(count)]
    await packets.next()
    rows: list[tuple[Any, ...]] = []
    while True:
        packets.take_rows(converters, rows)
        packet = await packets.next()
        if packet[0] == _END and len(packet) < 9:
            return tuple(rows)
        rows.append(_row(packet, 0, converters))


def _row(data: bytes, at: int, converters: list[Convert | None]) -> tuple[Any, ...]:
    row: list[Any] = []
    for convert in converters:
        size = data[at]
        at += 1
        if size == _NULL:
            row.append(None)
            continue
        if size > _NULL:
            width = _LONGER[size]
            size = int.from_bytes(data[at : at + width], "little")
            at += width
        value = data[at : at + size]
        row.append(convert(value) if convert else value)
        at += size
    return tuple(row)


def _converter(column: bytes) -> Convert | None:
    """Return what makes values of a column; how it is described ends in fields of fixed sizes."""
    return _convert(column[-6], int.from_bytes(column[-12:-10], "little"))


@cache
def _convert(kind: int, charset: int) -> Convert | None:
    if kind in _OURS:
        return _OURS[kind]
    known = decoders.get(kind)
    if kind in _TEXTS or known is None:
        return None if charset == _BINARY else _text
    return lambda data: known(data.decode("ascii"))


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _datetime(data: bytes) -> Any:
    text = data.decode("ascii")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return convert_datetime(text)


def _date(data: bytes) -> Any:
    text = data.decode("ascii")
    try:
        return date.fromisoformat(text)
    except ValueError:
        return convert_date(text)


_OURS: dict[int, Convert] = {
    **dict.fromkeys((FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24), int),
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), float),
    **dict.fromkeys((FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP), _datetime),
    FIELD_TYPE.DATE: _date,
}
_TEXTS = frozenset(
    (
        FIELD_TYPE.BIT,
        FIELD_TYPE.BLOB,
        FIELD_TYPE.LONG_BLOB,
        FIELD_TYPE.MEDIUM_BLOB,
        FIELD_TYPE.STRING,
        FIELD_TYPE.TINY_BLOB,
        FIELD_TYPE.VAR_STRING,
        FIELD_TYPE.VARCHAR,
        FIELD_TYPE.GEOMETRY,
    )
)

"""The driver, faster where it counts: values go out and rows come in by the hundred, as plain bytes in one piece."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import aiomysql
import pymysql
from aiomysql.connection import MySQLResult
from pymysql.constants import CR, FIELD_TYPE
from pymysql.converters import convert_date, convert_datetime, decoders, escape_float
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket, OKPacketWrapper

_AT_A_TIME = 262_144
_WHOLE = 0xFFFFFF
"""A packet of this size goes on in the next one."""
_BINARY = 63
_ERROR, _END = 0xFF, 0xFE
_NULL, _LONGER = 0xFB, {0xFC: 2, 0xFD: 3, 0xFE: 8}
_MOST_KNOWN = 512

Convert = Callable[[bytes], Any]


async def connect(**options: Any) -> aiomysql.Connection:
    """Connect, as `aiomysql.connect` does."""
    connection = _Connection(**options, cursorclass=_Cursor)
    await connection._connect()
    return connection


# -- values ------------------------------------------------------------------------------------------------------------


class _Cursor(aiomysql.Cursor):  # type: ignore[misc]
    """Asks for no warnings: in strict mode what matters is an error, and asking costs another round trip."""

    async def _show_warnings(self, conn: aiomysql.Connection) -> None:
        pass

    def _escape_args(self, args: Iterable[Any], conn: aiomysql.Connection) -> tuple[Any, ...]:
        """Return values as literals; whole numbers look the same with or without."""
        return tuple([arg if type(arg) is int else _literal(arg, conn) for arg in args])


def _literal(value: Any, conn: aiomysql.Connection) -> Any:
    if value is None:
        return "NULL"
    if type(value) is float:
        return _number(value)
    if type(value) is datetime:
        return _moment(value)
    return int(value) if isinstance(value, IntEnum) else conn.escape(value)


@lru_cache(1024)
def _moment(moment: datetime) -> str:
    """Many rows of one statement have the same time."""
    return f"'{moment.isoformat(' ')}'"


@lru_cache(1024)
def _number(number: float) -> str:
    """Most are constants of some definition."""
    return str(escape_float(number))


# -- rows --------------------------------------------------------------------------------------------------------------


class _Connection(aiomysql.Connection):  # type: ignore[misc]
    """Reads a result at once, instead of packet by packet."""

    async def _read_query_result(self, unbuffered: bool = False) -> None:
        self._result = None
        self._result = result = await _read(self)
        self._affected_rows = result.affected_rows
        if result.server_status is not None:
            self.server_status = result.server_status

    async def more(self) -> bytes:
        """Return what has come. Raises OperationalError when the connection is lost."""
        try:
            data: bytes = await self._reader.read(_AT_A_TIME)
        except asyncio.CancelledError:
            self._close_on_cancel()
            raise
        except OSError as fault:
            self._lose(str(fault), fault)
        if not data:
            self._lose("it was closed")
        return data

    def _lose(self, why: str, fault: OSError | None = None) -> NoReturn:
        self.close()
        said = f"Lost connection to MySQL server during query ({why})"
        raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, said) from fault


class _Packets:
    """The packets of one answer; none follows it until the next question."""

    def __init__(self, connection: _Connection) -> None:
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


def _packet(data: bytes, connection: _Connection) -> Any:
    return MysqlPacket(data, connection.encoding)


class _Columns(NamedTuple):
    description: tuple[Any, ...]
    converters: list[Convert | None]


async def _read(connection: _Connection) -> MySQLResult:
    result, packets = MySQLResult(connection), _Packets(connection)
    first = await packets.next()
    if first[0] == 0:
        _read_ok(result, first, connection)
    elif first[0] == _NULL:
        raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "the database asks for a file")
    else:
        assert first[0] < _NULL, "more columns than any statement has"
        await _read_rows(result, packets, first[0], connection)
    result.connection = None
    return result


def _read_ok(result: MySQLResult, packet: bytes, connection: _Connection) -> None:
    told = OKPacketWrapper(_packet(packet, connection))
    result.affected_rows, result.insert_id = told.affected_rows, told.insert_id
    result.server_status, result.warning_count = told.server_status, 0
    result.message, result.has_next = told.message, told.has_next


async def _read_rows(result: MySQLResult, packets: _Packets, count: int, connection: _Connection) -> None:
    packed = tuple([await packets.next() for _ in range(count)])
    columns = _known.get(packed) or _learn(packed, connection.encoding)
    await packets.next()
    rows: list[tuple[Any, ...]] = []
    while True:
        packets.take_rows(columns.converters, rows)
        packet = await packets.next()
        if packet[0] == _END and len(packet) < 9:
            break
        rows.append(_row(packet, 0, columns.converters))
    result.field_count, result.description = count, columns.description
    result.affected_rows, result.rows, result.has_next = len(rows), tuple(rows), False


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


_known: dict[tuple[bytes, ...], _Columns] = {}


def _learn(packed: tuple[bytes, ...], encoding: str) -> _Columns:
    """Columns that were seen before are known by the bytes that describe them."""
    fields: list[Any] = [FieldDescriptorPacket(data, encoding) for data in packed]
    columns = _Columns(tuple(field.description() for field in fields), [_converter(field) for field in fields])
    if len(_known) < _MOST_KNOWN:
        _known[packed] = columns
    return columns


def _converter(field: Any) -> Convert | None:
    if field.type_code in _OURS:
        return _OURS[field.type_code]
    known = decoders.get(field.type_code)
    if field.type_code in _TEXTS or known is None:
        return None if field.charsetnr == _BINARY else _text
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

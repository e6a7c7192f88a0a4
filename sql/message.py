"""Messages: every statement on the `message` table."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery, Order, Tuple

from sql.statement import LIMIT, P, compile_, each, insert_rows
from sql.tables import message
from sql.transaction import Tx


class Message(NamedTuple):
    """One message of a conversation."""

    low_id: int
    high_id: int
    seq: int
    sender_id: int
    random_id: int
    body: str
    sent_at: datetime


_COLUMNS = (
    message.low_id,
    message.high_id,
    message.seq,
    message.sender_id,
    message.random_id,
    message.body,
    message.sent_at,
)
_OF_PAIR = (
    MySQLQuery.from_(message)
    .select(*_COLUMNS)
    .where(message.low_id == P("low_id"))
    .where(message.high_id == P("high_id"))
)
_LIST_BY_RANDOM_ID = compile_(
    MySQLQuery.from_(message)
    .force_index("random_id")
    .select(*_COLUMNS)
    .where(Tuple(message.low_id, message.high_id, message.sender_id, message.random_id).isin(each("keys", 4)))
)
_LIST_BEFORE = compile_(_OF_PAIR.where(message.seq < P("before")).orderby(message.seq, order=Order.desc).limit(LIMIT))
_LIST_AFTER = compile_(_OF_PAIR.where(message.seq > P("after")).orderby(message.seq).limit(LIMIT))
_LIST_BY_KEY = compile_(
    MySQLQuery.from_(message)
    .select(*_COLUMNS)
    .where(Tuple(message.low_id, message.high_id, message.seq).isin(each("keys", 3)))
)
_COUNT_UNREAD = compile_(
    "SELECT COUNT(`seq`) FROM `message`"
    " WHERE `low_id`=%(low_id)s AND `high_id`=%(high_id)s AND `seq`>%(after)s AND `sender_id`=%(sender_id)s"
)
_INSERT = insert_rows("message", Message._fields)


async def list_by_random_id(
    tx: Tx, *, keys: Collection[tuple[int, int, int, int]]
) -> dict[tuple[int, int, int, int], Message]:
    """Return those messages of (low_id, high_id, sender_id, random_id) that exist."""
    found = await tx.many(_LIST_BY_RANDOM_ID, Message, keys=sorted(keys)) if keys else []
    return {(m.low_id, m.high_id, m.sender_id, m.random_id): m for m in found}


async def list_before(tx: Tx, *, low_id: int, high_id: int, before: int, limit: int) -> list[Message]:
    """Return up to `limit` messages older than `before`, newest first."""
    return await tx.many(_LIST_BEFORE, Message, low_id=low_id, high_id=high_id, before=before, limit=limit)


async def list_after(tx: Tx, *, low_id: int, high_id: int, after: int, limit: int) -> list[Message]:
    """Return up to `limit` messages newer than `after`, oldest first."""
    return await tx.many(_LIST_AFTER, Message, low_id=low_id, high_id=high_id, after=after, limit=limit)


async def list_by_key(tx: Tx, *, keys: list[tuple[int, int, int]]) -> dict[tuple[int, int, int], Message]:
    """Return those messages of (low_id, high_id, seq) that exist."""
    if not keys:
        return {}
    return {(m.low_id, m.high_id, m.seq): m for m in await tx.many(_LIST_BY_KEY, Message, keys=keys)}


async def count_unread(tx: Tx, *, low_id: int, high_id: int, after: int, sender_id: int) -> int:
    """Return how many messages of one person came after a number."""
    count: int = await tx.scalar(_COUNT_UNREAD, low_id=low_id, high_id=high_id, after=after, sender_id=sender_id)
    return count


def insert(tx: Tx, *, messages: list[Message]) -> None:
    """Add messages, with the next statement."""
    tx.post(_INSERT, rows=messages)

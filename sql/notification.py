"""Notifications and nudges: every statement on the `notification` and `nudge` tables."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery

from server.wire.pushes import Notice
from sql.account import State
from sql.statement import P, compile_, each, insert_rows
from sql.tables import nudge
from sql.transaction import Tx


class Notification(NamedTuple):
    """Something that happened so many times since it was read last; `seq` is the newest push that told of it."""

    kind: Notice
    other_id: int
    times: int
    seq: int
    at: datetime
    is_read: bool


class Waiting(NamedTuple):
    """A notification that waits to be read: when it was told, and when it last counted up."""

    kind: Notice
    told_at: datetime
    at: datetime


class _Nudge(NamedTuple):
    sent_at: datetime


_COLUMNS = "SELECT n.`kind`,n.`other_id`,n.`count`,n.`seq`,n.`at`,n.`is_read`"
# What tells of somebody who may not be seen any more is not there; nobody stands behind a notice of the staff.
_FROM = (
    " FROM `notification` n LEFT JOIN `account` a ON a.`id`=n.`other_id`"
    " LEFT JOIN `pair` p"
    " ON p.`low_id`=LEAST(n.`user_id`,n.`other_id`) AND p.`high_id`=GREATEST(n.`user_id`,n.`other_id`)"
)
_VISIBLE = (
    " WHERE n.`user_id`=%(user_id)s AND (n.`other_id`=%(nobody)s"
    " OR a.`state`=%(active)s AND p.`low_blocked_at` IS NULL AND p.`high_blocked_at` IS NULL)"
)
_LIST_BEFORE = compile_(_COLUMNS + _FROM + _VISIBLE + " AND n.`seq`<%(before)s ORDER BY n.`seq` DESC LIMIT %(limit)s")
_LIST_WAITING = compile_(
    "SELECT n.`kind`,COALESCE(e.`at`,n.`at`),n.`at`"
    + _FROM
    + " LEFT JOIN `user_event` e ON e.`user_id`=n.`user_id` AND e.`seq`=n.`seq`"
    + _VISIBLE
    + " AND n.`is_read`=%(no)s"
)
_COUNT_UNREAD = compile_("SELECT COUNT(*)" + _FROM + _VISIBLE + " AND n.`is_read`=%(no)s")
_LIST_BY_KEY = compile_(
    _COLUMNS
    + " FROM `notification` n WHERE n.`user_id`=%(user_id)s AND (n.`kind`,n.`other_id`) IN "
    + str(each("keys", 2))
)
_GET_NEWEST_UNREAD = compile_(
    "SELECT MAX(n.`seq`)" + _FROM + _VISIBLE + " AND n.`is_read`=%(no)s AND n.`seq`<=%(up_to)s"
)
# In one statement, since every message of a conversation that waits unread costs it.
_COUNT_UP = compile_(
    "UPDATE `notification` n LEFT JOIN `reminder` r ON r.`user_id`=n.`user_id`"
    " SET n.`count`=n.`count`+%(one)s,n.`at`=%(at)s,r.`due_at`=COALESCE(r.`due_at`,%(due_at)s)"
    " WHERE n.`user_id`=%(user_id)s AND n.`kind`=%(kind)s AND n.`other_id`=%(other_id)s AND n.`is_read`=%(no)s"
)
# The same for many; those that are there unread are locked first, so that it is known which begin.
_LOCK_UNREAD = compile_(
    "SELECT n.`user_id`,n.`kind`,n.`other_id`,r.`due_at` IS NOT NULL"
    " FROM `notification` n FORCE INDEX (PRIMARY) LEFT JOIN `reminder` r ON r.`user_id`=n.`user_id`"
    " WHERE n.`is_read`=%(no)s AND (n.`user_id`,n.`kind`,n.`other_id`) IN " + str(each("keys", 3)) + " FOR UPDATE"
)
_COUNT_ALL = insert_rows(
    "notification",
    ["user_id", "kind", "other_id", "count", "at"],
    "ON DUPLICATE KEY UPDATE `count`=VALUES(`count`)+IF(`is_read`,%(none)s,`count`),`at`=VALUES(`at`),`is_read`=%(no)s",
)
_BEGIN = compile_(
    "INSERT INTO `notification` (`user_id`,`kind`,`other_id`,`count`,`at`,`is_read`)"
    " VALUES (%(user_id)s,%(kind)s,%(other_id)s,%(one)s,%(at)s,%(no)s)"
    " ON DUPLICATE KEY UPDATE `count`=VALUES(`count`),`at`=VALUES(`at`),`is_read`=VALUES(`is_read`)"
)
# By this index, so that it waits for nobody who waits for it: a commit stamps rows by the other one.
_MARK_READ = compile_(
    "UPDATE `notification` FORCE INDEX (`unread`) SET `is_read`=%(yes)s"
    " WHERE `user_id`=%(user_id)s AND `is_read`=%(no)s AND `seq`<=%(up_to)s"
)
_MARK_THESE_READ = compile_(
    "UPDATE `notification` FORCE INDEX (PRIMARY) SET `is_read`=%(yes)s"
    " WHERE (`user_id`,`kind`,`other_id`) IN " + str(each("keys", 3))
)
_DELETE = compile_(
    "DELETE FROM `notification`"
    " WHERE `user_id`=%(user_id)s AND `other_id`=%(other_id)s AND `kind` IN " + str(each("kinds"))
)
_GET_NUDGE = compile_(
    MySQLQuery.from_(nudge)
    .select(nudge.sent_at)
    .where(nudge.user_id == P("user_id"))
    .where(nudge.receiver_id == P("receiver_id"))
    .where(nudge.random_id == P("random_id"))
)
_INSERT_NUDGE = compile_(
    MySQLQuery.into(nudge)
    .columns(nudge.user_id, nudge.receiver_id, nudge.random_id, nudge.sent_at)
    .insert(P("user_id"), P("receiver_id"), P("random_id"), P("sent_at"))
)


def _row(kind: int, other_id: int, times: int, seq: int, at: datetime, is_read: int) -> Notification:
    return Notification(Notice(kind), other_id, times, seq, at, bool(is_read))


def _waiting(kind: int, told_at: datetime, at: datetime) -> Waiting:
    return Waiting(Notice(kind), told_at, at)


async def list_before(tx: Tx, *, user_id: int, before: int, limit: int) -> list[Notification]:
    """Return up to `limit` visible notifications before a number of the log, newest first."""
    return await tx.many(_LIST_BEFORE, _row, user_id=user_id, before=before, limit=limit, active=State.ACTIVE, nobody=0)


async def list_waiting(tx: Tx, *, user_id: int) -> list[Waiting]:
    """Return all visible notifications that wait to be read."""
    return await tx.many(_LIST_WAITING, _waiting, user_id=user_id, active=State.ACTIVE, nobody=0, no=False)


async def count_unread(tx: Tx, *, user_id: int) -> int:
    """Return how many visible notifications wait to be read."""
    count: int = await tx.scalar(_COUNT_UNREAD, user_id=user_id, active=State.ACTIVE, nobody=0, no=False)
    return count


async def list_by_key(
    tx: Tx, *, user_id: int, keys: list[tuple[Notice, int]]
) -> dict[tuple[Notice, int], Notification]:
    """Return those notifications of (kind, other_id) that exist, whether the other may be seen or not."""
    if not keys:
        return {}
    rows = await tx.many(_LIST_BY_KEY, _row, user_id=user_id, keys=keys)
    return {(row.kind, row.other_id): row for row in rows}


async def get_newest_unread(tx: Tx, *, user_id: int, up_to: int) -> int | None:
    """Return the number of the newest visible notification that waits to be read, up to a number of the log."""
    newest: int | None = await tx.scalar(
        _GET_NEWEST_UNREAD, user_id=user_id, up_to=up_to, active=State.ACTIVE, nobody=0, no=False
    )
    return newest


async def count_up(tx: Tx, *, user_id: int, kind: Notice, other_id: int, due_at: datetime) -> bool:
    """Count one more in a notification that is unread, and remind of it; tell whether there is one."""
    key = {"user_id": user_id, "kind": kind, "other_id": other_id}
    return bool(await tx.write(_COUNT_UP, **key, due_at=due_at, at=tx.now, one=1, no=False))


class Name(NamedTuple):
    """What a notification is known by: who is told, what, and of whom."""

    user_id: int
    kind: int
    other_id: int


class Unread(NamedTuple):
    """A notification that waits to be read, and whether a mail about it is due at some time."""

    name: Name
    is_due: bool


def _unread(user_id: int, kind: int, other_id: int, is_due: int) -> Unread:
    return Unread(Name(user_id, kind, other_id), bool(is_due))


async def lock_unread(tx: Tx, *, names: Collection[Name]) -> list[Unread]:
    """Return those of these notifications that wait to be read; they wait until the commit."""
    return await tx.many(_LOCK_UNREAD, _unread, keys=sorted(names), no=False)


def count_all(tx: Tx, *, times: Mapping[Name, int]) -> None:
    """Count so many more of each with the next statement; those that are read, or not there, begin."""
    rows = [(*name, count, tx.now) for name, count in sorted(times.items())]
    tx.post(_COUNT_ALL, rows=rows, none=0, no=False)


def begin(tx: Tx, *, user_id: int, kind: Notice, other_id: int) -> None:
    """Begin a notification, or begin it anew after it was read, with the next statement."""
    tx.post(_BEGIN, user_id=user_id, kind=kind, other_id=other_id, at=tx.now, one=1, no=False)


async def mark_read(tx: Tx, *, user_id: int, up_to: int) -> int:
    """Mark what was told up to a number of the log; return how many were unread."""
    return await tx.write(_MARK_READ, user_id=user_id, up_to=up_to, yes=True, no=False)


def mark_these_read(tx: Tx, *, names: Collection[Name]) -> None:
    """Mark those of these notifications that there are, with the next statement."""
    if names:
        tx.post(_MARK_THESE_READ, keys=sorted(names), yes=True)


async def delete(tx: Tx, *, user_id: int, other_id: int, kinds: list[Notice]) -> int:
    """Drop what a user was told of somebody; return how many."""
    return await tx.write(_DELETE, user_id=user_id, other_id=other_id, kinds=kinds)


async def was_nudged(tx: Tx, *, user_id: int, receiver_id: int, random_id: int) -> bool:
    """Tell whether a nudge with this random_id was sent before; the caller holds the lock on the two."""
    return bool(await tx.one(_GET_NUDGE, _Nudge, user_id=user_id, receiver_id=receiver_id, random_id=random_id))


async def insert_nudge(tx: Tx, *, user_id: int, receiver_id: int, random_id: int) -> None:
    """Note a nudge, so that a repeat is known as one."""
    await tx.write(_INSERT_NUDGE, user_id=user_id, receiver_id=receiver_id, random_id=random_id, sent_at=tx.now)

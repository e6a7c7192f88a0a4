"""Reminders: when somebody who is away is told by mail that something waits. Every statement on `reminder`."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery

from sql.statement import LIMIT, P, compile_, each, insert_rows
from sql.tables import reminder
from sql.transaction import Tx


class Reminder(NamedTuple):
    """A user to be looked at, and when the last mail went."""

    user_id: int
    mailed_at: datetime | None


# An earlier time stays.
_SET = insert_rows(
    "reminder", ["user_id", "due_at"], "ON DUPLICATE KEY UPDATE `due_at`=COALESCE(`due_at`,VALUES(`due_at`))"
)
_LIST_DUE = compile_(
    MySQLQuery.from_(reminder)
    .select(reminder.user_id, reminder.mailed_at)
    .where(reminder.due_at <= P("now"))
    .orderby(reminder.due_at)
    .limit(LIMIT)
)
# Who takes one moves its due time past the lease: a worker that dies leaves it to the next. Rows are locked by their
# key, never by their due time: whoever holds one may want to change that.
_CLAIM = compile_(
    "UPDATE `reminder` FORCE INDEX (PRIMARY) SET `lease`=%(lease)s,`due_at`=%(until)s WHERE `due_at`<=%(now)s"
    " AND `user_id` IN " + str(each("user_ids"))
)
_LIST_CLAIMED = compile_(
    MySQLQuery.from_(reminder)
    .select(reminder.user_id, reminder.mailed_at)
    .where(reminder.due_at == P("until"))
    .where(reminder.lease == P("lease"))
)
_LOCK = compile_(
    MySQLQuery.from_(reminder)
    .select(reminder.user_id, reminder.mailed_at)
    .where(reminder.user_id == P("user_id"))
    .where(reminder.lease == P("lease"))
    .for_update()
)
_UPDATE = compile_(
    MySQLQuery.update(reminder)
    .set(reminder.due_at, P("due_at"))
    .set(reminder.mailed_at, P("mailed_at"))
    .set(reminder.lease, P("lease"))
    .where(reminder.user_id == P("user_id"))
)


def remind(tx: Tx, *, user_ids: Collection[int], due_at: datetime) -> None:
    """Note, with the next statement, when users who have not looked are to be told by mail; an earlier time stays."""
    tx.post(_SET, rows=[(user_id, due_at) for user_id in sorted(user_ids)])


async def claim(tx: Tx, *, lease: int, until: datetime, limit: int) -> list[Reminder]:
    """Take reminders that are due; they are due again at `until` unless something is done about them."""
    due = sorted(row.user_id for row in await tx.many(_LIST_DUE, Reminder, now=tx.now, limit=limit))
    if not due or not await tx.write(_CLAIM, lease=lease, until=until, now=tx.now, user_ids=due):
        return []
    return await tx.many(_LIST_CLAIMED, Reminder, lease=lease, until=until)


async def lock(tx: Tx, *, user_id: int, lease: int) -> Reminder | None:
    """Return a reminder that is still ours: what comes now to be told waits, and sets its own time afterwards."""
    return await tx.one(_LOCK, Reminder, user_id=user_id, lease=lease)


async def update(tx: Tx, *, user_id: int, due_at: datetime | None, mailed_at: datetime | None) -> None:
    """Give a reminder back: to be looked at again at that time, or (None) when something new comes."""
    await tx.write(_UPDATE, user_id=user_id, due_at=due_at, mailed_at=mailed_at, lease=None)

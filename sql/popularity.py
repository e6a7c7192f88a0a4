"""Popularity: who has come to be liked by more, or by fewer, and the fame that follows."""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from sql.statement import compile_, each, insert_rows
from sql.transaction import Tx


class _User(NamedTuple):
    user_id: int


_NOTE = insert_rows("popularity", ["user_id", "day"], "ON DUPLICATE KEY UPDATE `day`=VALUES(`day`)")
_LIST_DUE = compile_(
    "SELECT DISTINCT `user_id` FROM `popularity` WHERE `day`<%(today)s ORDER BY `day`,`user_id` LIMIT %(limit)s"
)
_LOCK = compile_("SELECT `user_id` FROM `profile` WHERE `user_id`=%(user_id)s FOR UPDATE")
_LIKERS = (
    "(SELECT COUNT(*) FROM `pair` WHERE `low_id`=%(user_id)s AND `high_liked_at`<%(today)s)"
    "+(SELECT COUNT(*) FROM `pair` FORCE INDEX (`high_liked_by`)"
    " WHERE `high_id`=%(user_id)s AND `low_liked_at`<%(today)s)"
)
_COUNT = compile_(f"SELECT {_LIKERS}")
_UPDATE_PROFILE = compile_("UPDATE `profile` SET `fame`=%(fame)s WHERE `user_id`=%(user_id)s")
_UPDATE_CANDIDATE = compile_("UPDATE `candidate` SET `fame`=%(fame)s WHERE `user_id`=%(user_id)s")
_DELETE = compile_("DELETE FROM `popularity` WHERE `user_id` IN " + str(each("user_ids")) + " AND `day`<%(today)s")


def note(tx: Tx, *, user_ids: Collection[int]) -> None:
    """Note, with the next statement, that other people than before like these ones."""
    if user_ids:
        tx.post(_NOTE, rows=[(user_id, tx.now.date()) for user_id in sorted(user_ids)])


async def list_due(tx: Tx, *, today: date, limit: int) -> list[int]:
    """Return of whom that was noted before today."""
    return [row.user_id for row in await tx.many(_LIST_DUE, _User, today=today, limit=limit)]


async def count_likers(tx: Tx, *, user_id: int, today: date) -> int:
    """Return how many like somebody, and did so before today; nobody else changes that person until the commit."""
    await tx.scalar(_LOCK, user_id=user_id)
    count: int = await tx.scalar(_COUNT, user_id=user_id, today=today)
    return count


async def update_fame(tx: Tx, *, user_id: int, fame: int, today: date) -> None:
    """Set somebody's fame, also for search, and forget that it was due."""
    await tx.write(_UPDATE_PROFILE, user_id=user_id, fame=fame)
    await tx.write(_UPDATE_CANDIDATE, user_id=user_id, fame=fame)
    await tx.write(_DELETE, user_ids=[user_id], today=today)

"""Visits: every statement on the `visit` table."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sql.statement import compile_, each, insert_rows
from sql.transaction import Tx


class Visit(NamedTuple):
    """Who visited one, and when last."""

    other_id: int
    at: datetime


_LIST_AT = compile_(
    "SELECT `user_id`,`visitor_id`,`visited_at` FROM `visit` FORCE INDEX (PRIMARY)"
    " WHERE (`user_id`,`visitor_id`) IN " + str(each("keys", 2))
)
_UPSERT = insert_rows(
    "visit", ["user_id", "visitor_id", "visited_at"], "ON DUPLICATE KEY UPDATE `visited_at`=VALUES(`visited_at`)"
)
_LIST = compile_(
    "SELECT `visitor_id`,`visited_at` FROM `visit` WHERE `user_id`=%(user_id)s"
    " AND (`visited_at`<%(at)s OR (`visited_at`=%(at)s AND `visitor_id`<%(other_id)s))"
    " ORDER BY `visited_at` DESC,`visitor_id` DESC LIMIT %(limit)s"
)
_DELETE = compile_("DELETE FROM `visit` WHERE `user_id`=%(user_id)s AND `visitor_id`=%(visitor_id)s")


async def list_at(tx: Tx, *, keys: Collection[tuple[int, int]]) -> dict[tuple[int, int], datetime]:
    """Return when each of (user_id, visitor_id) was visited last, of those that were."""
    rows = await tx.rows(_LIST_AT, keys=sorted(keys)) if keys else ()
    return {row[:2]: row[2] for row in rows}


def upsert(tx: Tx, *, keys: Collection[tuple[int, int]]) -> None:
    """Note visits of (user_id, visitor_id), now, with the next statement."""
    if keys:
        tx.post(_UPSERT, rows=[(*key, tx.now) for key in sorted(keys)])


async def list_before(tx: Tx, *, user_id: int, at: datetime, other_id: int, limit: int) -> list[Visit]:
    """Return the visits before a place in the list, newest first."""
    return await tx.many(_LIST, Visit, user_id=user_id, at=at, other_id=other_id, limit=limit)


async def delete(tx: Tx, *, user_id: int, visitor_id: int) -> None:
    """Forget that somebody was visited by somebody."""
    await tx.write(_DELETE, user_id=user_id, visitor_id=visitor_id)

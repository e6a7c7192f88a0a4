"""Visits: every statement on the `visit` table."""

from datetime import datetime
from typing import NamedTuple

from sql.statement import compile_
from sql.transaction import Tx


class Visit(NamedTuple):
    """Who visited one, and when last."""

    other_id: int
    at: datetime


_GET_AT = compile_("SELECT `visited_at` FROM `visit` WHERE `user_id`=%(user_id)s AND `visitor_id`=%(visitor_id)s")
_UPSERT = compile_(
    "INSERT INTO `visit` (`user_id`,`visitor_id`,`visited_at`) VALUES (%(user_id)s,%(visitor_id)s,%(visited_at)s)"
    " ON DUPLICATE KEY UPDATE `visited_at`=IF(`visited_at`>%(recent)s,`visited_at`,VALUES(`visited_at`))"
)
_LIST = compile_(
    "SELECT `visitor_id`,`visited_at` FROM `visit` WHERE `user_id`=%(user_id)s"
    " AND (`visited_at`<%(at)s OR (`visited_at`=%(at)s AND `visitor_id`<%(other_id)s))"
    " ORDER BY `visited_at` DESC,`visitor_id` DESC LIMIT %(limit)s"
)
_DELETE = compile_("DELETE FROM `visit` WHERE `user_id`=%(user_id)s AND `visitor_id`=%(visitor_id)s")


async def get_at(tx: Tx, *, user_id: int, visitor_id: int) -> datetime | None:
    """Return when somebody was visited last by somebody."""
    at: datetime | None = await tx.scalar(_GET_AT, user_id=user_id, visitor_id=visitor_id)
    return at


async def upsert(tx: Tx, *, user_id: int, visitor_id: int, recent: datetime) -> bool:
    """Note a visit, unless one after `recent` is noted; tell whether it was."""
    values = {"user_id": user_id, "visitor_id": visitor_id, "visited_at": tx.now, "recent": recent}
    return bool(await tx.write(_UPSERT, **values))


async def list_before(tx: Tx, *, user_id: int, at: datetime, other_id: int, limit: int) -> list[Visit]:
    """Return the visits before a place in the list, newest first."""
    return await tx.many(_LIST, Visit, user_id=user_id, at=at, other_id=other_id, limit=limit)


async def delete(tx: Tx, *, user_id: int, visitor_id: int) -> None:
    """Forget that somebody was visited by somebody."""
    await tx.write(_DELETE, user_id=user_id, visitor_id=visitor_id)

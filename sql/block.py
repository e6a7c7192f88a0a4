"""The black list as its owner sees it: every statement on the `block` table. What counts stands in the pair."""

from datetime import datetime
from typing import NamedTuple

from sql.statement import compile_
from sql.transaction import Tx


class Block(NamedTuple):
    """Somebody on a black list, with the login of then."""

    other_id: int
    at: datetime
    login: str


_INSERT = compile_(
    "INSERT INTO `block` (`user_id`,`other_id`,`login`,`blocked_at`)"
    " VALUES (%(user_id)s,%(other_id)s,%(login)s,%(blocked_at)s)"
)
_LIST = compile_(
    "SELECT `other_id`,`blocked_at`,`login` FROM `block` WHERE `user_id`=%(user_id)s"
    " AND (`blocked_at`<%(at)s OR (`blocked_at`=%(at)s AND `other_id`<%(other_id)s))"
    " ORDER BY `blocked_at` DESC,`other_id` DESC LIMIT %(limit)s"
)
_DELETE = compile_("DELETE FROM `block` WHERE `user_id`=%(user_id)s AND `other_id`=%(other_id)s")


async def insert(tx: Tx, *, user_id: int, other_id: int, login: str) -> None:
    """Add somebody."""
    await tx.write(_INSERT, user_id=user_id, other_id=other_id, login=login, blocked_at=tx.now)


async def list_before(tx: Tx, *, user_id: int, at: datetime, other_id: int, limit: int) -> list[Block]:
    """Return the entries before a place in the list, newest first."""
    return await tx.many(_LIST, Block, user_id=user_id, at=at, other_id=other_id, limit=limit)


async def delete(tx: Tx, *, user_id: int, other_id: int) -> None:
    """Take somebody off."""
    await tx.write(_DELETE, user_id=user_id, other_id=other_id)

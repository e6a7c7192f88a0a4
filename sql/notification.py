"""Notifications: every statement on the `notification` and `reminder` tables."""

from datetime import datetime

from server.wire.pushes import Notice
from sql.statement import compile_, each
from sql.transaction import Tx

_COUNT_UP = compile_(
    "UPDATE `notification` SET `count`=`count`+%(one)s,`at`=%(at)s"
    " WHERE `user_id`=%(user_id)s AND `kind`=%(kind)s AND `other_id`=%(other_id)s AND `is_read`=%(no)s"
)
_BEGIN = compile_(
    "INSERT INTO `notification` (`user_id`,`kind`,`other_id`,`count`,`at`,`is_read`)"
    " VALUES (%(user_id)s,%(kind)s,%(other_id)s,%(one)s,%(at)s,%(no)s)"
    " ON DUPLICATE KEY UPDATE `count`=VALUES(`count`),`at`=VALUES(`at`),`is_read`=VALUES(`is_read`)"
)
_DELETE = compile_(
    "DELETE FROM `notification`"
    " WHERE `user_id`=%(user_id)s AND `other_id`=%(other_id)s AND `kind` IN " + str(each("kinds"))
)
_REMIND = compile_(
    "INSERT INTO `reminder` (`user_id`,`due_at`) VALUES (%(user_id)s,%(due_at)s)"
    " ON DUPLICATE KEY UPDATE `due_at`=COALESCE(`due_at`,VALUES(`due_at`))"
)


async def count_up(tx: Tx, *, user_id: int, kind: Notice, other_id: int) -> bool:
    """Count one more in a notification that is unread; tell whether there is one."""
    return bool(await tx.write(_COUNT_UP, user_id=user_id, kind=kind, other_id=other_id, at=tx.now, one=1, no=False))


async def begin(tx: Tx, *, user_id: int, kind: Notice, other_id: int) -> None:
    """Begin a notification, or begin it anew after it was read."""
    await tx.write(_BEGIN, user_id=user_id, kind=kind, other_id=other_id, at=tx.now, one=1, no=False)


async def delete(tx: Tx, *, user_id: int, other_id: int, kinds: list[Notice]) -> int:
    """Drop what a user was told of somebody; return how many."""
    return await tx.write(_DELETE, user_id=user_id, other_id=other_id, kinds=kinds)


async def remind(tx: Tx, *, user_id: int, due_at: datetime) -> None:
    """Note when a user who has not looked by then is to be told by mail; an earlier time stays."""
    await tx.write(_REMIND, user_id=user_id, due_at=due_at)

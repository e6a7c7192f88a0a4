"""Daily limits: every statement on the `quota` table."""

from datetime import date
from enum import IntEnum

from sql.statement import compile_
from sql.transaction import Tx


class Act(IntEnum):
    """What is counted a day."""

    LIKE = 1
    PROFILE = 2
    MOVE = 3
    NUDGE = 4
    REPORT = 5


_COUNT_UP = compile_(
    "INSERT INTO `quota` (`user_id`,`day`,`kind`,`target_id`,`used`)"
    " VALUES (%(user_id)s,%(day)s,%(kind)s,%(target_id)s,%(one)s)"
    " ON DUPLICATE KEY UPDATE `used`=`used`+VALUES(`used`)"
)
_GET = compile_(
    "SELECT `used` FROM `quota`"
    " WHERE `user_id`=%(user_id)s AND `day`=%(day)s AND `kind`=%(kind)s AND `target_id`=%(target_id)s FOR UPDATE"
)


async def count_up(tx: Tx, *, user_id: int, act: Act, day: date, target_id: int = 0) -> int:
    """Count one more and return how many there are today with it."""
    key = {"user_id": user_id, "day": day, "kind": act, "target_id": target_id}
    await tx.write(_COUNT_UP, **key, one=1)
    used: int = await tx.scalar(_GET, **key)
    return used

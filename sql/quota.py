"""Daily limits: every statement on the `quota` table."""

from collections.abc import Collection, Mapping
from datetime import date
from enum import IntEnum
from typing import NamedTuple

from sql.statement import compile_, each, insert_rows
from sql.transaction import Tx


class Act(IntEnum):
    """What is counted a day."""

    LIKE = 1
    PROFILE = 2
    MOVE = 3
    NUDGE = 4
    REPORT = 5


class Counter(NamedTuple):
    """Whose acts are counted, and towards whom; 0 is all of them."""

    user_id: int
    target_id: int


_COUNT_UP = compile_(
    "INSERT INTO `quota` (`user_id`,`day`,`kind`,`target_id`,`used`)"
    " VALUES (%(user_id)s,%(day)s,%(kind)s,%(target_id)s,%(one)s)"
    " ON DUPLICATE KEY UPDATE `used`=`used`+VALUES(`used`)"
)
_GET = compile_(
    "SELECT `used` FROM `quota`"
    " WHERE `user_id`=%(user_id)s AND `day`=%(day)s AND `kind`=%(kind)s AND `target_id`=%(target_id)s FOR UPDATE"
)

_LOCK = compile_(
    "SELECT `user_id`,`target_id`,`used` FROM `quota` FORCE INDEX (PRIMARY)"
    " WHERE (`user_id`,`day`,`kind`,`target_id`) IN " + str(each("keys", 4)) + " FOR UPDATE"
)
_COUNT_ALL = insert_rows(
    "quota", ["user_id", "day", "kind", "target_id", "used"], "ON DUPLICATE KEY UPDATE `used`=`used`+VALUES(`used`)"
)


async def count_up(tx: Tx, *, user_id: int, act: Act, day: date, target_id: int = 0) -> int:
    """Count one more and return how many there are today with it."""
    key = {"user_id": user_id, "day": day, "kind": act, "target_id": target_id}
    await tx.write(_COUNT_UP, **key, one=1)
    used: int = await tx.scalar(_GET, **key)
    return used


async def lock(tx: Tx, *, act: Act, day: date, counters: Collection[Counter]) -> dict[Counter, int]:
    """Return how many there are today, which nobody else changes until the commit; a person's acts are among these.

    Who holds the counter of all that somebody does holds those towards each person, too, be they there or not.
    """
    found = await _lock(tx, act=act, day=day, counters=counters)
    begun = {counter: 0 for counter in counters if not counter.target_id and counter not in found}
    if not begun:
        return found
    count_all(tx, act=act, day=day, times=begun)
    return await _lock(tx, act=act, day=day, counters=counters)


async def _lock(tx: Tx, *, act: Act, day: date, counters: Collection[Counter]) -> dict[Counter, int]:
    keys = [(user_id, day, act, target_id) for user_id, target_id in sorted(counters)]
    rows = await tx.rows(_LOCK, keys=keys) if keys else ()
    return {Counter(user_id, target_id): used for user_id, target_id, used in rows}


def count_all(tx: Tx, *, act: Act, day: date, times: Mapping[Counter, int]) -> None:
    """Count so many more of each, with the next statement."""
    rows = [(user_id, day, act, target_id, more) for (user_id, target_id), more in sorted(times.items())]
    if rows:
        tx.post(_COUNT_ALL, rows=rows)

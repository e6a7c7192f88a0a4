"""Moderation: every statement on the `moderation_case` table, which holds what waits for the staff."""

from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from sql.statement import compile_
from sql.transaction import Tx


class Reason(IntEnum):
    """Why the staff is to look; the numbers stand in the database, so they never change."""

    REPORTS = 1
    PHOTO = 2


class Case(NamedTuple):
    """What waits for the staff; `about` says more, such as which photo."""

    login: str
    reason: Reason
    about: str
    opened_at: datetime


_INSERT = compile_(
    "INSERT INTO `moderation_case` (`user_id`,`reason`,`about`,`opened_at`)"
    " VALUES (%(user_id)s,%(reason)s,%(about)s,%(opened_at)s) ON DUPLICATE KEY UPDATE `about`=`about`"
)
_LIST = compile_(
    "SELECT `login`,`reason`,`about`,`opened_at` FROM `moderation_case`"
    " JOIN `account` ON `account`.`id`=`moderation_case`.`user_id` ORDER BY `opened_at`,`login`"
)
_DELETE_ALL = compile_("DELETE FROM `moderation_case` WHERE `user_id`=%(user_id)s")


def _case(login: str, reason: int, about: str, opened_at: datetime) -> Case:
    return Case(login, Reason(reason), about, opened_at)


async def insert(tx: Tx, *, user_id: int, reason: Reason, about: str = "") -> bool:
    """Open a case; tell whether there was none."""
    return bool(await tx.write(_INSERT, user_id=user_id, reason=reason, about=about, opened_at=tx.now))


async def list_open(tx: Tx) -> list[Case]:
    """Return all cases, the oldest first."""
    return await tx.many(_LIST, _case)


async def delete_all(tx: Tx, *, user_id: int) -> int:
    """Close the cases of a person; return how many."""
    return await tx.write(_DELETE_ALL, user_id=user_id)

"""Tags as everybody uses them: statements on the `profile_tag` table that are about nobody in particular."""

from typing import NamedTuple

from sql.account import State
from sql.statement import compile_
from sql.transaction import Tx

_AFTER_ALL = "\U0010ffff"
"""Sorts after every character that a tag can have."""


class Used(NamedTuple):
    """A tag, and how many people have it."""

    tag: str
    people: int


# A range of the index on tags; not LIKE: every character stands for itself.
_LIST_BY_PREFIX = compile_(
    "SELECT t.`tag`,COUNT(*) `people` FROM `profile_tag` t JOIN `account` a ON a.`id`=t.`user_id`"
    " WHERE t.`tag`>=%(first)s AND t.`tag`<%(last)s AND a.`state`=%(active)s"
    " GROUP BY t.`tag` HAVING COUNT(*)>=%(fewest)s ORDER BY `people` DESC,t.`tag` LIMIT %(limit)s"
)


async def list_by_prefix(tx: Tx, *, prefix: str, fewest: int, limit: int) -> list[Used]:
    """Return tags that begin so and that this many people use whose accounts are active, most used first."""
    first, last = prefix, prefix + _AFTER_ALL
    return await tx.many(_LIST_BY_PREFIX, Used, first=first, last=last, active=State.ACTIVE, fewest=fewest, limit=limit)

"""Tags as everybody uses them: every statement on the `tag_use` table, which counts the people of each."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from sql.state import State
from sql.statement import compile_, insert_rows
from sql.transaction import Tx

_AFTER_ALL = "\U0010ffff"
"""Sorts after every character that a tag can have."""


class Used(NamedTuple):
    """A tag, and how many people have it."""

    tag: str
    people: int


class _Tag(NamedTuple):
    tag: str


_BEST = " AND `people`>=%(fewest)s ORDER BY `people` DESC,`tag` LIMIT %(limit)s"
_LIST_BY_INITIAL = compile_("SELECT `tag`,`people` FROM `tag_use` WHERE `initial`=%(prefix)s" + _BEST)
# A range of the primary key; not LIKE: every character stands for itself.
_LIST_BY_PREFIX = compile_("SELECT `tag`,`people` FROM `tag_use` WHERE `tag`>=%(prefix)s AND `tag`<%(last)s" + _BEST)
_LIST_COUNTED = compile_(
    "SELECT t.`tag` FROM `account` a JOIN `profile_tag` t ON t.`user_id`=a.`id`"
    " WHERE a.`id`=%(user_id)s AND a.`state`=%(active)s"
)
COUNT = insert_rows(
    "tag_use", ["tag", "initial", "people"], "ON DUPLICATE KEY UPDATE `people`=`people`+VALUES(`people`)"
)
# One by one: many at once would read all of a small table, and wait for what others have locked.
_FORGET = compile_("DELETE FROM `tag_use` WHERE `tag`=%(tag)s AND `people`<=%(nobody)s")


async def list_by_prefix(tx: Tx, *, prefix: str, fewest: int, limit: int) -> list[Used]:
    """Return tags that begin so and that this many people use whose accounts are active, most used first."""
    if len(prefix) == 1:
        return await tx.many(_LIST_BY_INITIAL, Used, prefix=prefix, fewest=fewest, limit=limit)
    last = prefix + _AFTER_ALL
    return await tx.many(_LIST_BY_PREFIX, Used, prefix=prefix, last=last, fewest=fewest, limit=limit)


def changes(people: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Return rows for `COUNT`: how many people more use each tag, in the order in which everybody locks them."""
    return [(tag, tag[:1], more) for tag, more in sorted(people.items())]


@asynccontextmanager
async def counted(tx: Tx, *, user_id: int) -> AsyncIterator[None]:
    """Do what may change the tags that count of somebody, and count it; the caller holds the account."""
    before = await _list_counted(tx, user_id)
    yield
    after = await _list_counted(tx, user_id)
    fewer, more = before - after, after - before
    if fewer or more:
        tx.post(COUNT, rows=changes(dict.fromkeys(fewer, -1) | dict.fromkeys(more, 1)))
    for tag in sorted(fewer):
        tx.post(_FORGET, tag=tag, nobody=0)


async def _list_counted(tx: Tx, user_id: int) -> set[str]:
    """Return the tags of somebody, if the account is active."""
    return {row.tag for row in await tx.many(_LIST_COUNTED, _Tag, user_id=user_id, active=State.ACTIVE)}

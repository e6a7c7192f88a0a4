"""Towns: every statement on the `town…` tables."""

from typing import NamedTuple

from pypika import MySQLQuery

from sql.statement import LIMIT, P, compile_, insert_rows
from sql.tables import town, town_edition
from sql.transaction import Tx

LONGEST = 64
"""Characters of a name that can be found by its beginning."""

_ONLY = 1
_ROWS = 2000
_AFTER_ALL = "\U0010ffff"
"""Sorts after every character that a name can have."""


class Town(NamedTuple):
    """A town; degrees, WGS 84."""

    id: int
    name: str
    country: str
    population: int
    lat: float
    lon: float


class Name(NamedTuple):
    """What people call a town, folded."""

    name: str
    town_id: int
    population: int


class Suggestion(NamedTuple):
    """A town as it is offered to somebody who is typing its name."""

    place_id: int
    name: str
    country: str


_LIST_AFTER = compile_(
    MySQLQuery.from_(town)
    .select(*(town.field(name) for name in Town._fields))
    .where(town.id > P("after"))
    .orderby(town.id)
    .limit(LIMIT)
)
# Ranges of keys that hold all that is asked of them; not LIKE: every character stands for itself.
_LARGEST = (
    "SELECT t.`id`,t.`name`,t.`country` FROM"
    " (SELECT DISTINCT `town_id`,`population` FROM `town_name` WHERE {}"
    " ORDER BY `population` DESC,`town_id` LIMIT %(limit)s) n"
    " JOIN `town` t ON t.`id`=n.`town_id` ORDER BY n.`population` DESC,t.`id`"
)
_LIST_BY_INITIAL = compile_(_LARGEST.format("`initial`=%(prefix)s"))
_LIST_BY_PREFIX = compile_(_LARGEST.format("`name`>=%(prefix)s AND `name`<%(last)s"))
_GET_EDITION = compile_(MySQLQuery.from_(town_edition).select(town_edition.edition).where(town_edition.id == P("id")))
_BEGIN_EDITION = compile_(
    "INSERT INTO `town_edition` (`id`,`edition`) VALUES (%(id)s,%(edition)s) ON DUPLICATE KEY UPDATE `id`=`id`"
)
_LOCK_EDITION = compile_(
    MySQLQuery.from_(town_edition).select(town_edition.edition).where(town_edition.id == P("id")).for_update()
)
_SET_EDITION = compile_("UPDATE `town_edition` SET `edition`=%(edition)s WHERE `id`=%(id)s")
_DELETE = [compile_(f"DELETE FROM `{table}`") for table in ("town", "town_name")]
_INSERT = insert_rows("town", Town._fields)
_INSERT_NAMES = insert_rows("town_name", [*Name._fields, "initial"])


async def list_after(tx: Tx, *, after: int, limit: int) -> list[Town]:
    """Return up to `limit` towns whose ids come after this one, in their order."""
    return await tx.many(_LIST_AFTER, Town, after=after, limit=limit)


async def list_by_prefix(tx: Tx, *, prefix: str, limit: int) -> list[Suggestion]:
    """Return the largest towns that have a name which begins so, folded."""
    if len(prefix) == 1:
        return await tx.many(_LIST_BY_INITIAL, Suggestion, prefix=prefix, limit=limit)
    return await tx.many(_LIST_BY_PREFIX, Suggestion, prefix=prefix, last=prefix + _AFTER_ALL, limit=limit)


async def get_edition(tx: Tx) -> str | None:
    """Return which edition of the towns is there."""
    edition: str | None = await tx.scalar(_GET_EDITION, id=_ONLY)
    return edition


async def lock_edition(tx: Tx) -> str:
    """Return the edition, "" for none, which nobody else changes until the commit."""
    await tx.write(_BEGIN_EDITION, id=_ONLY, edition="")
    edition: str = await tx.scalar(_LOCK_EDITION, id=_ONLY)
    return edition


async def replace(tx: Tx, *, edition: str, towns: list[Town], names: list[Name]) -> None:
    """Make these all the towns there are; the caller holds the lock on the edition."""
    for statement in _DELETE:
        await tx.write(statement)
    for start in range(0, len(towns), _ROWS):
        await tx.write(_INSERT, rows=towns[start : start + _ROWS])
    for start in range(0, len(names), _ROWS):
        rows = [(*name, name.name[:1]) for name in names[start : start + _ROWS]]
        await tx.write(_INSERT_NAMES, rows=rows)
    await tx.write(_SET_EDITION, id=_ONLY, edition=edition)

"""Two people: every statement on the `pair` table."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from pypika import MySQLQuery, Tuple

from sql.account import State
from sql.database import Conflict, Duplicate
from sql.statement import P, compile_, each, insert_rows
from sql.tables import pair
from sql.transaction import Tx


@dataclass(slots=True)
class Side:
    """What one of the two has done towards the other."""

    liked_at: datetime | None = None
    requested: bool = False
    muted: bool = False
    blocked_at: datetime | None = None
    read_seq: int = 0
    unread: int = 0
    unanswered: int = 0
    passed_at: datetime | None = None


@dataclass(slots=True)
class Pair:
    """The state between two people; `connected_at` stays when the connection has ended."""

    low_id: int
    high_id: int
    connected: bool = False
    connected_at: datetime | None = None
    active_at: datetime | None = None
    last_seq: int = 0
    low: Side = field(default_factory=Side)
    high: Side = field(default_factory=Side)

    def side(self, user_id: int) -> Side:
        """Return the side of one of the two."""
        return self.low if user_id == self.low_id else self.high

    def other(self, user_id: int) -> int:
        """Return the id of the other of the two."""
        return self.high_id if user_id == self.low_id else self.low_id

    def blocks(self, user_id: int) -> bool:
        """Tell whether one of the two has blocked the other."""
        return self.side(user_id).blocked_at is not None


class Key(NamedTuple):
    """The two ids, lower first."""

    low_id: int
    high_id: int


_OWN = ("connected", "connected_at", "active_at", "last_seq")
_SIDE = ("liked_at", "requested", "muted", "blocked_at", "read_seq", "unread", "unanswered", "passed_at")
_STATE = (*_OWN, *(f"low_{name}" for name in _SIDE), *(f"high_{name}" for name in _SIDE))
_COLUMNS = [pair.field(name) for name in ("low_id", "high_id", *_STATE)]
_SELECT = MySQLQuery.from_(pair).select(*_COLUMNS)
_ONE = _SELECT.where(pair.low_id == P("low_id")).where(pair.high_id == P("high_id"))
_GET = compile_(_ONE)
_LOCK = compile_(_ONE.for_update())
# Left to itself, the optimizer weighs each key against each index: with 256 keys that takes fifty times the query.
_THESE = _SELECT.force_index("PRIMARY").where(Tuple(pair.low_id, pair.high_id).isin(each("keys", 2)))
_LIST = compile_(_THESE)
_LOCK_ALL = compile_(_THESE.for_update())
_LOCK_FREE = compile_(_THESE.for_update(), "SKIP LOCKED")
_BEGIN = compile_(
    "INSERT INTO `pair` (`low_id`,`high_id`) VALUES (%(low_id)s,%(high_id)s) ON DUPLICATE KEY UPDATE `low_id`=`low_id`"
)
_INSERT = insert_rows("pair", ["low_id", "high_id", *_STATE])
# The rows are there and locked: this only updates, all in one statement.
_UPDATE = insert_rows(
    "pair",
    ["low_id", "high_id", *_STATE],
    "ON DUPLICATE KEY UPDATE " + ",".join(f"`{name}`=VALUES(`{name}`)" for name in _STATE),
)
_CONNECTED_OF = (
    "(SELECT `{theirs}` `other_id`,`active_at` FROM `pair` FORCE INDEX (`{mine}_connected`)"
    " WHERE `{mine}_id`=%(user_id)s AND `connected`=%(yes)s"
    " AND (`active_at`<%(at)s OR (`active_at`=%(at)s AND `{theirs}`<%(other_id)s))"
    " ORDER BY `active_at` DESC,`{theirs}` DESC LIMIT %(limit)s)"
)
_LIST_CONNECTED = compile_(
    "SELECT `other_id`,`active_at` FROM ("
    + _CONNECTED_OF.format(mine="low", theirs="high_id")
    + " UNION ALL "
    + _CONNECTED_OF.format(mine="high", theirs="low_id")
    + ") `both` ORDER BY `active_at` DESC,`other_id` DESC LIMIT %(limit)s"
)
_LIKED_BY = (
    "(SELECT `{other}_id` `other_id`,`{other}_liked_at` `liked_at`,`{other}_requested` `requested`"
    " FROM `pair` FORCE INDEX (`{mine}_liked_by`)"
    " WHERE `{mine}_id`=%(user_id)s AND `connected`=%(no)s"
    " AND (`{other}_liked_at`<%(at)s OR (`{other}_liked_at`=%(at)s AND `{other}_id`<%(other_id)s))"
    " ORDER BY `{other}_liked_at` DESC,`{other}_id` DESC LIMIT %(limit)s)"
)
_LIST_LIKERS = compile_(
    "SELECT `other_id`,`liked_at`,`requested` FROM ("
    + _LIKED_BY.format(mine="low", other="high")
    + " UNION ALL "
    + _LIKED_BY.format(mine="high", other="low")
    + ") `both` ORDER BY `liked_at` DESC,`other_id` DESC LIMIT %(limit)s"
)
_UNREAD_OF = (
    "SELECT `{theirs}_id` `other_id`,`{mine}_unread` `unread` FROM `pair`"
    " WHERE `{mine}_id`=%(user_id)s AND `connected`=%(yes)s AND `{mine}_unread`>%(none)s"
)
_SUM_UNREAD = compile_(
    "SELECT CAST(COALESCE(SUM(`unread`),%(none)s) AS SIGNED) FROM ("
    + _UNREAD_OF.format(mine="low", theirs="high")
    + " UNION ALL "
    + _UNREAD_OF.format(mine="high", theirs="low")
    + ") `both` STRAIGHT_JOIN `account` ON `account`.`id`=`other_id` AND `state`=%(active)s"
)


class Place(NamedTuple):
    """Somebody in a list that is newest first."""

    other_id: int
    at: datetime


class Liker(NamedTuple):
    """Somebody who likes one, since when, and whether as a request."""

    other_id: int
    at: datetime
    requested: int


class _Row(NamedTuple):
    pair: Pair


def _row(low_id: int, high_id: int, *state: Any) -> _Row:
    connected, connected_at, active_at, last_seq, *sides = state
    low, high = _side(*sides[: len(_SIDE)]), _side(*sides[len(_SIDE) :])
    return _Row(Pair(low_id, high_id, bool(connected), connected_at, active_at, last_seq, low, high))


def _side(liked_at: Any, requested: int, muted: int, *rest: Any) -> Side:
    return Side(liked_at, bool(requested), bool(muted), *rest)


def key(one: int, other: int) -> Key:
    """Return the key of two people, in either order."""
    return Key(min(one, other), max(one, other))


async def get(tx: Tx, *, low_id: int, high_id: int) -> Pair | None:
    """Return what is between two people, if anything ever was."""
    row = await tx.one(_GET, _row, low_id=low_id, high_id=high_id)
    return row and row.pair


async def lock(tx: Tx, *, low_id: int, high_id: int) -> Pair | None:
    """Return what is between two people; nobody else changes it until the commit."""
    row = await tx.one(_LOCK, _row, low_id=low_id, high_id=high_id)
    return row and row.pair


async def lock_or_insert(tx: Tx, *, low_id: int, high_id: int) -> Pair:
    """Return what is between two people, beginning with nothing; nobody else changes it until the commit."""
    if found := await lock(tx, low_id=low_id, high_id=high_id):
        return found
    await tx.write(_BEGIN, low_id=low_id, high_id=high_id)
    begun = await lock(tx, low_id=low_id, high_id=high_id)
    assert begun is not None
    return begun


async def lock_all(tx: Tx, *, keys: Collection[Key], wait: bool) -> dict[Key, Pair]:
    """Return what is between each of these pairs, where there is anything; nobody else changes it until the commit.

    Without waiting, those are left out that somebody else is about to change.
    """
    rows = await tx.many(_LOCK_ALL if wait else _LOCK_FREE, _row, keys=sorted(keys)) if keys else []
    return {Key(row.pair.low_id, row.pair.high_id): row.pair for row in rows}


async def list_by_key(tx: Tx, *, keys: list[Key]) -> dict[Key, Pair]:
    """Return what is between each of these pairs, where there is anything."""
    if not keys:
        return {}
    return {Key(row.pair.low_id, row.pair.high_id): row.pair for row in await tx.many(_LIST, _row, keys=keys)}


async def list_connected(tx: Tx, *, user_id: int, at: datetime, other_id: int, limit: int) -> list[Place]:
    """Return whom one is connected with before a place in the list, last activity first."""
    return await tx.many(_LIST_CONNECTED, Place, user_id=user_id, at=at, other_id=other_id, limit=limit, yes=True)


async def list_likers(tx: Tx, *, user_id: int, at: datetime, other_id: int, limit: int) -> list[Liker]:
    """Return who likes one and is not connected before a place in the list, newest first."""
    return await tx.many(_LIST_LIKERS, Liker, user_id=user_id, at=at, other_id=other_id, limit=limit, no=False)


async def sum_unread(tx: Tx, *, user_id: int) -> int:
    """Return how many messages of connected people wait to be read."""
    total: int = await tx.scalar(_SUM_UNREAD, user_id=user_id, yes=True, none=0, active=State.ACTIVE)
    return total


async def insert(tx: Tx, pairs: Collection[Pair]) -> None:
    """Add what begins between people. Raises Conflict where somebody else has begun it meanwhile."""
    if pairs:
        try:
            await tx.write(_INSERT, rows=_rows(pairs))
        except Duplicate as fault:
            raise Conflict(str(fault)) from fault


def update(tx: Tx, pairs: Collection[Pair]) -> None:
    """Write the whole state of each, with the next statement; the caller holds their locks."""
    if pairs:
        tx.post(_UPDATE, rows=_rows(pairs))


def _rows(pairs: Collection[Pair]) -> list[tuple[Any, ...]]:
    ordered = sorted(pairs, key=lambda one: (one.low_id, one.high_id))
    return [
        (
            *(getattr(one, name) for name in ("low_id", "high_id", *_OWN)),
            *(getattr(side, name) for side in (one.low, one.high) for name in _SIDE),
        )
        for one in ordered
    ]

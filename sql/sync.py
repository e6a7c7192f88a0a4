"""The log of what users are told, to read; a commit writes it, see `sql.stream`."""

from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery

from server.wire.pushes import Kind, Logged, Push
from sql.statement import LIMIT, P, compile_, each
from sql.tables import user_event, user_stream
from sql.transaction import Tx


class Stream(NamedTuple):
    """Where a user's log stands: newest, newest no longer kept, and how often sessions may have ended.

    `sight_epoch` is how often something left the user's sight without a push.
    """

    user_id: int
    last_seq: int
    purged_seq: int
    auth_epoch: int
    sight_epoch: int


_INSERT_STREAM = compile_(MySQLQuery.into(user_stream).columns(user_stream.user_id).insert(P("user_id")))
_DELETE_EVENTS = compile_(MySQLQuery.from_(user_event).delete().where(user_event.user_id == P("user_id")))
_DELETE_STREAM = compile_(MySQLQuery.from_(user_stream).delete().where(user_stream.user_id == P("user_id")))
_LIST_STREAMS = compile_(
    MySQLQuery.from_(user_stream)
    .select(
        user_stream.user_id,
        user_stream.last_seq,
        user_stream.purged_seq,
        user_stream.auth_epoch,
        user_stream.sight_epoch,
    )
    .where(user_stream.user_id.isin(each("user_ids")))
)
# For each user the newest number that is to go; a look at so many entries of each, since what goes goes in steps.
_END_OF_PAGE = compile_(
    "SELECT MAX(`user_id`) FROM (SELECT `user_id` FROM `user_stream` WHERE `user_id`>%(after)s"
    " ORDER BY `user_id` LIMIT %(limit)s) p"
)
_LIST_OLD = compile_(
    "SELECT s.`user_id`,s.`last_seq`,s.`purged_seq`,(SELECT MAX(e.`seq`) FROM `user_event` e"
    " WHERE e.`user_id`=s.`user_id` AND e.`seq`<=s.`purged_seq`+%(step)s AND e.`at`<%(until)s) `too_old`"
    " FROM `user_stream` s WHERE s.`user_id`>%(after)s AND s.`user_id`<=%(last)s AND s.`last_seq`>s.`purged_seq`"
    " HAVING `too_old` IS NOT NULL OR s.`last_seq`>s.`purged_seq`+%(keep)s ORDER BY s.`user_id`"
)
_LOCK_PURGED = compile_(
    "UPDATE `user_stream` SET `purged_seq`=GREATEST(`purged_seq`,%(up_to)s) WHERE `user_id`=%(user_id)s"
)
_DELETE_UP_TO = compile_("DELETE FROM `user_event` WHERE `user_id`=%(user_id)s AND `seq`<=%(up_to)s")
_LIST_AFTER = compile_(
    MySQLQuery.from_(user_event)
    .select(user_event.seq, user_event.at, user_event.kind, user_event.other_id, user_event.number, user_event.by_id)
    .where(user_event.user_id == P("user_id"))
    .where(user_event.seq > P("after"))
    .orderby(user_event.seq)
    .limit(LIMIT)
)


def _logged(seq: int, at: datetime, kind: int, other_id: int, number: int, by_id: int) -> Logged:
    return Logged(seq, at, Push(Kind(kind), other_id, number, by_id))


async def insert_stream(tx: Tx, *, user_id: int) -> None:
    """Begin a user's log."""
    await tx.write(_INSERT_STREAM, user_id=user_id)


async def list_streams(tx: Tx, *, user_ids: list[int]) -> list[Stream]:
    """Return where the logs of these users stand."""
    return await tx.many(_LIST_STREAMS, Stream, user_ids=user_ids) if user_ids else []


async def list_after(tx: Tx, *, user_id: int, after: int, limit: int) -> list[Logged]:
    """Return up to `limit` entries after a number, in order."""
    return await tx.many(_LIST_AFTER, _logged, user_id=user_id, after=after, limit=limit)


class Old(NamedTuple):
    """Where a user's log stands, and the newest of its next entries that is too old, if one is."""

    user_id: int
    last_seq: int
    purged_seq: int
    too_old: int | None


async def end_of_page(tx: Tx, *, after: int, limit: int) -> int | None:
    """Return the last of the next so many users who have a log; None if there are no more."""
    last: int | None = await tx.scalar(_END_OF_PAGE, after=after, limit=limit)
    return last


async def list_old(tx: Tx, *, after: int, last: int, until: datetime, keep: int, step: int) -> list[Old]:
    """Return the logs of users after one up to another that hold more than is kept, or what was written too long ago.

    What was written before `until` is looked for among the next `step` entries of each.
    """
    return await tx.many(_LIST_OLD, Old, after=after, last=last, until=until, keep=keep, step=step)


async def purge(tx: Tx, *, user_id: int, up_to: int) -> None:
    """Drop a user's log up to a number; whoever asks for what was there is told that it is gone."""
    await tx.write(_LOCK_PURGED, user_id=user_id, up_to=up_to)
    await tx.write(_DELETE_UP_TO, user_id=user_id, up_to=up_to)


async def delete_stream(tx: Tx, *, user_id: int) -> None:
    """Drop a user's log; last in the lock order."""
    await tx.write(_DELETE_EVENTS, user_id=user_id)
    await tx.write(_DELETE_STREAM, user_id=user_id)

"""Mails to be sent: every statement on the `outbox` table."""

from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery
from pypika import functions as fn

from sql.statement import P, compile_
from sql.tables import outbox
from sql.transaction import Tx


class Mail(NamedTuple):
    """A mail to be made from a template, or a job of that name to be done about an address; `params` is JSON."""

    id: int
    template: str
    address: str
    language: str
    params: str
    attempts: int
    noted_at: datetime


class Waiting(NamedTuple):
    """How many mails and jobs there are, and since when the oldest."""

    number: int
    since: datetime | None


_INSERT = compile_(
    MySQLQuery.into(outbox)
    .columns(outbox.id, outbox.template, outbox.address, outbox.language, outbox.params, outbox.due_at, outbox.noted_at)
    .insert(P("id"), P("template"), P("address"), P("language"), P("params"), P("now"), P("now"))
)
# Who takes a mail moves its due time past the lease: a worker that dies leaves it to the next.
_CLAIM = compile_(
    "UPDATE `outbox` SET `lease`=%(lease)s,`due_at`=%(until)s,`attempts`=`attempts`+%(one)s"
    " WHERE `due_at`<=%(now)s ORDER BY `due_at` LIMIT %(limit)s"
)
_LIST_CLAIMED = compile_(
    MySQLQuery.from_(outbox)
    .select(*(outbox.field(name) for name in Mail._fields))
    .where(outbox.due_at == P("until"))
    .where(outbox.lease == P("lease"))
)
_DELETE = compile_(MySQLQuery.from_(outbox).delete().where(outbox.id == P("id")).where(outbox.lease == P("lease")))
_COUNT = compile_(MySQLQuery.from_(outbox).select(fn.Count(outbox.id), fn.Min(outbox.noted_at)))
_POSTPONE = compile_(
    MySQLQuery.update(outbox)
    .set(outbox.due_at, P("due_at"))
    .where(outbox.id == P("id"))
    .where(outbox.lease == P("lease"))
)


async def insert(tx: Tx, *, id: int, template: str, address: str, language: str, params: str) -> None:
    """Add a mail, due now."""
    await tx.write(_INSERT, id=id, template=template, address=address, language=language, params=params, now=tx.now)


async def claim(tx: Tx, *, lease: int, until: datetime, limit: int) -> list[Mail]:
    """Take mails that are due; they are due again at `until` unless deleted."""
    if not await tx.write(_CLAIM, lease=lease, until=until, now=tx.now, limit=limit, one=1):
        return []
    return await tx.many(_LIST_CLAIMED, Mail, lease=lease, until=until)


async def get_waiting(tx: Tx) -> Waiting:
    """Return how much waits."""
    waiting = await tx.one(_COUNT, Waiting)
    assert waiting is not None
    return waiting


async def delete(tx: Tx, *, id: int, lease: int) -> bool:
    """Drop a mail that was sent or a job that is being done; tell whether it was still this worker's."""
    return bool(await tx.write(_DELETE, id=id, lease=lease))


async def postpone(tx: Tx, *, id: int, lease: int, due_at: datetime) -> None:
    """Try a mail again later."""
    await tx.write(_POSTPONE, id=id, lease=lease, due_at=due_at)

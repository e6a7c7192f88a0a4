"""Sessions: every statement on the `session` table."""

from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery, Order

from sql.account import State
from sql.statement import LIMIT, P, compile_, each
from sql.tables import account, session, user_stream
from sql.transaction import Tx


class Session(NamedTuple):
    """A session, the state of its account, and where the log of its user stands."""

    user_id: int
    id: str
    expires_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    state: int
    auth_epoch: int
    last_seq: int
    purged_seq: int

    def is_live(self, now: datetime, idle: float) -> bool:
        """Tell whether it still counts; `idle` is how many seconds it may rest."""
        rested = (now - self.last_seen_at).total_seconds()
        return self.ended_at is None and now < self.expires_at and rested < idle and self.state == State.ACTIVE


class Line(NamedTuple):
    """A session as its owner sees it."""

    id: str
    started_at: datetime
    last_seen_at: datetime
    agent: str


_COLUMNS = (
    session.user_id,
    session.id,
    session.expires_at,
    session.last_seen_at,
    session.ended_at,
    account.state,
    user_stream.auth_epoch,
    user_stream.last_seq,
    user_stream.purged_seq,
)
_JOINED = (
    MySQLQuery.from_(session)
    .join(account)
    .on(account.id == session.user_id)
    .join(user_stream)
    .on(user_stream.user_id == session.user_id)
    .select(*_COLUMNS)
)
_GET = compile_(_JOINED.where(session.user_id == P("user_id")).where(session.id == P("id")))
_LIST = compile_(_JOINED.where(session.user_id == P("user_id")).where(session.id.isin(each("ids"))))
_INSERT = compile_(
    MySQLQuery.into(session)
    .columns(session.user_id, session.id, session.started_at, session.last_seen_at, session.expires_at, session.agent)
    .insert(P("user_id"), P("id"), P("started_at"), P("started_at"), P("expires_at"), P("agent"))
)
_TOUCH = compile_(
    MySQLQuery.update(session)
    .set(session.last_seen_at, P("now"))
    .where(session.user_id == P("user_id"))
    .where(session.id == P("id"))
)
_IS_LIVE = session.ended_at.isnull() & (session.expires_at > P("now")) & (session.last_seen_at > P("rested_since"))
_LIST_LIVE = compile_(
    MySQLQuery.from_(session)
    .select(*(session.field(name) for name in Line._fields))
    .where(session.user_id == P("user_id"))
    .where(_IS_LIVE)
    .orderby(session.started_at, order=Order.desc)
    .orderby(session.id)
    .limit(LIMIT)
)
_END = compile_(
    MySQLQuery.update(session)
    .set(session.ended_at, P("now"))
    .where(session.user_id == P("user_id"))
    .where(session.id == P("id"))
    .where(_IS_LIVE)
)
_END_ALL = compile_(
    MySQLQuery.update(session)
    .set(session.ended_at, P("now"))
    .where(session.user_id == P("user_id"))
    .where(session.id != P("keep"))
    .where(session.ended_at.isnull())
)
_DELETE_EXPIRED = compile_("DELETE FROM `session` WHERE `expires_at`<=%(now)s ORDER BY `expires_at` LIMIT %(limit)s")


async def get(tx: Tx, *, user_id: int, id: str) -> Session | None:
    """Return a session, live or not."""
    return await tx.one(_GET, Session, user_id=user_id, id=id)


async def list_of(tx: Tx, *, user_id: int, ids: list[str]) -> list[Session]:
    """Return these sessions of a user, live or not."""
    return await tx.many(_LIST, Session, user_id=user_id, ids=ids)


async def insert(tx: Tx, *, user_id: int, id: str, started_at: datetime, expires_at: datetime, agent: str) -> None:
    """Add a session."""
    await tx.write(_INSERT, user_id=user_id, id=id, started_at=started_at, expires_at=expires_at, agent=agent)


async def update_last_seen(tx: Tx, *, user_id: int, id: str) -> None:
    """Note that the session is in use."""
    await tx.write(_TOUCH, user_id=user_id, id=id, now=tx.now)


async def list_live(tx: Tx, *, user_id: int, rested_since: datetime, limit: int) -> list[Line]:
    """Return the live sessions of a user that were used since then, newest first."""
    return await tx.many(_LIST_LIVE, Line, user_id=user_id, now=tx.now, rested_since=rested_since, limit=limit)


async def end(tx: Tx, *, user_id: int, id: str, rested_since: datetime) -> bool:
    """End one session, and tell whether it was live; a second time does nothing."""
    if not id.isascii():
        return False  # the column can't be compared with that
    return bool(await tx.write(_END, user_id=user_id, id=id, now=tx.now, rested_since=rested_since))


async def end_all(tx: Tx, *, user_id: int, keep: str = "") -> None:
    """End all sessions of a user but the one to keep."""
    await tx.write(_END_ALL, user_id=user_id, keep=keep, now=tx.now)


async def delete_expired(tx: Tx, *, limit: int) -> int:
    """Drop sessions whose tokens are no longer good in any case, and return how many; the oldest first."""
    return await tx.write(_DELETE_EXPIRED, now=tx.now, limit=limit)

"""Presence that outlives Redis: when people were here last."""

from datetime import datetime

from pypika import MySQLQuery

from sql.statement import P, compile_, each
from sql.tables import profile
from sql.transaction import Tx

_UPDATE_ACTIVE = compile_(
    MySQLQuery.update(profile).set(profile.active_at, P("now")).where(profile.user_id.isin(each("user_ids")))
)
_UPDATE_RETURNED = compile_(
    MySQLQuery.update(profile)
    .set(profile.active_at, P("now"))
    .where(profile.user_id.isin(each("user_ids")))
    .where(profile.active_at < P("before"))
)


async def update_returned(tx: Tx, *, user_ids: list[int], before: datetime) -> None:
    """Note of those of these people who were here last before a time that they are here now."""
    await tx.write(_UPDATE_RETURNED, now=tx.now, user_ids=user_ids, before=before)


async def update_active(tx: Tx, *, user_ids: list[int]) -> None:
    """Note that these people are here now."""
    await tx.write(_UPDATE_ACTIVE, now=tx.now, user_ids=user_ids)

"""Presence that outlives Redis: when people were here last."""

from pypika import MySQLQuery

from sql.statement import P, compile_, each
from sql.tables import profile
from sql.transaction import Tx

_UPDATE_ACTIVE = compile_(
    MySQLQuery.update(profile).set(profile.active_at, P("now")).where(profile.user_id.isin(each("user_ids")))
)


async def update_active(tx: Tx, *, user_ids: list[int]) -> None:
    """Note that these people are here now."""
    await tx.write(_UPDATE_ACTIVE, now=tx.now, user_ids=user_ids)

"""Notices: what makes a notification, for the rules of every noun."""

from datetime import timedelta

from server.context import Context
from server.wire.pushes import Kind, Notice, Push
from sql import notification
from sql.relation import Pair

_MUTABLE = {Notice.LIKE, Notice.REQUEST, Notice.VISIT, Notice.NUDGE}
"""After one took a like back, the other's tries make no noise."""


async def notify(ctx: Context, pair: Pair, to: int, notice: Notice) -> None:
    """Tell one of two people, once until it is read, of what the other did; the pair is locked."""
    if not (notice in _MUTABLE and pair.side(to).muted):
        await tell(ctx, to, notice, pair.other(to))


async def tell(ctx: Context, user_id: int, notice: Notice, other_id: int = 0) -> None:
    """Tell somebody; the same kind and person again only counts up, until it is read."""
    if await notification.count_up(ctx.tx, user_id=user_id, kind=notice, other_id=other_id):
        return
    await notification.begin(ctx.tx, user_id=user_id, kind=notice, other_id=other_id)
    due_at = ctx.now + timedelta(seconds=ctx.config.notifications.mail_after)
    await notification.remind(ctx.tx, user_id=user_id, due_at=due_at)
    ctx.tx.push(user_id, Push(Kind.NOTIFICATION, other_id, notice))


async def withdraw(ctx: Context, user_id: int, other_id: int, *notices: Notice) -> None:
    """Take back what a user was told of somebody, for it is no longer so: these kinds, or all."""
    kinds = list(notices or Notice)
    if await notification.delete(ctx.tx, user_id=user_id, other_id=other_id, kinds=kinds):
        ctx.tx.mark_stale(user_id)

"""Notices: what makes a notification, for the rules of every noun, and how many wait to be read."""

from collections.abc import Mapping
from datetime import timedelta

from server.context import Context
from server.wire.answers import Unread
from server.wire.pushes import Kind, Notice, Push
from sql import notification, relation, reminder, sync
from sql.relation import Pair
from sql.sync import Stream

_MUTABLE = {Notice.LIKE, Notice.REQUEST, Notice.VISIT, Notice.NUDGE}
"""After one took a like back, the other's tries make no noise."""


async def notify(ctx: Context, pair: Pair, to: int, notice: Notice) -> None:
    """Tell one of two people, once until it is read, of what the other did; the pair is locked."""
    if not (notice in _MUTABLE and pair.side(to).muted):
        await tell(ctx, to, notice, pair.other(to))


async def tell(ctx: Context, user_id: int, notice: Notice, other_id: int = 0) -> None:
    """Tell somebody; the same kind and person again only counts up, until it is read."""
    due_at = ctx.now + timedelta(seconds=ctx.config.notifications.mail_after)
    if await notification.count_up(ctx.tx, user_id=user_id, kind=notice, other_id=other_id, due_at=due_at):
        return
    notification.begin(ctx.tx, user_id=user_id, kind=notice, other_id=other_id)
    reminder.remind(ctx.tx, user_ids=[user_id], due_at=due_at)
    ctx.tx.push(user_id, Push(Kind.NOTIFICATION, other_id, notice))


async def tell_all(ctx: Context, notice: Notice, times: Mapping[tuple[int, int], int]) -> set[tuple[int, int]]:
    """Tell many, so many times of (user_id, other_id); return for whom it begins, who are to be pushed that it does.

    The others have something unread of the same kind and person, which counts up.
    """
    unread = await notification.lock_unread(ctx.tx, kind=notice, keys=times.keys())
    notification.count_all(ctx.tx, kind=notice, times=times)
    due_at = ctx.now + timedelta(seconds=ctx.config.notifications.mail_after)
    is_due = {row.user_id for row in unread if row.is_due}
    if not_due := {user_id for user_id, _ in times} - is_due:
        reminder.remind(ctx.tx, user_ids=not_due, due_at=due_at)
    return times.keys() - {(row.user_id, row.other_id) for row in unread}


async def withdraw(ctx: Context, user_id: int, other_id: int, *notices: Notice) -> None:
    """Take back what a user was told of somebody, for it is no longer so: these kinds, or all."""
    kinds = list(notices or Notice)
    if await notification.delete(ctx.tx, user_id=user_id, other_id=other_id, kinds=kinds):
        ctx.tx.mark_stale(user_id)


async def count_unread(ctx: Context, stream: Stream | None = None) -> Unread:
    """Return how much waits for the caller: as counted last, unless something has changed since, or Redis is down.

    `stream` is where the caller's log stands, if it was read before.
    """
    if stream is None:
        [stream] = await sync.list_streams(ctx.tx, user_ids=[ctx.user_id])
    version = f"{stream.last_seq}.{stream.sight_epoch}"
    unread = await ctx.services.unread.get(ctx.user_id, version)
    if unread is None:
        unread = Unread(
            messages=await relation.sum_unread(ctx.tx, user_id=ctx.user_id),
            notifications=await notification.count_unread(ctx.tx, user_id=ctx.user_id),
        )
        await ctx.services.unread.put(ctx.user_id, version, unread)
    return unread

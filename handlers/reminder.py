"""Reminders: the mail to who is away, that something waits. It says what kind of things, and of whom nothing."""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from server.context import Context
from sql import account, notification, profile, reminder
from sql.account import Account, State
from sql.notification import Waiting

_NEVER = datetime.fromisoformat("1970-01-01")


class Away(NamedTuple):
    """Somebody who may be told by mail, and when they were here last."""

    account: Account
    seen_at: datetime


async def remind(ctx: Context, user_id: int, lease: int, *, is_here: bool) -> None:
    """Tell somebody by mail, if something came since they were here last and since the last mail.

    What comes meanwhile waits for this to end, and is due by itself afterwards.
    """
    held = await reminder.lock(ctx.tx, user_id=user_id, lease=lease)
    if held is None:
        return  # the lease ran out, and somebody else has it
    due_at, mailed_at = None, held.mailed_at
    if not is_here and (away := await _get_away(ctx, user_id)):
        waiting = await notification.list_waiting(ctx.tx, user_id=user_id)
        due_at = _due_at(ctx, waiting, away.seen_at, mailed_at)
        if due_at and due_at <= ctx.now:
            kinds = Counter(one.kind.word for one in waiting)
            await ctx.mail("waiting", away.account, count=len(waiting), kinds=kinds)
            due_at, mailed_at = None, ctx.now
    await reminder.update(ctx.tx, user_id=user_id, due_at=due_at, mailed_at=mailed_at)


async def _get_away(ctx: Context, user_id: int) -> Away | None:
    """Return somebody who wants such mails and can have them."""
    found, own = await account.get(ctx.tx, id=user_id), await profile.get(ctx.tx, user_id=user_id)
    if found is None or found.state is not State.ACTIVE or not found.mail or own is None or not own.mail_on:
        return None
    return Away(found, own.active_at or _NEVER)


def _due_at(ctx: Context, waiting: list[Waiting], seen_at: datetime, mailed_at: datetime | None) -> datetime | None:
    """Return when a mail may go, if there is reason for one: a while after something came unseen, and once a day."""
    known_at = max(seen_at, mailed_at or _NEVER)
    unseen = [max(one.told_at, seen_at) for one in waiting if one.at > known_at]
    if not unseen:
        return None
    options = ctx.config.notifications
    due_at = min(unseen) + timedelta(seconds=options.mail_after)
    return max(due_at, mailed_at + timedelta(seconds=options.mail_every)) if mailed_at else due_at

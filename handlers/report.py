"""Reports: what members tell the staff of others, and what follows when several do."""

from datetime import timedelta
from hashlib import sha256

from handlers import access
from handlers.notices import tell
from server.context import Context
from server.wire.answers import Nothing
from server.wire.events import event
from server.wire.fields import Comment, ReportId, UserId
from server.wire.pushes import Notice
from sql import account, moderation, profile, quota, report
from sql.account import State
from sql.moderation import Reason
from sql.quota import Act
from sql.transaction import Tx


@event("report", methods=("GET",), pushes=("notification",))
async def report_somebody(
    ctx: Context, *, target_user_id: UserId, report_id: ReportId, comment: Comment = ""
) -> Nothing:
    """Tell the staff of somebody: 1 fake, 2 spam or scam, 3 harassment, 4 indecent photo, 5 under age, 6 other.

    Any id will do, and nothing tells whether it is anybody's; the same again is free, another comment is added.
    Raises RateLimited.
    """
    access.not_oneself(ctx, target_user_id)
    state = await access.lock_state(ctx, target_user_id)
    mark = _mark(target_user_id, report_id, comment)
    if await quota.count_up(ctx.tx, user_id=ctx.user_id, act=Act.REPORT, day=ctx.today, target_id=mark) > 1:
        return Nothing()
    await access.spend(ctx, ctx.user_id, Act.REPORT, limit="reports_day")
    is_known = state not in (None, State.UNVERIFIED)
    if is_known and await _add(ctx, target_user_id, mark, report_id, comment):
        await _hold_if_many(ctx, target_user_id)
    return Nothing()


def _mark(*said: object) -> int:
    """Return a number that stands for a report: whether it is a repeat does not depend on what is stored of it."""
    return int.from_bytes(sha256(repr(said).encode()).digest()[:7])


async def _add(ctx: Context, user_id: int, mark: int, reason: int, comment: str) -> bool:
    """Store a report; those of new accounts are for the staff to read, they don't count."""
    since = await account.get_created_at(ctx.tx, id=ctx.user_id)
    aged = since <= ctx.now - timedelta(days=ctx.config.moderation.hold_age_days)
    return await report.insert(
        ctx.tx,
        user_id=user_id,
        reporter_id=ctx.user_id,
        id=mark,
        reason=reason,
        comment=comment or None,
        aged=aged,
    )


async def _hold_if_many(ctx: Context, user_id: int) -> None:
    """Keep somebody out of search until the staff has looked; several reports at once are counted one by one."""
    is_held = await profile.lock_held(ctx.tx, user_id=user_id)
    votes = await report.count_votes(ctx.tx, user_id=user_id)
    if is_held is None or votes < ctx.config.moderation.hold_reports:
        return
    if not await moderation.insert(ctx.tx, user_id=user_id, reason=Reason.REPORTS):
        return
    await profile.update(ctx.tx, user_id=user_id, held=True)
    await profile.refresh_found(ctx.tx, user_id=user_id)
    await tell(ctx, user_id, Notice.MODERATION)


async def release(tx: Tx, *, login: str) -> bool:
    """Let search find somebody again, for the staff has looked; tell whether anything was waiting."""
    found = await account.get_by_login(tx, login=login)
    if found is None:
        return False
    await account.lock(tx, id=found.id)
    closed = await moderation.delete_all(tx, user_id=found.id)
    await report.judge(tx, user_id=found.id)
    await profile.update(tx, user_id=found.id, held=False)
    await profile.refresh_found(tx, user_id=found.id)
    return bool(closed)

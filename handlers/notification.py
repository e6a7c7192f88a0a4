"""Notifications: what happened to one, once for each kind and person until it is read; and the nudge, which is one."""

from handlers import access, notices
from handlers.card import list_cards
from server.context import Context
from server.wire.answers import Card, Nothing, Notification, Notifications, Shape, UnreadLeft, iso
from server.wire.errors import InvalidPayload
from server.wire.events import Order, event
from server.wire.fields import Cursor, Int32, Limit, Seq, UserId
from server.wire.pushes import Kind, Notice, NotificationsRead, Notified, Push, renders
from sql import notification
from sql.quota import Act

_NEWEST = 2**63 - 1


@event("notifications", methods=("GET", "POST"), pushes=("notification",))
async def nudge(ctx: Context, *, user_id: UserId, random_id: Int32) -> Nothing:
    """Let somebody, the receiver `user_id`, know that one thinks of them; a repeat of a random_id does nothing more.

    Raises NotFound, PhotoRequired, RateLimited.
    """
    if user_id == ctx.user_id:
        raise InvalidPayload.of("user_id", "self", "This is yourself.")
    pair = await access.lock_visible_pair(ctx, user_id)
    if await notification.was_nudged(ctx.tx, user_id=ctx.user_id, receiver_id=user_id, random_id=random_id):
        return Nothing()
    await access.require_photo(ctx)
    await access.spend(ctx, ctx.user_id, Act.NUDGE, limit="nudges_pair_day", target_id=user_id)
    await access.spend(ctx, ctx.user_id, Act.NUDGE, limit="nudges_day")
    await notification.insert_nudge(ctx.tx, user_id=ctx.user_id, receiver_id=user_id, random_id=random_id)
    await notices.notify(ctx, pair, user_id, Notice.NUDGE)
    return Nothing()


@event("notifications/list", order=Order.CONCURRENT, methods=("GET",))
async def list_notifications(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Notifications:
    """Return what happened to one, newest first; what tells of somebody who is gone is left out."""
    what = f"notifications.{ctx.user_id}"
    before = ctx.services.tokens.read_page(what, cursor)[0] if cursor else _NEWEST
    rows = await notification.list_before(ctx.tx, user_id=ctx.user_id, before=before, limit=limit + 1)
    shown, more = rows[:limit], rows[limit:]
    cards = await list_cards(ctx, [row.other_id for row in shown if row.other_id])
    return Notifications(
        notifications=[_shape(row, cards.get(row.other_id)) for row in shown],
        unread=(await notices.count_unread(ctx)).notifications,
        cursor=ctx.services.tokens.page(what, [shown[-1].seq]) if more else None,
    )


def _shape(row: notification.Notification, user: Card | None) -> Notification:
    return Notification(seq=row.seq, kind=row.kind.word, user=user, count=row.times, at=iso(row.at), read=row.is_read)


@event("notifications/read", pushes=("notifications/read",))
async def read(ctx: Context, *, seq: Seq) -> UnreadLeft:
    """Mark as read what was told up to this number of the log; one's own sockets are pushed `notifications/read`."""
    newest = await notification.get_newest_unread(ctx.tx, user_id=ctx.user_id, up_to=seq)
    if newest and await notification.mark_read(ctx.tx, user_id=ctx.user_id, up_to=newest):
        ctx.tx.push(ctx.user_id, Push(Kind.NOTIFICATIONS_READ, 0, newest))
    return UnreadLeft(unread=await notification.count_unread(ctx.tx, user_id=ctx.user_id))


@renders(Kind.NOTIFICATION)
async def render_notification(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `notification` as it stands now; what was withdrawn, or tells of somebody who is gone, is not shown."""
    others = list({push.other_id for push in pushes if push.other_id})
    visible = await access.list_visible(ctx, others) if others else set()
    cards = await list_cards(ctx, sorted(visible))
    keys = {push: (Notice(push.number), push.other_id) for push in pushes}
    rows = await notification.list_by_key(ctx.tx, user_id=ctx.user_id, keys=list(keys.values()))

    def shape(push: Push) -> Shape | None:
        row, user = rows.get(keys[push]), cards.get(push.other_id)
        if row is None or (push.other_id and user is None):
            return None
        return Notified(kind=row.kind.word, user=user, count=row.times)

    return [shape(push) for push in pushes]


@renders(Kind.NOTIFICATIONS_READ)
async def render_read(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `notifications/read`, with what is unread now."""
    unread = (await notices.count_unread(ctx)).notifications
    return [NotificationsRead(up_to=push.number, unread=unread) for push in pushes]

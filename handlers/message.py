"""Messages: written once, numbered without a gap, read by two people and nobody else."""

from handlers import access, chat
from handlers.card import as_seen_by
from server.context import Context
from server.wire.answers import History, Nothing, Sent, Shape
from server.wire.errors import InvalidPayload, NotConnected
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Body, HistoryLimit, Int32, Seq, UserId
from server.wire.pushes import Kind, MessageNew, MessageRead, Push, renders
from sql import message, profile, relation

_NEWEST = 2**31


@event("message/send", beside="target_user_id", methods=("GET", "POST"), pushes=("message/new", "notification"))
async def send(ctx: Context, *, target_user_id: UserId, random_id: Int32, message: Body) -> Sent:
    """Send a text to a connected person; both are pushed `message/new`.

    Raises Blacklisted (900), NotFound, NotConnected, in this order; AlreadyExists (this random_id, another text);
    RateLimited.
    """
    access.not_oneself(ctx, target_user_id)
    return await ctx.batch(chat.deliver, chat.Draft(ctx.user_id, target_user_id, random_id, message))


def _one_direction(fields: dict[str, object]) -> None:
    """`before` or `after`, not both."""
    if "before" in fields and "after" in fields:
        raise InvalidPayload.of("after", "conflict", "Give before or after, not both.")


@event("message/history", order=Order.CONCURRENT, methods=("GET",), check=_one_direction)
async def history(
    ctx: Context, *, target_user_id: UserId, before: Seq = ABSENT, after: Seq = ABSENT, limit: HistoryLimit = 20
) -> History:
    """Return messages before a number, newest first, or after one, oldest first.

    Raises NotFound, NotConnected (they never were).
    """
    pair = await access.get_visible_pair(ctx, target_user_id)
    if pair.connected_at is None:
        raise NotConnected
    key = {"low_id": pair.low_id, "high_id": pair.high_id, "limit": limit}
    if after is ABSENT:
        rows = await message.list_before(ctx.tx, before=_NEWEST if before is ABSENT else before, **key)
    else:
        rows = await message.list_after(ctx.tx, after=after, **key)
    tells = await profile.list_with_receipts(ctx.tx, user_ids=[target_user_id])
    return History(
        messages=[as_seen_by(ctx.user_id, row) for row in rows],
        my_read_seq=pair.side(ctx.user_id).read_seq,
        their_read_seq=pair.side(target_user_id).read_seq if tells else None,
    )


@event("message/read", pushes=("message/read",))
async def read(ctx: Context, *, target_user_id: UserId, seq: Seq) -> Nothing:
    """Note how far one has read; it never goes back.

    One's own sockets are pushed `message/read`, and those of the writer too if one lets others know what one has read.
    Raises NotFound, NotConnected.
    """
    access.not_oneself(ctx, target_user_id)
    return await ctx.batch(chat.read, chat.Reading(ctx.user_id, target_user_id, seq))


@event("message/typing", pushes=("message/typing",))
async def typing(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Let a connected person know that one is writing; whether they are there shows nowhere.

    Raises NotFound, NotConnected.
    """
    pair = await access.get_visible_pair(ctx, target_user_id)
    if not pair.connected:
        raise NotConnected
    ctx.tx.whisper(target_user_id, "message/typing", {"user_id": ctx.user_id})
    return Nothing()


@renders(Kind.MESSAGE_NEW)
async def render_new(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `message/new` from the log: the text as it stands, if its other side may still be seen."""
    visible = await access.list_visible(ctx, list({push.other_id for push in pushes}))
    keys = {push: (*relation.key(ctx.user_id, push.other_id), push.number) for push in pushes}
    rows = await message.list_by_key(ctx.tx, keys=[keys[push] for push in pushes if push.other_id in visible])

    def shape(push: Push) -> Shape | None:
        row = rows.get(keys[push])
        return MessageNew(user_id=push.other_id, message=as_seen_by(ctx.user_id, row)) if row else None

    return [shape(push) for push in pushes]


@renders(Kind.MESSAGE_READ)
async def render_read(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `message/read` from the log: one's own always, others' while they let one know what they have read."""
    others = list({push.other_id for push in pushes})
    visible = await access.list_visible(ctx, others)
    tellers = await profile.list_with_receipts(ctx.tx, user_ids=others) | {ctx.user_id}

    def shape(push: Push) -> Shape | None:
        is_shown = push.other_id in visible and push.by_id in tellers
        return MessageRead(user_id=push.other_id, by=push.by_id, read_seq=push.number) if is_shown else None

    return [shape(push) for push in pushes]

"""Messages: written once, numbered without a gap, read by two people and nobody else."""

from handlers import access
from handlers.card import as_seen_by
from handlers.notices import notify
from server.context import Context
from server.wire.answers import History, Nothing, Sent, Shape, iso
from server.wire.errors import AlreadyExists, Blacklisted, InvalidPayload, NotConnected, NotFound, RateLimited
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Body, HistoryLimit, Int32, Seq, UserId
from server.wire.pushes import Kind, MessageNew, MessageRead, Notice, Push, renders
from sql import message, notification, profile, relation
from sql.message import Message
from sql.relation import Pair

_UNANSWERED_FOR = 3600
_NEWEST = 2**31


@event("message/send", methods=("GET", "POST"), pushes=("message/new", "notification"))
async def send(ctx: Context, *, target_user_id: UserId, random_id: Int32, message: Body) -> Sent:
    """Send a text to a connected person; both are pushed `message/new`.

    Raises Blacklisted (900), NotFound, NotConnected, in this order; AlreadyExists (this random_id, another text);
    RateLimited.
    """
    pair = await _lock_readable(ctx, target_user_id)
    if sent := await _repeated(ctx, pair, random_id, message):
        return sent
    if not pair.connected:
        raise NotConnected
    await ctx.once("message", lambda: _count(ctx))
    return await _append(ctx, pair, random_id, message)


async def _lock_readable(ctx: Context, target_user_id: int) -> Pair:
    access.not_oneself(ctx, target_user_id)
    is_there = await access.lock_standing(ctx, target_user_id)
    pair = await relation.lock(ctx.tx, **relation.key(ctx.user_id, target_user_id)._asdict())
    if pair and pair.side(ctx.user_id).blocked_at:
        raise Blacklisted
    if not is_there or (pair and access.is_hidden(pair)):
        raise NotFound
    if pair is None:
        raise NotConnected
    return pair


async def _count(ctx: Context) -> None:
    ctx.services.messages.take(ctx.user_id)


async def _repeated(ctx: Context, pair: Pair, random_id: int, body: str) -> Sent | None:
    """Return the first answer when this random_id was used before. Raises AlreadyExists for another text."""
    first = await message.get_by_random_id(
        ctx.tx, low_id=pair.low_id, high_id=pair.high_id, sender_id=ctx.user_id, random_id=random_id
    )
    if first and first.body != body:
        raise AlreadyExists("This random_id was used for another text.")
    return Sent(seq=first.seq, sent_at=iso(first.sent_at)) if first else None


async def _append(ctx: Context, pair: Pair, random_id: int, body: str) -> Sent:
    mine, theirs = pair.side(ctx.user_id), pair.side(pair.other(ctx.user_id))
    if mine.unanswered >= ctx.limit("unanswered"):
        raise RateLimited(_UNANSWERED_FOR, "Wait for an answer before you write more.", limit="unanswered")
    sent_at = max(ctx.now, pair.active_at or ctx.now)  # who waited for the lock does not write into the past
    pair.last_seq += 1
    pair.active_at = sent_at
    mine.unanswered += 1
    theirs.unanswered = 0
    theirs.unread += 1
    new = Message(pair.low_id, pair.high_id, pair.last_seq, ctx.user_id, random_id, body, sent_at)
    await message.insert(ctx.tx, new)
    await relation.update(ctx.tx, pair)
    for user_id in (pair.low_id, pair.high_id):
        live = MessageNew(user_id=pair.other(user_id), message=as_seen_by(user_id, new))
        ctx.tx.push(user_id, Push(Kind.MESSAGE_NEW, pair.other(user_id), new.seq), live)
    await notify(ctx, pair, pair.other(ctx.user_id), Notice.MESSAGE)
    return Sent(seq=new.seq, sent_at=iso(new.sent_at))


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
    pair = await access.lock_visible_pair(ctx, target_user_id)
    if not pair.connected:
        raise NotConnected
    mine, read_seq = pair.side(ctx.user_id), min(seq, pair.last_seq)
    if read_seq <= mine.read_seq:
        return Nothing()
    mine.read_seq = read_seq
    mine.unread = await message.count_unread(
        ctx.tx, low_id=pair.low_id, high_id=pair.high_id, after=read_seq, sender_id=target_user_id
    )
    await relation.update(ctx.tx, pair)
    if not mine.unread:
        await notification.mark_one_read(ctx.tx, user_id=ctx.user_id, kind=Notice.MESSAGE, other_id=target_user_id)
    await _tell_read(ctx, target_user_id, read_seq)
    return Nothing()


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


async def _tell_read(ctx: Context, writer_id: int, read_seq: int) -> None:
    others = {ctx.user_id: writer_id}
    if await profile.list_with_receipts(ctx.tx, user_ids=[ctx.user_id]):
        others[writer_id] = ctx.user_id
    for user_id, other_id in others.items():
        live = MessageRead(user_id=other_id, by=ctx.user_id, read_seq=read_seq)
        ctx.tx.push(user_id, Push(Kind.MESSAGE_READ, other_id, read_seq, ctx.user_id), live)


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

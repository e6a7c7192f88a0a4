"""Messages: written once, numbered without a gap, read by two people and nobody else."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from handlers import access
from handlers.card import as_seen_by
from handlers.notices import tell_all
from server.context import Context
from server.wire.answers import History, Nothing, Sent, Shape, iso
from server.wire.errors import (
    AlreadyExists,
    Blacklisted,
    InvalidPayload,
    MatchaError,
    NotConnected,
    NotFound,
    RateLimited,
    SessionEnded,
)
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Body, HistoryLimit, Int32, Seq, UserId
from server.wire.pushes import Kind, MessageNew, MessageRead, Notice, Push, renders
from sql import account, chat, message, notification, profile, relation
from sql.account import State
from sql.chat import Chat
from sql.message import Message
from sql.relation import Key
from sql.writer import Busy

_UNANSWERED_FOR = 3600
_NEWEST = 2**31


@event("message/send", beside="target_user_id", methods=("GET", "POST"), pushes=("message/new", "notification"))
async def send(ctx: Context, *, target_user_id: UserId, random_id: Int32, message: Body) -> Sent:
    """Send a text to a connected person; both are pushed `message/new`.

    Raises Blacklisted (900), NotFound, NotConnected, in this order; AlreadyExists (this random_id, another text);
    RateLimited.
    """
    access.not_oneself(ctx, target_user_id)
    return await ctx.batch(deliver, Draft(ctx.user_id, target_user_id, random_id, message))


class Draft:
    """A message that somebody wants to send."""

    __slots__ = ("body", "counted", "key", "random_id", "sender_id", "target_id")

    def __init__(self, sender_id: int, target_id: int, random_id: int, body: str) -> None:
        self.sender_id = sender_id
        self.target_id = target_id
        self.random_id = random_id
        self.body = body
        self.key = relation.key(sender_id, target_id)
        self.counted = False
        """Against the limit on messages; once, though the batch may be written again from the start."""


async def deliver(ctx: Context, drafts: list[Draft], wait: bool) -> Sequence[Sent | Exception]:
    """Write the messages of many, and return for each what came of it, or why it is refused.

    What somebody else has locked is waited for, or it is `Busy`.
    Rights are decided with everything locked that they depend on.
    """
    batch = await _lock(ctx, drafts, wait=wait)
    results = [_settle(batch, draft) for draft in drafts]
    if batch.new:
        await _write(batch)
    return results


@dataclass(slots=True)
class _Batch:
    """What is known of the people and chats of a batch, and what becomes of them."""

    ctx: Context
    waited: bool
    standing: dict[int, State]
    chats: dict[Key, Chat]
    known: dict[tuple[int, int, int, int], tuple[str, Sent]]
    """Messages that were sent before, in this batch or ever: their texts and answers."""
    new: list[Message] = field(default_factory=list)


async def _lock(ctx: Context, drafts: list[Draft], *, wait: bool) -> _Batch:
    """Lock the people and the chats, all of them or those that are free, and look for what was sent before."""
    keys = {draft.key for draft in drafts}
    people = {user_id for key in keys for user_id in key}
    standing, chats, olds = await ctx.tx.together(
        account.list_standing(ctx.tx, ids=people, wait=wait),
        chat.lock(ctx.tx, keys=keys, wait=wait),
        message.list_by_random_id(ctx.tx, keys={_name(draft) for draft in drafts}),
    )
    known = {name: (old.body, Sent(seq=old.seq, sent_at=iso(old.sent_at))) for name, old in olds.items()}
    return _Batch(ctx, wait, standing, chats, known)


def _settle(batch: _Batch, draft: Draft) -> Sent | Exception:
    """Decide about one draft, after those before it."""
    try:
        _check_visible(batch, draft)
        return _repeated(batch, draft) or _append(batch, draft)
    except (MatchaError, Busy) as refusal:
        return refusal


def _check_visible(batch: _Batch, draft: Draft) -> None:
    found, mine = batch.chats.get(draft.key), batch.standing.get(draft.sender_id)
    theirs = batch.standing.get(draft.target_id)
    if not batch.waited and (found is None or mine is None or theirs is None):
        raise Busy  # or there is nothing: alone it is found out
    if mine is not State.ACTIVE:
        raise SessionEnded
    if found and found.blocks(draft.sender_id):
        raise Blacklisted
    if theirs is not State.ACTIVE or (found and found.blocks(draft.target_id)):
        raise NotFound
    if found is None:
        raise NotConnected


def _repeated(batch: _Batch, draft: Draft) -> Sent | None:
    """Return the first answer when this random_id was used before. Raises AlreadyExists for another text."""
    body, first = batch.known.get(_name(draft), (None, None))
    if first and body != draft.body:
        raise AlreadyExists("This random_id was used for another text.")
    return first


def _append(batch: _Batch, draft: Draft) -> Sent:
    found, now = batch.chats[draft.key], batch.ctx.now
    if not found.connected:
        raise NotConnected
    if not draft.counted:
        batch.ctx.services.messages.take(draft.sender_id)
        draft.counted = True
    if found.unanswered(draft.sender_id) >= batch.ctx.limit("unanswered"):
        raise RateLimited(_UNANSWERED_FOR, "Wait for an answer before you write more.", limit="unanswered")
    sent_at = max(now, found.active_at or now)  # who waited for the lock does not write into the past
    found.add(draft.sender_id, sent_at)
    new = Message(*draft.key, found.last_seq, draft.sender_id, draft.random_id, draft.body, sent_at)
    batch.new.append(new)
    sent = Sent(seq=new.seq, sent_at=iso(sent_at))
    batch.known[_name(draft)] = draft.body, sent
    return sent


async def _write(batch: _Batch) -> None:
    """Write what was appended, and note what people are to be told of it."""
    ctx, new = batch.ctx, batch.new
    message.insert(ctx.tx, messages=new)
    chat.update(ctx.tx, chats=[batch.chats[key] for key in sorted({Key(m.low_id, m.high_id) for m in new})])
    begun = await tell_all(ctx, Notice.MESSAGE, Counter((_receiver(one), one.sender_id) for one in new))
    for one in new:
        receiver_id = _receiver(one)
        for user_id, other_id in ((one.sender_id, receiver_id), (receiver_id, one.sender_id)):
            live = MessageNew(user_id=other_id, message=as_seen_by(user_id, one))
            ctx.tx.push(user_id, Push(Kind.MESSAGE_NEW, other_id, one.seq), live)
        if (receiver_id, one.sender_id) in begun:
            begun.discard((receiver_id, one.sender_id))
            ctx.tx.push(receiver_id, Push(Kind.NOTIFICATION, one.sender_id, Notice.MESSAGE))


def _name(draft: Draft) -> tuple[int, int, int, int]:
    """Return what a message is known by before it has a number."""
    return (*draft.key, draft.sender_id, draft.random_id)


def _receiver(new: Message) -> int:
    return new.high_id if new.sender_id == new.low_id else new.low_id


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

"""Chats: what is written and read by many at once, in the three steps of `handlers.crowd`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from handlers import crowd
from handlers.card import as_seen_by
from handlers.crowd import Locked
from handlers.notices import News
from server.context import Context
from server.wire.answers import Nothing, Sent, iso
from server.wire.errors import AlreadyExists, Blacklisted, NotConnected, RateLimited
from server.wire.pushes import Kind, MessageNew, MessageRead, Notice, Push
from sql import chat, message, notification, profile
from sql.chat import Chat
from sql.message import Message
from sql.notification import Name
from sql.relation import Key

_UNANSWERED_FOR = 3600

# -- what is written ---------------------------------------------------------------------------------------------------


class Draft(crowd.Draft):
    """A message that somebody wants to send."""

    __slots__ = ("body", "counted", "name", "random_id")

    def __init__(self, user_id: int, target_id: int, random_id: int, body: str) -> None:
        super().__init__(user_id, target_id)
        self.random_id = random_id
        self.body = body
        self.name = (*self.key, user_id, random_id)
        """What a message is known by before it has a number."""
        self.counted = False
        """Against the limit on messages; once, though the batch may be written again from the start."""


@dataclass(slots=True)
class _Batch:
    """What is known of the chats of a batch, and what becomes of them."""

    ctx: Context
    locked: Locked[Chat]
    known: dict[tuple[int, int, int, int], tuple[str, Sent]]
    """Messages that were sent before, in this batch or ever: their texts and answers."""
    new: list[tuple[Draft, Message]] = field(default_factory=list)


async def deliver(ctx: Context, drafts: list[Draft], wait: bool) -> Sequence[Sent | Exception]:
    """Write the messages of many, and return for each what came of it, or why it is refused."""
    sent = message.list_by_random_id(ctx.tx, keys={draft.name for draft in drafts})
    locked = await crowd.lock(ctx, drafts, chat.lock, sent, wait=wait)
    [olds] = locked.read
    known = {name: (old.body, Sent(seq=old.seq, sent_at=iso(old.sent_at))) for name, old in olds.items()}
    batch = _Batch(ctx, locked, known)
    results = crowd.settle(drafts, partial(_send, batch))
    if batch.new:
        await _write(batch)
    return results


def _send(batch: _Batch, draft: Draft) -> Sent:
    found = crowd.get_pair(batch.locked, draft)
    if found and found.blocks(draft.user_id):
        raise Blacklisted
    found = crowd.get_visible_pair(batch.locked, draft)
    if found is None:
        raise NotConnected
    return _repeated(batch, draft) or _append(batch, draft, found)


def _repeated(batch: _Batch, draft: Draft) -> Sent | None:
    """Return the first answer when this random_id was used before. Raises AlreadyExists for another text."""
    body, first = batch.known.get(draft.name, (None, None))
    if first and body != draft.body:
        raise AlreadyExists("This random_id was used for another text.")
    return first


def _append(batch: _Batch, draft: Draft, found: Chat) -> Sent:
    now = batch.ctx.now
    if not found.connected:
        raise NotConnected
    if not draft.counted:
        batch.ctx.services.messages.take(draft.user_id)
        draft.counted = True
    if found.unanswered(draft.user_id) >= batch.ctx.limit("unanswered"):
        raise RateLimited(_UNANSWERED_FOR, "Wait for an answer before you write more.", limit="unanswered")
    sent_at = max(now, found.active_at or now)  # who waited for the lock does not write into the past
    found.add(draft.user_id, sent_at)
    new = Message(*draft.key, found.last_seq, draft.user_id, draft.random_id, draft.body, sent_at)
    batch.new.append((draft, new))
    sent = Sent(seq=new.seq, sent_at=iso(sent_at))
    batch.known[draft.name] = draft.body, sent
    return sent


async def _write(batch: _Batch) -> None:
    """Write what was appended, and tell both of each two."""
    message.insert(batch.ctx.tx, messages=[new for _, new in batch.new])
    _update(batch.ctx, batch.locked, {draft.key for draft, _ in batch.new})
    news = News()
    for draft, new in batch.new:
        for user_id, other_id in ((draft.user_id, draft.target_id), (draft.target_id, draft.user_id)):
            live = MessageNew(user_id=other_id, message=as_seen_by(user_id, new))
            news.push(user_id, Push(Kind.MESSAGE_NEW, other_id, new.seq), live)
        news.tell(draft.target_id, Notice.MESSAGE, draft.user_id)
    await news.write(batch.ctx)


def _update(ctx: Context, locked: Locked[Chat], keys: set[Key]) -> None:
    chat.update(ctx.tx, chats=[locked.pairs[key] for key in sorted(keys)])


# -- what is read ------------------------------------------------------------------------------------------------------


class Reading(crowd.Draft):
    """How far somebody has read what somebody else has written."""

    __slots__ = ("seq",)

    def __init__(self, user_id: int, target_id: int, seq: int) -> None:
        super().__init__(user_id, target_id)
        self.seq = seq


async def read(ctx: Context, drafts: list[Reading], wait: bool) -> Sequence[Nothing | Exception]:
    """Note how far many have read, and return for each that it is noted, or why it is refused."""
    locked = await crowd.lock(ctx, drafts, chat.lock, wait=wait)
    further: list[tuple[Reading, int]] = []
    results = crowd.settle(drafts, partial(_read, locked, further))
    if further:
        await _write_further(ctx, locked, further)
    return results


def _read(locked: Locked[Chat], further: list[tuple[Reading, int]], draft: Reading) -> Nothing:
    found = crowd.get_visible_pair(locked, draft)
    if found is None or not found.connected:
        raise NotConnected
    if found.read(draft.user_id, draft.seq):
        further.append((draft, found.read_seq(draft.user_id)))
    return Nothing()


async def _write_further(ctx: Context, locked: Locked[Chat], further: list[tuple[Reading, int]]) -> None:
    """Write how far people have come, and tell them, and those who wrote it, if they may know."""
    await _count_unread(ctx, locked, [draft for draft, _ in further])
    _update(ctx, locked, {draft.key for draft, _ in further})
    tellers = await profile.list_with_receipts(ctx.tx, user_ids=sorted({draft.user_id for draft, _ in further}))
    for draft, seq in further:
        told = {draft.user_id: draft.target_id}
        if draft.user_id in tellers:
            told[draft.target_id] = draft.user_id
        for user_id, other_id in told.items():
            live = MessageRead(user_id=other_id, by=draft.user_id, read_seq=seq)
            ctx.tx.push(user_id, Push(Kind.MESSAGE_READ, other_id, seq, draft.user_id), live)


async def _count_unread(ctx: Context, locked: Locked[Chat], drafts: list[Reading]) -> None:
    """Count what still waits for who has not read all of it, and mark what tells of the rest."""
    read_by = {Name(draft.user_id, Notice.MESSAGE, draft.target_id): locked.pairs[draft.key] for draft in drafts}
    for (reader_id, _, writer_id), found in read_by.items():
        seq, left = found.read_seq(reader_id), 0
        if seq < found.last_seq:  # seldom: one statement for many would read each conversation whole
            left = await message.count_unread(
                ctx.tx, low_id=found.low_id, high_id=found.high_id, after=seq, sender_id=writer_id
            )
        found.keep_unread(reader_id, left)
    done = [name for name, found in read_by.items() if not found.unread(name.user_id)]
    notification.mark_these_read(ctx.tx, names=done)

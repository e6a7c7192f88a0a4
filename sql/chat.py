"""Chats: what writing and reading change of what is between two people. It stands in the `pair` table."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pypika import MySQLQuery, Tuple
from pypika.terms import NotNullCriterion

from sql.relation import Key
from sql.statement import compile_, each, insert_rows
from sql.tables import pair
from sql.transaction import Tx


@dataclass(slots=True)
class Chat:
    """The conversation of two people, and whether one may go on with it."""

    low_id: int
    high_id: int
    connected: int
    active_at: datetime | None
    last_seq: int
    low_blocks: int
    high_blocks: int
    low_read_seq: int
    high_read_seq: int
    low_unread: int
    high_unread: int
    low_unanswered: int
    high_unanswered: int

    def blocks(self, user_id: int) -> bool:
        """Tell whether one of the two has blocked the other."""
        return bool(self.low_blocks if user_id == self.low_id else self.high_blocks)

    def unanswered(self, user_id: int) -> int:
        """Return how many messages in a row of one of the two have no answer."""
        return self.low_unanswered if user_id == self.low_id else self.high_unanswered

    def read_seq(self, user_id: int) -> int:
        """Return how far one of the two has read."""
        return self.low_read_seq if user_id == self.low_id else self.high_read_seq

    def read(self, reader_id: int, seq: int) -> bool:
        """Note how far one of the two has read, no further than there is; tell whether that is new."""
        seq = min(seq, self.last_seq)
        if seq <= self.read_seq(reader_id):
            return False
        if reader_id == self.low_id:
            self.low_read_seq = seq
        else:
            self.high_read_seq = seq
        return True

    def unread(self, user_id: int) -> int:
        """Return how many messages wait for one of the two."""
        return self.low_unread if user_id == self.low_id else self.high_unread

    def keep_unread(self, reader_id: int, count: int) -> None:
        """Set how many messages wait for one of the two."""
        if reader_id == self.low_id:
            self.low_unread = count
        else:
            self.high_unread = count

    def add(self, sender_id: int, at: datetime) -> None:
        """Count one more message."""
        self.last_seq += 1
        self.active_at = at
        if sender_id == self.low_id:
            self.low_unanswered, self.high_unanswered = self.low_unanswered + 1, 0
            self.high_unread += 1
        else:
            self.high_unanswered, self.low_unanswered = self.high_unanswered + 1, 0
            self.low_unread += 1


_CHANGED = (
    "active_at",
    "last_seq",
    "low_read_seq",
    "high_read_seq",
    "low_unread",
    "high_unread",
    "low_unanswered",
    "high_unanswered",
)
_LOCK = (
    MySQLQuery.from_(pair)
    .force_index("PRIMARY")
    .select(
        pair.low_id,
        pair.high_id,
        pair.connected,
        pair.active_at,
        pair.last_seq,
        NotNullCriterion(pair.low_blocked_at),
        NotNullCriterion(pair.high_blocked_at),
        pair.low_read_seq,
        pair.high_read_seq,
        pair.low_unread,
        pair.high_unread,
        pair.low_unanswered,
        pair.high_unanswered,
    )
    .where(Tuple(pair.low_id, pair.high_id).isin(each("keys", 2)))
)
_LOCK_ALL = compile_(_LOCK.for_update())
_LOCK_FREE = compile_(_LOCK.for_update(), "SKIP LOCKED")
# The rows are there and locked: this only updates, all in one statement.
_UPDATE = insert_rows(
    "pair",
    ["low_id", "high_id", *_CHANGED],
    "ON DUPLICATE KEY UPDATE " + ",".join(f"`{name}`=VALUES(`{name}`)" for name in _CHANGED),
)


async def lock(tx: Tx, *, keys: Collection[Key], wait: bool) -> dict[Key, Chat]:
    """Return the chats of those of these pairs that are there; nobody else changes them until the commit.

    Without waiting, those are left out that somebody else is about to change.
    """
    rows = await tx.rows(_LOCK_ALL if wait else _LOCK_FREE, keys=sorted(keys))
    return {Key(row[0], row[1]): Chat(*row) for row in rows}


def update(tx: Tx, *, chats: Collection[Chat]) -> None:
    """Write what writing and reading have changed, with the next statement; the caller holds the locks."""
    rows = [(chat.low_id, chat.high_id, *(getattr(chat, name) for name in _CHANGED)) for chat in chats]
    tx.post(_UPDATE, rows=rows)

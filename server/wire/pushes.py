"""What a user is told: references in the log, and the renderers that turn them into data when they are read."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from server.wire.answers import Message, Shape, iso


class Kind(IntEnum):
    """The kinds of logged pushes; the numbers stand in the database, so they never change."""

    MESSAGE_NEW = 1
    MESSAGE_READ = 2
    CONNECTION = 3
    NOTIFICATION = 4
    NOTIFICATIONS_READ = 5
    PROFILE_CHANGED = 6
    SETTINGS_CHANGED = 7
    RELATION_CHANGED = 8


NAMES = {
    Kind.MESSAGE_NEW: "message/new",
    Kind.MESSAGE_READ: "message/read",
    Kind.CONNECTION: "connection",
    Kind.NOTIFICATION: "notification",
    Kind.NOTIFICATIONS_READ: "notifications/read",
    Kind.PROFILE_CHANGED: "profile/changed",
    Kind.SETTINGS_CHANGED: "settings/changed",
    Kind.RELATION_CHANGED: "relation/changed",
}


class Notice(IntEnum):
    """The kinds of notifications; the numbers stand in the database, so they never change."""

    LIKE = 1
    REQUEST = 2
    MATCH = 3
    VISIT = 4
    NUDGE = 5
    MESSAGE = 6
    UNLIKE = 7
    MODERATION = 8

    @property
    def word(self) -> str:
        """The kind as it stands on the wire."""
        return self.name.lower()


class Push(NamedTuple):
    """A reference: what happened with whom; never a text or a card."""

    kind: Kind
    other_id: int
    number: int = 0
    """MESSAGE_NEW: the message's seq. MESSAGE_READ, NOTIFICATIONS_READ: read up to. CONNECTION: 1 connected, 0 closed.
    NOTIFICATION: the `Notice`."""
    by_id: int = 0
    """MESSAGE_READ: who has read."""


class Logged(NamedTuple):
    """A push in the log of one user."""

    seq: int
    at: datetime
    push: Push


class MessageNew(Shape, frozen=True):
    """Data of `message/new`."""

    user_id: int
    message: Message


class MessageRead(Shape, frozen=True):
    """Data of `message/read`."""

    user_id: int
    by: int
    read_seq: int


class ConnectionChanged(Shape, frozen=True, omit_defaults=True):
    """Data of `connection`; the card only when connected."""

    user_id: int
    state: str
    user: Any = None


class Notified(Shape, frozen=True):
    """Data of `notification`; nobody stands behind a `moderation`."""

    kind: str
    user: Any
    count: int


class NotificationsRead(Shape, frozen=True):
    """Data of `notifications/read`."""

    up_to: int
    unread: int


class RelationChanged(Shape, frozen=True):
    """Data of `relation/changed`: how one stands to somebody, by one's own acts."""

    user_id: int
    liked: bool
    passed: bool
    blocked: bool


Renderer = Callable[[Any, list[Push]], Awaitable[list[Shape | None]]]
renderers: dict[Kind, Renderer] = {}


def renders(kind: Kind) -> Callable[[Renderer], Renderer]:
    """Register the renderer of a kind: `async def (ctx, pushes)`, one Shape a push, None = may not be seen any more."""

    def register(renderer: Renderer) -> Renderer:
        renderers[kind] = renderer
        return renderer

    return register


def wire(entry: Logged, shape: Shape | None) -> tuple[str, dict[str, Any]]:
    """Return name and data of a push as they go out; what may not be seen any more is a `void`."""
    data: dict[str, Any] = {"seq": entry.seq, "at": iso(entry.at)}
    if shape is None:
        return "void", data
    return NAMES[entry.push.kind], data | msgspec.to_builtins(shape)


async def render(ctx: Any, entries: list[Logged]) -> list[tuple[str, dict[str, Any]]]:
    """Return a stretch of the log of `ctx.user_id` as it may be seen now, one batch of queries a kind."""
    shapes: dict[int, Shape | None] = {}
    for kind in {entry.push.kind for entry in entries}:
        ours = [entry for entry in entries if entry.push.kind is kind]
        rendered = await renderers[kind](ctx, [entry.push for entry in ours])
        shapes.update(zip((entry.seq for entry in ours), rendered, strict=True))
    return [wire(entry, shapes[entry.seq]) for entry in entries]

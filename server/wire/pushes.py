"""What a user is told: references in the log, and the renderers that turn them into data when they are read."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, NamedTuple

import msgspec

from server.wire.answers import Card, Happening, Message, OwnProfile, Presence, Settings, Shape, iso


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
    """A message in the conversation with `user_id`, theirs or one's own; to all sockets of both."""

    user_id: int
    message: Message


class MessageRead(Shape, frozen=True):
    """`by` has read the conversation with `user_id` up to `read_seq`; to both, if the reader lets others know."""

    user_id: int
    by: int
    read_seq: int


class MessageTyping(Shape, frozen=True):
    """The other person is writing."""

    user_id: int


class ConnectionChanged(Shape, frozen=True, omit_defaults=True):
    """A connection began (`connected`, with the person's card) or ended (`closed`); to both."""

    user_id: int
    state: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ("connected", "closed")})]
    user: Card | None = None


class Notified(Shape, frozen=True):
    """Something happened, `count` times since it was read last; nobody stands behind a `moderation`."""

    kind: Happening
    user: Card | None
    count: int


class NotificationsRead(Shape, frozen=True):
    """Notifications up to `up_to` were read; to one's own sockets."""

    up_to: int
    unread: int


class RelationChanged(Shape, frozen=True):
    """How one stands to somebody has changed, by one's own acts; to one's own sockets."""

    user_id: int
    liked: bool
    passed: bool
    blocked: bool


class ProfileChanged(OwnProfile, frozen=True):
    """One's own profile, as it is now; to one's own sockets."""


class SettingsChanged(Settings, frozen=True):
    """One's own settings, as they are now; to one's own sockets."""


class PresenceChanged(Presence, frozen=True):
    """A watched person came or went; null where they hide it."""

    user_id: int


class Void(Shape, frozen=True):
    """What was here may no longer be seen."""


class Goodbye(Shape, frozen=True):
    """The server is about to close this socket; come back after `retry_after` seconds, unless the session ended."""

    reason: Annotated[
        str,
        msgspec.Meta(extra_json_schema={"enum": ("session_ended", "draining", "slow", "too_many_sockets", "idle")}),
    ]
    retry_after: int | None


PUSHES: Mapping[str, type[Shape]] = {
    "message/new": MessageNew,
    "message/read": MessageRead,
    "message/typing": MessageTyping,
    "notification": Notified,
    "notifications/read": NotificationsRead,
    "connection": ConnectionChanged,
    "relation/changed": RelationChanged,
    "profile/changed": ProfileChanged,
    "settings/changed": SettingsChanged,
    "presence": PresenceChanged,
    "void": Void,
    "goodbye": Goodbye,
}
"""The data of every push, by its name on the wire."""

LOGGED = frozenset(NAMES.values()) | {"void"}
"""Those that have a place in the log, and with it `seq` and `at`; the others may be lost."""


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


def encode(entry: Logged, shape: Shape) -> bytes:
    """Return name and data of a push in JSON, as `wire` gives them, only faster."""
    fields = msgspec.json.encode(shape)[1:]
    return b'["%s",{"seq":%d,"at":"%s",%s]' % (
        NAMES[entry.push.kind].encode(),
        entry.seq,
        iso(entry.at).encode(),
        fields,
    )


async def render(ctx: Any, entries: list[Logged]) -> list[tuple[str, dict[str, Any]]]:
    """Return a stretch of the log of `ctx.user_id` as it may be seen now, one batch of queries a kind."""
    shapes: dict[int, Shape | None] = {}
    for kind in {entry.push.kind for entry in entries}:
        ours = [entry for entry in entries if entry.push.kind is kind]
        rendered = await renderers[kind](ctx, [entry.push for entry in ours])
        shapes.update(zip((entry.seq for entry in ours), rendered, strict=True))
    return [wire(entry, shapes[entry.seq]) for entry in entries]

"""The shapes of answers and pushes: what is not a field here cannot leave the server."""

from datetime import datetime
from typing import Any

import msgspec


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The base of everything that goes out."""


class Nothing(Shape, frozen=True):
    """Done; there is nothing more to say."""


def iso(moment: datetime) -> str:
    """Return UTC time in ISO 8601 with milliseconds and `Z`; naive datetimes are UTC."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Registered(Shape, frozen=True):
    """The new account's id."""

    user_id: int


class LoggedIn(Shape, frozen=True):
    """A session: its token, until when, and where the log of pushes stands."""

    token: str
    user_id: int
    expires_at: str
    cursor: int


class Photo(Shape, frozen=True):
    """A photo in three sizes (160, 480, 1080 px) and its thumbhash."""

    photo_id: str
    url: dict[str, str]
    hash: str


class Card(Shape, frozen=True):
    """A person in a list, as one viewer may see them; `distance` in km, `score` 0–1."""

    user_id: int
    login: str
    first_name: str
    age: int | None
    gender: str | None
    photo: Photo | None
    place: str | None
    distance: int | None
    fame: int
    common_tags: list[str]
    online: bool | None
    last_seen: str | None
    score: float
    why: dict[str, float]


class Profile(Card, frozen=True):
    """A person's page, as one viewer may see it."""

    last_name: str
    description: str | None
    sex: list[str]
    tags: list[str]
    photos: list[Photo]
    liked_me: bool
    liked: bool
    requested_me: bool
    requested: bool
    connected: bool


class Position(Shape, frozen=True):
    """The centre of a cell, degrees."""

    lat: float
    lon: float


class Wishes(Shape, frozen=True):
    """Whom a person would like to meet."""

    age_min: int | None
    age_max: int | None
    distance_max: int | None


class OwnProfile(Shape, frozen=True):
    """One's own profile, as others may come to see it."""

    user_id: int
    login: str
    first_name: str
    last_name: str
    age: int | None
    gender: str | None
    description: str | None
    sex: list[str]
    tags: list[str]
    photo: Photo | None
    photos: list[Photo]
    place: str | None
    fame: int


class Unread(Shape, frozen=True):
    """How much waits to be read."""

    messages: int
    notifications: int


class Settings(Shape, frozen=True):
    """What others may see of one, and how one is told."""

    show_online: bool
    show_distance: bool
    read_receipts: bool
    mail_on: bool
    language: str


class Me(OwnProfile, frozen=True):
    """One's own profile, what nobody else sees of it, and one's state; `gps` is the centre of the cell that is kept."""

    mail: str | None
    birth_date: str | None
    gps: Position | None
    wish: Wishes | None
    settings: Settings
    unread: Unread
    cursor: int


class Liked(Shape, frozen=True):
    """The wish is noted; `connected` when it was mutual."""

    liked: bool
    connected: bool


class Requested(Shape, frozen=True):
    """`requested`, or `connected` when the wish was mutual."""

    state: str


class Sent(Shape, frozen=True):
    """Where in the conversation the message stands, and since when."""

    seq: int
    sent_at: str


class Message(Shape, frozen=True, omit_defaults=True):
    """One message; `random_id` only on one's own."""

    seq: int
    from_user_id: int
    message: str
    sent_at: str
    random_id: int | None = None


class History(Shape, frozen=True):
    """A stretch of a conversation and how far each has read."""

    messages: list[Message]
    my_read_seq: int
    their_read_seq: int | None


class Connection(Shape, frozen=True):
    """Someone one is connected with."""

    user: Card
    connected_at: str
    last_message: Message | None
    unread: int
    their_read_seq: int | None


class Connections(Shape, frozen=True):
    """A page of connections, last activity first."""

    connections: list[Connection]
    cursor: str | None


class FunnelStep(Shape, frozen=True):
    """How many are left after a filter, rounded to 10."""

    filter: str
    left: int


class Found(Shape, frozen=True, omit_defaults=True):
    """A page of people."""

    users: list[Card]
    cursor: str | None
    distance_max: int | None
    partial: bool = False
    funnel: list[FunnelStep] | None = None


class LoggedEvent(Shape, frozen=True):
    """One push of the log."""

    event: str
    data: dict[str, Any]


class Synced(Shape, frozen=True, omit_defaults=True):
    """What came after a cursor, or that the state must be read anew."""

    cursor: int
    events: list[LoggedEvent] | None = None
    more: bool | None = None
    resync: bool = False


class Like(Shape, frozen=True):
    """Someone who likes one; `kind` is `like` or `request`."""

    user: Card
    kind: str
    liked_at: str


class Likes(Shape, frozen=True):
    """A page of people who like one and are not connected, newest first."""

    likes: list[Like]
    cursor: str | None


class Block(Shape, frozen=True):
    """Someone on one's black list, as they were when blocked."""

    user_id: int
    login: str
    blocked_at: str


class Blocks(Shape, frozen=True):
    """A page of one's black list, newest first."""

    blocks: list[Block]
    cursor: str | None


class Visit(Shape, frozen=True):
    """Someone who looked at one's profile, and when last."""

    user: Card
    visited_at: str


class Visits(Shape, frozen=True):
    """A page of visitors, newest first."""

    visits: list[Visit]
    cursor: str | None


class Notification(Shape, frozen=True):
    """Something that happened, `count` times since it was read last; nobody stands behind a `moderation`."""

    seq: int
    kind: str
    user: Card | None
    count: int
    at: str
    read: bool


class Notifications(Shape, frozen=True):
    """A page of notifications, newest first, and how many are unread in all."""

    notifications: list[Notification]
    unread: int
    cursor: str | None


class UnreadLeft(Shape, frozen=True):
    """How many notifications are still unread."""

    unread: int


class SessionLine(Shape, frozen=True):
    """One of one's sessions."""

    session_id: str
    started_at: str
    last_seen: str
    agent: str
    current: bool


class Sessions(Shape, frozen=True):
    """One's live sessions, newest first."""

    sessions: list[SessionLine]


class Presence(Shape, frozen=True):
    """Whether somebody is here; null = unknown or hidden; `last_seen` is rounded down to 10 minutes."""

    online: bool | None
    last_seen: str | None


class Watched(Shape, frozen=True):
    """The presence of those who are watched from now on, by user id."""

    presence: dict[str, Presence]


class TagCount(Shape, frozen=True):
    """A tag and how many use it."""

    tag: str
    count: int


class TagCounts(Shape, frozen=True):
    """Tags that begin alike, most used first."""

    tags: list[TagCount]


class Place(Shape, frozen=True):
    """A town; `country` is its ISO 3166 code of two letters."""

    place_id: int
    name: str
    country: str


class Places(Shape, frozen=True):
    """Towns that begin alike, largest first."""

    places: list[Place]

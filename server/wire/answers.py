"""The shapes of answers and pushes: what is not a field here cannot leave the server."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, get_args

import msgspec

from server.wire import fields


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The base of everything that goes out."""


def _says(description: str | None = None, **schema: Any) -> msgspec.Meta:
    """Say in the reference what a text is; nothing is checked, for nothing comes in here."""
    return msgspec.Meta(description=description, extra_json_schema=schema or None)


Time = Annotated[str, _says(format="date-time")]
Day = Annotated[str, _says(format="date")]
Gender = Annotated[str, _says(enum=get_args(fields.Gender))]
Wanting = Annotated[str, _says(enum=("like", "request"))]
Language = Annotated[str, _says(enum=get_args(fields.Language))]
Happening = Annotated[
    str, _says(enum=("like", "request", "match", "visit", "nudge", "message", "unlike", "moderation"))
]
Kilometres = Annotated[int, _says("the upper edge of the step, in km")]


class Nothing(Shape, frozen=True):
    """Done; there is nothing more to say."""


@lru_cache(1024)  # many things have the same time
def iso(moment: datetime) -> str:
    """Return UTC time in ISO 8601 with milliseconds and `Z`; naive datetimes are UTC."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Registered(Shape, frozen=True):
    """The id of an account."""

    user_id: int


class LoggedIn(Shape, frozen=True):
    """A new session: its `token`, until when, and where the log of pushes stands."""

    token: str
    user_id: int
    expires_at: Time
    cursor: int


class Photo(Shape, frozen=True):
    """A photo at 160, 480 and 1080 px (`small`, `medium`, `large`) and its thumbhash."""

    photo_id: str
    url: dict[str, str]
    hash: str


class Card(Shape, frozen=True):
    """A person in a list, as the caller may see them; `distance` in km, `score` 0–1 and its parts in `why`."""

    user_id: int
    login: str
    first_name: str
    age: int | None
    gender: Gender | None
    photo: Photo | None
    place: str | None
    distance: Kilometres | None
    fame: int
    common_tags: list[str]
    online: bool | None
    last_seen: Time | None
    score: float
    why: dict[str, float]


class Profile(Card, frozen=True):
    """A person's page, as the caller may see it."""

    last_name: str
    description: str | None
    sex: list[Gender]
    tags: list[str]
    photos: list[Photo]
    liked_me: bool
    liked: bool
    requested_me: bool
    requested: bool
    connected: bool


class Position(Shape, frozen=True):
    """A position in degrees: the centre of the cell that is kept."""

    lat: float
    lon: float


class Wishes(Shape, frozen=True):
    """Whom a person would like to meet; nobody else sees it."""

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
    gender: Gender | None
    description: str | None
    sex: list[Gender]
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
    language: Language


class Me(OwnProfile, frozen=True):
    """One's own profile, what only oneself sees of it, and the newest `cursor` of the log."""

    mail: str | None
    birth_date: Day | None
    gps: Position | None
    wish: Wishes | None
    settings: Settings
    unread: Unread
    cursor: int


class Liked(Shape, frozen=True):
    """The like is noted; `connected` when it was mutual."""

    liked: bool
    connected: bool


class Requested(Shape, frozen=True):
    """The request is noted: `requested`, or `connected` when it was mutual."""

    state: Annotated[str, _says(enum=("requested", "connected"))]


class Sent(Shape, frozen=True):
    """Where in the conversation a message stands, and since when."""

    seq: int
    sent_at: Time


class Message(Shape, frozen=True, omit_defaults=True):
    """A message; `random_id` only on one's own."""

    seq: int
    from_user_id: int
    message: str
    sent_at: Time
    random_id: int | None = None


class History(Shape, frozen=True):
    """A stretch of a conversation, and how far each side has read."""

    messages: list[Message]
    my_read_seq: int
    their_read_seq: int | None


class Connection(Shape, frozen=True):
    """Someone the caller is connected with."""

    user: Card
    connected_at: Time
    last_message: Message | None
    unread: int
    their_read_seq: int | None


class Connections(Shape, frozen=True):
    """A page of connections, last activity first."""

    connections: list[Connection]
    cursor: str | None


class FunnelStep(Shape, frozen=True):
    """How many people are left after a filter, rounded to 10."""

    filter: str
    left: int


class Found(Shape, frozen=True, omit_defaults=True):
    """A page of people; `partial` when the server had to stop searching early; `loosen`: the filter that costs most."""

    users: list[Card]
    cursor: str | None
    distance_max: Kilometres | None
    partial: bool = False
    funnel: list[FunnelStep] | None = None
    loosen: FunnelStep | None = None


class LoggedEvent(Shape, frozen=True):
    """A push as the log keeps it."""

    event: str
    data: dict[str, Any]


class Synced(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """What came after a cursor; `resync` when that is too long ago and the state must be read anew."""

    events: list[LoggedEvent] | None = None
    cursor: int
    more: bool | None = None
    resync: bool = False


class Like(Shape, frozen=True):
    """Someone who likes the caller; `kind` is `like` or `request`."""

    user: Card
    kind: Wanting
    liked_at: Time


class Likes(Shape, frozen=True):
    """A page of people who like the caller and are not connected, newest first."""

    likes: list[Like]
    cursor: str | None


class Block(Shape, frozen=True):
    """Someone on the caller's black list, with the login of then."""

    user_id: int
    login: str
    blocked_at: Time


class Blocks(Shape, frozen=True):
    """A page of the caller's black list, newest first."""

    blocks: list[Block]
    cursor: str | None


class Visit(Shape, frozen=True):
    """Someone who looked at the caller's profile, and when last."""

    user: Card
    visited_at: Time


class Visits(Shape, frozen=True):
    """A page of the caller's visitors, newest first."""

    visits: list[Visit]
    cursor: str | None


class Notification(Shape, frozen=True):
    """Something that happened, `count` times since it was read last; nobody stands behind a `moderation`."""

    seq: int
    kind: Happening
    user: Card | None
    count: int
    at: Time
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
    """One of one's sessions; `current` is the one that asks."""

    session_id: str
    started_at: Time
    last_seen: Time
    agent: str
    current: bool


class Sessions(Shape, frozen=True):
    """One's live sessions, newest first."""

    sessions: list[SessionLine]


class Presence(Shape, frozen=True):
    """Whether somebody is here; null where that is unknown or hidden. `last_seen` is rounded down to 10 minutes."""

    online: bool | None
    last_seen: Time | None


class Watched(Shape, frozen=True):
    """How those stand who are watched from now on, by user id."""

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

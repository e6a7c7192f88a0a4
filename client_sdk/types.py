"""What the server answers, as frozen structs; fields that a newer server adds are ignored.

Written by `make generate`, from the shapes in server/wire/answers.py.
"""

from datetime import date, datetime
from typing import Any

import msgspec

from client_sdk.record import Keyed, Listing, Record


class Registered(Record, frozen=True, kw_only=True):
    """The id of an account."""

    user_id: int


class Photo(Record, frozen=True, kw_only=True):
    """A photo at 160, 480 and 1080 px (`small`, `medium`, `large`) and its thumbhash."""

    photo_id: str
    url: dict[str, str]
    hash: str | None = None


class Card(Record, frozen=True, kw_only=True):
    """A person in a list, as the caller may see them; `distance` in km, `score` 0–1 and its parts in `why`."""

    user_id: int
    login: str
    first_name: str
    age: int | None = None
    gender: str | None = None
    photo: Photo | None = None
    place: str | None = None
    distance: int | None = None
    fame: int | None = None
    common_tags: tuple[str, ...] = ()
    online: bool | None = None
    last_seen: datetime | None = None
    score: float | None = None
    why: dict[str, float] = msgspec.field(default_factory=dict)


class Message(Record, frozen=True, kw_only=True):
    """A message; `random_id` only on one's own."""

    seq: int
    from_user_id: int
    message: str
    sent_at: datetime
    random_id: int | None = None


class Connection(Record, frozen=True, kw_only=True):
    """Someone the caller is connected with."""

    user: Card
    connected_at: datetime
    last_message: Message | None = None
    unread: int = 0
    their_read_seq: int | None = None


class Connections(Listing[Connection], frozen=True, kw_only=True):
    """A page of connections, last activity first."""

    connections: tuple[Connection, ...]
    cursor: str | None = None


class Sent(Record, frozen=True, kw_only=True):
    """Where in the conversation a message stands, and since when."""

    seq: int
    sent_at: datetime


class History(Listing[Message], frozen=True, kw_only=True):
    """A stretch of a conversation, and how far each side has read."""

    messages: tuple[Message, ...]
    my_read_seq: int
    their_read_seq: int | None = None


class Notice(Record, frozen=True, kw_only=True):
    """Something that happened, `count` times since it was read last; nobody stands behind a `moderation`."""

    seq: int
    kind: str
    user: Card | None = None
    count: int = 1
    at: datetime
    read: bool = False


class Notices(Listing[Notice], frozen=True, kw_only=True):
    """A page of notifications, newest first, and how many are unread in all."""

    notifications: tuple[Notice, ...]
    unread: int
    cursor: str | None = None


class UnreadLeft(Record, frozen=True, kw_only=True):
    """How many notifications are still unread."""

    unread: int


class Place(Record, frozen=True, kw_only=True):
    """A town; `country` is its ISO 3166 code of two letters."""

    place_id: int
    name: str
    country: str


class Places(Listing[Place], frozen=True, kw_only=True):
    """Towns that begin alike, largest first."""

    places: tuple[Place, ...]


class Standing(Record, frozen=True, kw_only=True):
    """Whether somebody is here; None where that is unknown or hidden. `last_seen` is rounded down to 10 minutes."""

    online: bool | None = None
    last_seen: datetime | None = None


class Watched(Keyed[Standing], frozen=True, kw_only=True):
    """How those stand who are watched from now on, by user id."""

    presence: dict[str, Standing]


class OwnProfile(Record, frozen=True, kw_only=True):
    """One's own profile, as others may come to see it."""

    user_id: int
    login: str
    first_name: str
    last_name: str
    age: int | None = None
    gender: str | None = None
    description: str | None = None
    sex: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    photo: Photo | None = None
    photos: tuple[Photo, ...] = ()
    place: str | None = None
    fame: int | None = None


class Gps(Record, frozen=True, kw_only=True):
    """A position in degrees: the centre of the cell that is kept."""

    lat: float
    lon: float


class Wish(Record, frozen=True, kw_only=True):
    """Whom a person would like to meet; nobody else sees it."""

    age_min: int | None = None
    age_max: int | None = None
    distance_max: int | None = None


class Settings(Record, frozen=True, kw_only=True):
    """What others may see of one, and how one is told."""

    show_online: bool = True
    show_distance: bool = True
    read_receipts: bool = True
    mail_on: bool = True
    language: str = "en"


class Unread(Record, frozen=True, kw_only=True):
    """How much waits to be read."""

    messages: int = 0
    notifications: int = 0


class Me(OwnProfile, frozen=True, kw_only=True):
    """One's own profile, what only oneself sees of it, and the newest `cursor` of the log."""

    mail: str | None = None
    birth_date: date | None = None
    gps: Gps | None = None
    wish: Wish | None = None
    settings: Settings = Settings()
    unread: Unread = Unread()
    cursor: int


class Profile(Card, frozen=True, kw_only=True):
    """A person's page, as the caller may see it."""

    last_name: str
    description: str | None = None
    sex: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    photos: tuple[Photo, ...] = ()
    liked_me: bool = False
    liked: bool = False
    requested_me: bool = False
    requested: bool = False
    connected: bool = False


class Liked(Record, frozen=True, kw_only=True):
    """The like is noted; `connected` when it was mutual."""

    liked: bool
    connected: bool


class Requested(Record, frozen=True, kw_only=True):
    """The request is noted: `requested`, or `connected` when it was mutual."""

    state: str


class Like(Record, frozen=True, kw_only=True):
    """Someone who likes the caller; `kind` is `like` or `request`."""

    user: Card
    kind: str
    liked_at: datetime


class Likes(Listing[Like], frozen=True, kw_only=True):
    """A page of people who like the caller and are not connected, newest first."""

    likes: tuple[Like, ...]
    cursor: str | None = None


class Block(Record, frozen=True, kw_only=True):
    """Someone on the caller's black list, with the login of then."""

    user_id: int
    login: str
    blocked_at: datetime


class Blocks(Listing[Block], frozen=True, kw_only=True):
    """A page of the caller's black list, newest first."""

    blocks: tuple[Block, ...]
    cursor: str | None = None


class FunnelStep(Record, frozen=True, kw_only=True):
    """How many people are left after a filter, rounded to 10."""

    filter: str
    left: int


class Page(Listing[Card], frozen=True, kw_only=True):
    """A page of people; `partial` when the server had to stop searching early; `loosen`: the filter that costs most."""

    users: tuple[Card, ...]
    cursor: str | None = None
    distance_max: int | None = None
    partial: bool = False
    funnel: tuple[FunnelStep, ...] | None = None
    loosen: FunnelStep | None = None


class LoggedIn(Record, frozen=True, kw_only=True):
    """A new session: its `token`, until when, and where the log of pushes stands."""

    token: str
    user_id: int
    expires_at: datetime
    cursor: int


class SessionLine(Record, frozen=True, kw_only=True):
    """One of one's sessions; `current` is the one that asks."""

    session_id: str
    started_at: datetime
    last_seen: datetime
    agent: str = ""
    current: bool = False


class SessionList(Listing[SessionLine], frozen=True, kw_only=True):
    """One's live sessions, newest first."""

    sessions: tuple[SessionLine, ...]


class LoggedPush(Record, frozen=True, kw_only=True):
    """A push as the log keeps it."""

    event: str
    data: dict[str, Any]


class SyncPage(Listing[LoggedPush], frozen=True, kw_only=True):
    """What came after a cursor; `resync` when that is too long ago and the state must be read anew."""

    events: tuple[LoggedPush, ...] = ()
    cursor: int
    more: bool = False
    resync: bool = False


class TagCount(Record, frozen=True, kw_only=True):
    """A tag and how many use it."""

    tag: str
    count: int


class TagCounts(Listing[TagCount], frozen=True, kw_only=True):
    """Tags that begin alike, most used first."""

    tags: tuple[TagCount, ...]


class Visit(Record, frozen=True, kw_only=True):
    """Someone who looked at the caller's profile, and when last."""

    user: Card
    visited_at: datetime


class Visits(Listing[Visit], frozen=True, kw_only=True):
    """A page of the caller's visitors, newest first."""

    visits: tuple[Visit, ...]
    cursor: str | None = None

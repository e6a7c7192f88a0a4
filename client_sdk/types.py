"""What the server answers, as frozen structs; fields that a newer server adds are ignored."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of everything that comes in."""


class Listing(Record, Generic[T], frozen=True, kw_only=True):
    """An answer that can be read like the list which is its first field."""

    def _items(self) -> Sequence[T]:
        items: Sequence[T] = getattr(self, self.__struct_fields__[0])
        return items

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __getitem__(self, index: int) -> T:
        return self._items()[index]


# People


class Photo(Record, frozen=True, kw_only=True):
    """A photo at 160, 480 and 1080 px (`small`, `medium`, `large`) and its thumbhash."""

    photo_id: str
    url: dict[str, str]
    hash: str | None = None


class Card(Record, frozen=True, kw_only=True):
    """A person in a list, as the caller may see them; `distance` in km."""

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
    why: dict[str, float] = {}


class Profile(Card, frozen=True, kw_only=True):
    """A person's page, as the caller may see it."""

    last_name: str
    description: str | None = None
    sex: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    photos: tuple[Photo, ...] = ()
    liked_me: bool = False
    liked: bool = False
    requested_me: bool = False
    requested: bool = False
    connected: bool = False


class Gps(Record, frozen=True, kw_only=True):
    """A position in degrees."""

    lat: float
    lon: float


class Wish(Record, frozen=True, kw_only=True):
    """Whom a person would like to meet; nobody else sees it."""

    age_min: int | None = None
    age_max: int | None = None
    distance_max: int | None = None


class Unread(Record, frozen=True, kw_only=True):
    """How much waits to be read."""

    messages: int = 0
    notifications: int = 0


class OwnProfile(Record, frozen=True, kw_only=True):
    """One's own profile."""

    user_id: int
    login: str
    first_name: str
    last_name: str
    age: int | None = None
    gender: str | None = None
    description: str | None = None
    sex: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    photo: Photo | None = None
    photos: tuple[Photo, ...] = ()
    place: str | None = None
    fame: int | None = None


class Me(OwnProfile, frozen=True, kw_only=True):
    """One's own profile, what only oneself sees of it, and the newest cursor."""

    cursor: int
    mail: str | None = None
    birth_date: date | None = None
    gps: Gps | None = None
    wish: Wish | None = None
    settings: dict[str, Any] = {}
    unread: Unread = Unread()


# Accounts and sessions


class Registered(Record, frozen=True, kw_only=True):
    """The id of an account."""

    user_id: int


class LoggedIn(Record, frozen=True, kw_only=True):
    """A new session."""

    token: str
    user_id: int
    expires_at: datetime
    cursor: int


# Relations


class Liked(Record, frozen=True, kw_only=True):
    """The like is noted; `connected` when it was mutual."""

    liked: bool
    connected: bool


class Requested(Record, frozen=True, kw_only=True):
    """The request is noted: `state` is `requested`, or `connected` when it was mutual."""

    state: str


# Messages


class Sent(Record, frozen=True, kw_only=True):
    """Where in the conversation a message stands, and since when."""

    seq: int
    sent_at: datetime


class Message(Record, frozen=True, kw_only=True):
    """A message; `random_id` only on one's own."""

    seq: int
    from_user_id: int
    message: str
    sent_at: datetime
    random_id: int | None = None


class History(Listing[Message], frozen=True, kw_only=True):
    """A stretch of a conversation, and how far each side has read."""

    messages: tuple[Message, ...]
    my_read_seq: int
    their_read_seq: int | None = None


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


# Search


class FunnelStep(Record, frozen=True, kw_only=True):
    """How many people are left after a filter, rounded to 10."""

    filter: str
    left: int


class Page(Listing[Card], frozen=True, kw_only=True):
    """A page of people; `partial` when the server had to stop searching early."""

    users: tuple[Card, ...]
    cursor: str | None = None
    distance_max: int | None = None
    partial: bool = False
    funnel: tuple[FunnelStep, ...] | None = None


# The log


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

"""What the server tells without being asked: one struct for each push, by its name on the wire."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from client_sdk.errors import MatchaError
from client_sdk.record import Record
from client_sdk.types import Card, Message, OwnProfile, Settings

if TYPE_CHECKING:
    from client_sdk.client import Client
    from client_sdk.draft import Draft

log = logging.getLogger("client_sdk")


class Push(Record, frozen=True, kw_only=True, dict=True):
    """Any push; those of the log have `seq` (dense from 1 for each user) and `at`."""

    seq: int | None = None
    at: datetime | None = None


P = TypeVar("P", bound=type[Push])
PUSHES: dict[str, tuple[type[Push], str | None]] = {}


def push(event: str, *, within: str | None = None) -> Callable[[P], P]:
    """Register a struct for a push; `within` names the field that takes the whole data."""

    def register(kind: P) -> P:
        PUSHES[event] = kind, within
        return kind

    return register


@push("message/new")
class MessageNew(Push, frozen=True, kw_only=True):
    """A message in the conversation with `user_id`, theirs or one's own."""

    user_id: int
    message: Message

    @property
    def _client(self) -> "Client":
        client: Client = self.__dict__["client"]
        return client

    @property
    def mine(self) -> bool:
        """Whether one wrote it oneself, here or elsewhere."""
        return self.message.from_user_id != self.user_id

    def reply(self, text: str, random_id: int | None = None) -> "Draft":
        """Post a text to the other person, through the client that received this; see `message.post`.

        `event.reply(…)` puts it into the outbox, `await event.reply(…)` waits until it has arrived.
        """
        return self._client.message.post(self.user_id, text, random_id)

    async def read(self) -> None:
        """Say that one has read the conversation up to here. Raises NotFound, NotConnected."""
        await self._client.message.read(self.user_id, self.message.seq)

    async def typing(self) -> None:
        """Let the other person know that one is writing to them. Raises NotFound, NotConnected."""
        await self._client.message.typing(self.user_id)


@push("message/read")
class MessageRead(Push, frozen=True, kw_only=True):
    """`by` has read the conversation with `user_id` up to `read_seq`."""

    user_id: int
    by: int
    read_seq: int


@push("message/typing")
class MessageTyping(Push, frozen=True, kw_only=True):
    """The other person is writing."""

    user_id: int


@push("notification")
class Notification(Push, frozen=True, kw_only=True):
    """Something happened: a like, a request, a match, a visit, a nudge, a message."""

    kind: str
    user: Card | None = None
    count: int = 1


@push("notifications/read")
class NotificationsRead(Push, frozen=True, kw_only=True):
    """Another socket of one's own has read the notifications."""

    up_to: int
    unread: int


@push("connection")
class ConnectionChanged(Push, frozen=True, kw_only=True):
    """A connection began (`connected`, with the person's card) or ended (`closed`)."""

    user_id: int
    state: str
    user: Card | None = None


@push("profile/changed", within="profile")
class ProfileChanged(Push, frozen=True, kw_only=True):
    """One's own profile was changed."""

    profile: OwnProfile


@push("settings/changed", within="settings")
class SettingsChanged(Push, frozen=True, kw_only=True):
    """One's own settings were changed."""

    settings: Settings


@push("relation/changed")
class RelationChanged(Push, frozen=True, kw_only=True):
    """One's own attitude to someone was changed."""

    user_id: int
    liked: bool = False
    passed: bool = False
    blocked: bool = False


@push("presence")
class Presence(Push, frozen=True, kw_only=True):
    """A watched person came or went; None where they hide it."""

    user_id: int
    online: bool | None = None
    last_seen: datetime | None = None


@push("void")
class Void(Push, frozen=True, kw_only=True):
    """What was here may no longer be seen."""


@push("goodbye")
class Goodbye(Push, frozen=True, kw_only=True):
    """The server is about to close this connection; the client comes back by itself unless the session ended."""

    reason: str
    retry_after: float | None = None


class Unknown(Push, frozen=True, kw_only=True):
    """A push of a newer server."""

    event: str
    data: Any


class Resync(Push, frozen=True, kw_only=True):
    """Made here: too much was missed to be told one by one; read the state anew, pushes go on after `cursor`."""

    cursor: int


class DraftRefused(Push, frozen=True, kw_only=True):
    """Made here: what was posted to `user_id` will not arrive, and is out of the outbox; `error` says why."""

    user_id: int
    text: str
    random_id: int
    error: MatchaError


def parse(event: str, data: Any) -> Push:
    """Return the push that came as `event`; what cannot be understood becomes Unknown."""
    if event not in PUSHES:
        return Unknown(event=event, data=data, seq=seq_of(data))
    kind, within = PUSHES[event]
    try:
        return msgspec.convert(data if within is None else _wrapped(data, within), kind)
    except (msgspec.ValidationError, TypeError, AttributeError) as error:
        log.warning("The push %s is not understood: %s", event, error)
        return Unknown(event=event, data=data, seq=seq_of(data))


def _wrapped(data: dict[str, Any], within: str) -> dict[str, Any]:
    place = {name: data[name] for name in ("seq", "at") if name in data}
    return place | {within: {name: value for name, value in data.items() if name not in place}}


def seq_of(data: Any) -> int | None:
    """Return the place in the log, or None for a push that is not in it."""
    seq = data.get("seq") if isinstance(data, dict) else None
    return seq if isinstance(seq, int) else None

"""Feed: what one signed-in connection has been sent, and what it watches."""

import asyncio
from collections import deque
from typing import NamedTuple

from server.context import Log, Session
from server.socket.attendance import Seat
from server.socket.connection import Connection
from server.wire.answers import Presence
from server.wire.pushes import Push


class Ahead(NamedTuple):
    """A push that is kept until its turn comes, and how often something had left the user's sight when it was made."""

    seq: int
    sight_epoch: int
    push: Push
    frame: bytes


class Feed:
    """One signed-in connection: what it has been sent (`cursor`) and what there is (`target`)."""

    def __init__(self, connection: Connection, session: Session, user: "User", log: Log, seat: Seat) -> None:
        self.connection = connection
        self.session = session
        self.user = user
        self.seat = seat
        self.cursor = log.last_seq
        """The last number sent."""
        self.target = log.last_seq
        """The newest number that is known of."""
        self.catching_up: asyncio.Task[bool] | None = None
        self.ahead: deque[Ahead] = deque()
        """What came live while the log was read, in order: it need not be read from there."""
        self.watch: Watch | None = None

    @property
    def newest_ahead(self) -> int:
        """The number of the last push that came live before its turn; 0 if none did."""
        return self.ahead[-1].seq if self.ahead else 0

    def missing(self, most: int) -> int:
        """Return how many entries have to be read from the log until what came live follows."""
        return max(1, min(most, self.ahead[0].seq - self.cursor - 1)) if self.ahead else most


class Watch:
    """The people whose coming and going a feed is told of, and what it was told last; the next watch replaces it."""

    def __init__(self, feed: Feed, told: dict[int, Presence]) -> None:
        self.feed = feed
        self.told = told


class User:
    """A user who is connected to this process."""

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.feeds: dict[str, Feed] = {}
        self.generation = 0
        """Grows when the user may see less from now on: what was rendered before is thrown away."""

    def sees_less(self) -> None:
        """Throw away what was rendered."""
        self.generation += 1
        for feed in self.feeds.values():
            feed.ahead.clear()

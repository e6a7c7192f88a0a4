"""Hints: "there is something new for this user", from process to process. The log is the truth; a lost hint heals."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

log = structlog.get_logger("hints")

_MOST_WAITING = 10_000
_BATCH = 500
_SILENCE = 10.0
"""Seconds without a message after which the connection is tried."""
_RETRY = 0.5
"""Seconds between two tries to reach Redis."""


class Hints:
    """One channel a user: a process listens to those who are connected to it, and to no others."""

    def __init__(self, redis: Redis, listener: Redis, *, process: str) -> None:
        self._redis = redis
        self._listener = listener
        self._process = process
        self._pubsub: PubSub | None = None
        self._wanted: set[int] = set()
        self._heard: set[int] = set()
        self._changed = asyncio.Event()
        self._waiting: dict[int, None] = {}
        self._something = asyncio.Event()
        self.on_hint: Callable[[int], None] = lambda user_id: None
        self.on_gap: Callable[[], None] = lambda: None

    def listen(self, user_id: int) -> None:
        """Hear of this user from now on."""
        self._wanted.add(user_id)
        self._changed.set()

    def ignore(self, user_id: int) -> None:
        """Hear no more of this user."""
        self._wanted.discard(user_id)
        self._changed.set()

    def give(self, user_id: int) -> None:
        """Tell the other processes, soon; many for one user become one, and too many are dropped."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting[user_id] = None
            self._something.set()

    async def run(self) -> None:
        """Give and hear until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._give())
            group.create_task(self._follow())
            group.create_task(self._hear())

    async def _give(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                users = [self._waiting.popitem()[0] for _ in range(min(_BATCH, len(self._waiting)))]
                try:
                    async with self._redis.pipeline(transaction=False) as pipeline:
                        for user_id in users:
                            pipeline.publish(_channel(user_id), self._process)
                        await pipeline.execute()
                except (RedisError, OSError):
                    self._waiting.clear()

    async def _follow(self) -> None:
        """Bring the subscriptions in line with who is connected; after a fault `_hear` begins anew with all."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            more, fewer = self._wanted - self._heard, self._heard - self._wanted
            if self._pubsub is None or not (more or fewer):
                continue
            self._heard = set(self._wanted)
            with contextlib.suppress(RedisError, OSError):
                if more:
                    await self._pubsub.subscribe(*map(_channel, more))
                if fewer:
                    await self._pubsub.unsubscribe(*map(_channel, fewer))

    async def _hear(self) -> None:
        lost = False
        while True:
            try:
                async with self._listener.pubsub() as pubsub:
                    self._heard = set(self._wanted)
                    await pubsub.subscribe(f"process:{self._process}", *map(_channel, self._heard))
                    self._pubsub = pubsub
                    self._changed.set()
                    if lost:
                        log.info("hints.back")
                    lost = False
                    self.on_gap()
                    await self._listen_to(pubsub)
            except (RedisError, OSError) as fault:
                self._pubsub = None
                if lost:
                    await asyncio.sleep(_RETRY)
                else:
                    log.warning("hints.lost", reason=str(fault))
                lost = True

    async def _listen_to(self, pubsub: PubSub) -> None:
        """Hand on hints; a connection that answers no ping is given up, so that no process stays deaf unnoticed."""
        pinged = False
        while True:
            message = await pubsub.get_message(timeout=_SILENCE)
            if message is None and pinged:
                raise RedisConnectionError("no answer to a ping")
            if message is None:
                await pubsub.ping()
            elif message["type"] == "message" and message["data"] != self._process:
                self.on_hint(int(message["channel"].removeprefix("hint:")))
            pinged = message is None


def _channel(user_id: int) -> str:
    return f"hint:{user_id}"

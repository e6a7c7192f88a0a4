"""Hints from process to process, each of which may be lost: "there is something new for this user", and the log knows
what, or here it is; a whisper, which no log keeps; "this person came or went"; "this socket is one too many"."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from server.tally import SIZES, Histogram

log = structlog.get_logger("hints")

_MOST_WAITING = 10_000
_BATCH = 500
_LARGEST = 4096
"""Bytes of a whisper, and of a push that is sent along."""
_EVERYBODY = "processes"
"""What every process listens to, so that each learns whether there are others."""
_SILENCE = 10.0
"""Seconds without a message after which the connection is tried."""
_PUBLISH = """
for at = 1, #ARGV, 3 do
    if redis.call('PUBSUB', 'NUMSUB', ARGV[at])[2] > tonumber(ARGV[at + 2]) then
        redis.call('PUBLISH', ARGV[at], ARGV[at + 1])
    end
end
return redis.call('PUBSUB', 'NUMSUB', 'processes')[2]
"""
"""Many at once, and nothing to where nobody else would hear it: most people are connected to one process."""
_RETRY = 0.5
"""Seconds between two tries to reach Redis."""


class Hints:
    """One channel a user: a process listens to those who are connected to it or watched from it, and to no others."""

    def __init__(self, redis: Redis, listener: Redis, *, process: str) -> None:
        self.process = process
        """The name of this process."""
        self._redis = redis
        self._listener = listener
        self._pubsub: PubSub | None = None
        self._wanted = {f"process:{process}", _EVERYBODY}
        self.is_alone = False
        """No other process listens, as far as is known."""
        self._heard: set[str] = set()
        self._to_follow: set[str] = set()
        self._confirmed: set[str] = set()
        """What Redis has said that it sends us."""
        self._changed = asyncio.Event()
        self._waiting: dict[tuple[str, str], None] = {}
        self._something = asyncio.Event()
        self.counts: Counter[str] = Counter()
        """How many messages so far were given, heard, or dropped since too many waited or Redis was down."""
        self.reconnects = 0
        """How often the connection that hears was lost and is there again."""
        self.batches = Histogram(SIZES)
        """How many messages went to Redis at a time."""
        self.on_hint: Callable[[int], None] = lambda user_id: None
        self.on_push: Callable[[int, int, int, list[int], str], None] = lambda user_id, seq, sight, push, frame: None
        self.on_whisper: Callable[[int, str, dict[str, Any]], None] = lambda user_id, name, data: None
        self.on_presence: Callable[[int], None] = lambda user_id: None
        self.on_evicted: Callable[[str], None] = lambda sid: None
        self.on_gap: Callable[[], None] = lambda: None
        self.loops = (self._give, self._follow, self._hear)

    @property
    def waiting(self) -> int:
        """How many messages are still to be given."""
        return len(self._waiting)

    # -- to hear ---------------------------------------------------------------------------------------------------

    def listen(self, user_id: int) -> None:
        """Hear what is new for this user from now on."""
        self._want(f"hint:{user_id}")

    def ignore(self, user_id: int) -> None:
        """Hear no more of that."""
        self._want_not(f"hint:{user_id}")

    def watch(self, user_id: int) -> None:
        """Hear when this person comes and goes; `on_presence` says too when that begins, for one look at how it is."""
        self._want(f"presence:{user_id}")

    def unwatch(self, user_id: int) -> None:
        """Hear no more of that."""
        self._want_not(f"presence:{user_id}")

    def _want(self, channel: str) -> None:
        self._wanted.add(channel)
        self._to_follow.add(channel)
        self._changed.set()

    def _want_not(self, channel: str) -> None:
        self._wanted.discard(channel)
        self._to_follow.add(channel)
        self._changed.set()

    # -- to give ---------------------------------------------------------------------------------------------------

    def give(self, user_id: int) -> None:
        """Tell the other processes, soon, that there is something new for this user."""
        self._publish(f"hint:{user_id}", self.process)

    def bring(self, user_id: int, seq: int, sight_epoch: int, push: tuple[int, ...], frame: bytes) -> None:
        """Tell it, and bring along what it is; where nobody else listens, or it is long, telling is enough."""
        if self.is_alone or len(frame) > _LARGEST:
            self.give(user_id)
        else:
            text = msgspec.json.encode(["push", seq, sight_epoch, push, frame.decode()]).decode()
            self._publish(f"hint:{user_id}", f"{self.process} {text}")

    def whisper(self, user_id: int, name: str, data: dict[str, Any]) -> None:
        """Have a push that is in no log sent by the other processes."""
        text = msgspec.json.encode(["whisper", name, data]).decode()
        if len(text) <= _LARGEST:
            self._publish(f"hint:{user_id}", f"{self.process} {text}")

    def announce(self, user_id: int) -> None:
        """Have those who watch this person look again, here too."""
        self._publish(f"presence:{user_id}", "")

    def evict(self, process: str, sid: str) -> None:
        """Have another process close one of its sockets."""
        self._publish(f"process:{process}", sid)

    def _publish(self, channel: str, text: str) -> None:
        """Many that are the same become one, and too many are dropped."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting[channel, text] = None
            self._something.set()
        else:
            self.counts["dropped"] += 1

    async def _give(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                batch = list(islice(self._waiting, _BATCH))
                for one in batch:
                    del self._waiting[one]
                try:
                    processes = await self._redis.eval(_PUBLISH, 0, *self._others(batch))
                except (RedisError, OSError):
                    self.counts["dropped"] += len(batch) + len(self._waiting)
                    self._waiting.clear()
                else:
                    self.is_alone = processes <= (_EVERYBODY in self._confirmed)
                    self.counts["given"] += len(batch)
                    self.batches.note(len(batch))

    def _others(self, batch: list[tuple[str, str]]) -> Iterator[str | int]:
        """Return channel, text and how many of those who hear it are this process itself."""
        for channel, text in batch:
            yield from (channel, text, int(text.startswith(self.process) and channel in self._confirmed))

    async def _follow(self) -> None:
        """Bring the subscriptions in line with who is connected; after a fault `_hear` begins anew with all."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._pubsub is None:
                continue
            channels, self._to_follow = self._to_follow, set()
            more, fewer = (channels & self._wanted) - self._heard, (channels & self._heard) - self._wanted
            self._heard |= more
            self._heard -= fewer
            self._confirmed -= fewer
            with contextlib.suppress(RedisError, OSError):
                if more:
                    await self._pubsub.subscribe(*more)
                if fewer:
                    await self._pubsub.unsubscribe(*fewer)

    async def _hear(self) -> None:
        lost = False
        while True:
            try:
                async with self._listener.pubsub() as pubsub:
                    self._heard = set(self._wanted)
                    await pubsub.subscribe(*self._heard)
                    self._pubsub = pubsub
                    self._changed.set()
                    if lost:
                        self.reconnects += 1
                        log.info("hints.back")
                    lost = False
                    self.on_gap()
                    await self._listen_to(pubsub)
            except (RedisError, OSError) as fault:
                self._pubsub = None
                self._confirmed.clear()
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
            elif message["type"] in ("message", "subscribe"):
                if message["type"] == "subscribe" and message["channel"] in self._heard:
                    self._confirmed.add(message["channel"])
                kind, _, id = message["channel"].partition(":")
                self._hand_on(kind, id, message["data"] if message["type"] == "message" else None)
            pinged = message is None

    def _hand_on(self, kind: str, id: str, text: str | None) -> None:
        """Hand on what was heard; None: nothing yet, listening has begun."""
        self.counts["heard"] += text is not None
        if kind == "presence":
            self.on_presence(int(id))
        elif text is None:
            return
        elif kind == "process":
            self.on_evicted(text)
        else:
            process, _, brought = text.partition(" ")
            if process != self.process:
                self._hand_on_hint(int(id), brought)

    def _hand_on_hint(self, user_id: int, brought: str) -> None:
        what, *rest = msgspec.json.decode(brought) if brought else [""]
        if what == "push":
            self.on_push(user_id, *rest)
        elif what == "whisper":
            self.on_whisper(user_id, *rest)
        else:
            self.on_hint(user_id)

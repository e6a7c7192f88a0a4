"""Presence: who is here, in Redis; what is lost there comes back with the next signs of life.

One sorted set a person. Its members are what makes them here, each with the time until which it does: sockets,
`here:<session>` (said by `user/set_online`), `lately` (a socket left a moment ago); `away` outweighs them all.
Another one, `here`, has all people who may be here, with the time until which they may: nobody else is.
Whether a time has passed is decided by those who read it: Redis's own events of expiry come late, or never.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.clock import Clock
from server.config import Config
from server.ephemeral.crowd import Crowd
from server.wire.errors import Unavailable

_AWAY, _LATELY, _HERE = "away", "lately", "here:"
_ALL = "here"
# KEYS: one or many people. ARGV: now, a member that goes, until when, milliseconds to keep it all; then for each key a
# member that comes. That somebody is here who was not is told on the channel that is named like the key.
# Replies with all members of the last key.
_COME = """
redis.call('ZREMRANGEBYSCORE', 'here', '-inf', ARGV[1])
local function is_here(key)
  return not redis.call('ZSCORE', key, 'away') and redis.call('ZCOUNT', key, '(' .. ARGV[1], '+inf') > 0
end
for number, key in ipairs(KEYS) do
  local was_here = is_here(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[1])
  redis.call('ZREM', key, ARGV[2])
  redis.call('ZADD', key, ARGV[3], ARGV[4 + number])
  redis.call('PEXPIRE', key, ARGV[4])
  redis.call('ZADD', 'here', 'GT', ARGV[3], string.sub(key, #'presence:' + 1))
  if not was_here and is_here(key) then redis.call('PUBLISH', key, '') end
end
return redis.call('ZRANGE', KEYS[#KEYS], 0, -1)
"""
# KEYS: many people. Replies with what holds each of them longest and until when, one after another; '' for nobody's.
_TOPS = """
local tops = {}
for number, key in ipairs(KEYS) do
  local top = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  tops[2 * number - 1], tops[2 * number] = top[1] or '', top[2] or ''
end
return tops
"""
# ARGV: a member that goes, until when its person still counts, milliseconds to keep it all.
_LEAVE = """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], 'lately')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', 'here', 'GT', ARGV[2], string.sub(KEYS[1], #'presence:' + 1))
"""
# ARGV: milliseconds to keep it all.
_STAY_AWAY = """
redis.call('ZADD', KEYS[1], '+inf', 'away')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
# ARGV: how the members begin that go, and one that stays all the same.
_TAKE_BACK = """
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(member, 1, #ARGV[1]) == ARGV[1] and member ~= ARGV[2] then redis.call('ZREM', KEYS[1], member) end
end
"""


class Top(NamedTuple):
    """What holds a person longest, and until when; the default is nobody's."""

    member: str = ""
    until: float = 0.0

    @property
    def is_away(self) -> bool:
        """Tell whether the person wants to count as not here."""
        return self.member == _AWAY

    @property
    def is_socket(self) -> bool:
        """Tell whether it is a socket, so that there is a process which knows when it ends."""
        return self.member.count(":") == 2


class Here(NamedTuple):
    """How many people may be here, and who, if that was not too many to be told."""

    people: int
    user_ids: tuple[int, ...] | None


class Socket(NamedTuple):
    """A socket as a member of its person's set; the oldest sorts first."""

    came_at: float
    process: str
    sid: str

    @property
    def member(self) -> str:
        """The text that stands for it."""
        return f"{self.came_at:.3f}:{self.process}:{self.sid}"

    @classmethod
    def list_in(cls, members: Iterable[str]) -> list["Socket"]:
        """Return the sockets among members, oldest first."""
        parts = [member.split(":") for member in members if member.count(":") == 2]
        return sorted(cls(float(came_at), process, sid) for came_at, process, sid in parts)


class Presence:
    """Knows who is here, and takes down what people say of it themselves."""

    def __init__(self, redis: Redis, clock: Clock, config: Config, *, process: str) -> None:
        options, longest_silence = config.presence, config.socket.ping_interval + config.socket.ping_timeout
        self.process = process
        """The name of this process."""
        self._redis = redis
        self._clock = clock
        self._options = options
        self._timeout = config.redis.timeout
        self._life = max(options.ttl, options.renew + longest_silence)
        self._kept = int(1000 * max(self._life, options.online))
        self._said_here = Crowd(self._take_down)
        self.is_down = False
        """Whether Redis was out of reach when last tried."""
        self.away: set[int] = set()
        """Who is away, of those of whom this process knows it."""
        self.leaving: dict[int, float] = {}
        """Who may turn out to be gone, and when to look."""
        self.came: set[int] = set()
        """Who has come, and is not yet known in the database to be here."""

    async def online(self, user_ids: list[int]) -> set[int] | None:
        """Return who of these people is here, whether they show it or not; None when that can't be known now."""
        try:
            tops = await self.list_tops(user_ids)
        except Unavailable:
            return None
        now = self._clock.time()
        return {user_id for user_id, top in tops.items() if top.until > now and not top.is_away}

    async def list_here(self, most: int) -> Here:
        """Return all who may be here, if they are not more than so many; nobody else is. Raises Unavailable."""
        after_now = f"({self._clock.time()}"
        async with self.pipeline() as pipeline:
            pipeline.zcount(_ALL, after_now, "+inf")
            pipeline.zrange(_ALL, after_now, "+inf", byscore=True, offset=0, num=most + 1)
            people, found = await pipeline.execute()
        return Here(people, None if len(found) > most else tuple(map(int, found)))

    async def list_tops(self, user_ids: list[int]) -> dict[int, Top]:
        """Return what holds each of these people longest. Raises Unavailable."""
        if not user_ids:
            return {}
        async with self.pipeline() as pipeline:
            pipeline.eval(_TOPS, len(user_ids), *map(_key, user_ids))
            [found] = await pipeline.execute()
        tops = zip(user_ids, found[::2], found[1::2], strict=True)
        return {user_id: Top(member, float(until)) if member else Top() for user_id, member, until in tops}

    async def set_online(self, user_id: int, session_id: str) -> None:
        """Be here for a while, with a socket or without, and no longer away. Raises Unavailable."""
        await self._said_here.join((user_id, session_id))
        self.away.discard(user_id)
        self.came.add(user_id)
        self.leaving[user_id] = self._clock.time() + self._options.online

    async def _take_down(self, said: list[tuple[int, str]]) -> None:
        """So many say at once that they are here: one script does for all."""
        until = self._clock.time() + self._options.online
        async with self.pipeline() as pipeline:
            self._come(pipeline, [(user_id, _HERE + session_id) for user_id, session_id in said], until, leaves=_AWAY)
            await pipeline.execute()

    async def set_offline(self, user_id: int) -> bool:
        """Be away until the next socket or `set_online`; tell whether one was here until now. Raises Unavailable."""
        async with self.pipeline() as pipeline:
            pipeline.zrange(_key(user_id), 0, 0, desc=True, withscores=True)
            self.take_back(pipeline, user_id)
            self.stay_away(pipeline, user_id)
            [top, *_] = await pipeline.execute()
        self.away.add(user_id)
        self.leaving.pop(user_id, None)
        was = Top(*top[0]) if top else Top()
        return was.until > self._clock.time() and not was.is_away

    # -- for those who know the sockets: each adds one command to a pipeline ---------------------------------------

    def arrive(self, pipeline: Any, user_id: int, socket: Socket) -> None:
        """Somebody has a new socket and is no longer away. Replies with all members."""
        self._come(pipeline, [(user_id, socket.member)], self._clock.time() + self._life, leaves=_AWAY)

    def renew(self, pipeline: Any, user_id: int, socket: Socket) -> None:
        """A socket is still there. Replies with all members."""
        self._come(pipeline, [(user_id, socket.member)], self._clock.time() + self._life)

    def leave(self, pipeline: Any, user_id: int, socket: Socket) -> None:
        """A socket is gone; its person may be on the way back, and counts as here for a moment."""
        until = self._clock.time() + self._options.patience
        pipeline.eval(_LEAVE, 1, _key(user_id), socket.member, until, self._kept)

    def remove(self, pipeline: Any, user_id: int, socket: Socket) -> None:
        """A socket counts no longer, from now on."""
        pipeline.zrem(_key(user_id), socket.member)

    def take_back(self, pipeline: Any, user_id: int, session_id: str = "", *, keep: str | None = None) -> None:
        """What was said in a session, or in all but one, holds no longer."""
        pipeline.eval(_TAKE_BACK, 1, _key(user_id), _HERE + session_id, f"{_HERE}{keep}")

    def stay_away(self, pipeline: Any, user_id: int) -> None:
        """Somebody is away."""
        pipeline.eval(_STAY_AWAY, 1, _key(user_id), self._kept)

    def sign(self, pipeline: Any) -> None:
        """Leave a sign of this process. Replies with the one before; None means that Redis has forgotten everything."""
        pipeline.set(f"process:{self.process}", "here", px=self._kept, get=True)

    def _come(self, pipeline: Any, coming: list[tuple[int, str]], until: float, *, leaves: str = "") -> None:
        keys, members = [_key(user_id) for user_id, _ in coming], [member for _, member in coming]
        pipeline.eval(_COME, len(keys), *keys, self._clock.time(), leaves, until, self._kept, *members)

    @asynccontextmanager
    async def pipeline(self, *, try_again: bool = False) -> AsyncIterator[Any]:
        """Send many commands in one round trip; when Redis was out of reach, only with `try_again`.

        Scripts go as a whole: in a pipeline, one that Redis has forgotten could not be given again. Raises Unavailable.
        """
        if self.is_down and not try_again:
            raise Unavailable
        try:
            async with asyncio.timeout(self._timeout), self._redis.pipeline(transaction=False) as pipeline:
                yield pipeline
        except (RedisError, OSError) as fault:  # a timeout is an OSError too
            self.is_down = True
            raise Unavailable from fault
        self.is_down = False


def is_away(members: Iterable[str]) -> bool:
    """Tell from all members of a set whether its person is away."""
    return _AWAY in members


def _key(user_id: int) -> str:
    return f"presence:{user_id}"

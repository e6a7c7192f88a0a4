"""Windows: exact counts of what happened lately, shared by all processes. When Redis is down they are closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.clock import Clock, Ids
from server.wire.errors import RateLimited, Unavailable

_HIT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return tostring(oldest[2] + ARGV[2] - ARGV[1])
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] * 1000))
return '0'
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing counted in a window; it can be taken back."""

    key: str
    member: str


class Windows:
    """Sliding windows over sorted sets: the score is the time, the member the thing counted."""

    def __init__(self, redis: Redis, clock: Clock, ids: Ids, *, timeout: float) -> None:
        self._redis = redis
        self._timeout = timeout
        self._clock = clock
        self._ids = ids
        self._hit = redis.register_script(_HIT)

    async def hit(self, key: str, *, name: str = "", limit: int, window: float) -> Hit:
        """Count one more in the last `window` seconds. Raises RateLimited when full, Unavailable without Redis.

        `name` is what the limit is called where nobody may learn whom it was for.
        """
        if limit <= 0:
            raise RateLimited(window, limit=name)
        member = self._ids.token()
        async with self._open():
            wait = float(await self._hit(keys=[f"window:{key}"], args=[self._clock.time(), window, limit, member]))
        if wait > 0:
            raise RateLimited(wait, limit=name)
        return Hit(f"window:{key}", member)

    async def take_back(self, *hits: Hit) -> None:
        """Uncount what turned out not to count."""
        async with self._open(), self._redis.pipeline(transaction=False) as pipeline:
            for hit in hits:
                pipeline.zrem(hit.key, hit.member)
            await pipeline.execute()

    async def remember(self, key: str, *, seconds: int) -> None:
        """Note a fact for a while."""
        async with self._open():
            await self._redis.set(f"known:{key}", "1", ex=seconds)

    async def is_remembered(self, key: str) -> bool:
        """Tell whether a fact was noted and still holds."""
        async with self._open():
            return bool(await self._redis.exists(f"known:{key}"))

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        """What cannot be counted in time is refused. Raises Unavailable."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (RedisError, OSError) as fault:  # a timeout is an OSError too
            raise Unavailable from fault

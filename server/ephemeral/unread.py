"""Unread: how much waits for somebody, kept in Redis for as long as it holds. MySQL knows it too, only slower."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.wire.answers import Unread

_KEPT_FOR = 300
_PATIENCE = 0.2
"""Seconds to wait for Redis: longer, and counting anew is faster."""
_REST = 1.0
"""Seconds to leave Redis alone after it did not answer."""


class Counters:
    """What was counted, with the version of the user's log that it was counted from: of any other it says nothing.

    So nothing has to be taken out when something changes, and a counter can't be wrong unseen.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._rest_until = 0.0

    async def get(self, user_id: int, version: str) -> Unread | None:
        """Return what was counted from this very version, if Redis has it."""
        kept = await self._ask(lambda: self._redis.get(_key(user_id)))
        counted_from, *counters = (kept or "").split() or [""]
        if counted_from != version:
            return None
        messages, notifications = map(int, counters)
        return Unread(messages=messages, notifications=notifications)

    async def put(self, user_id: int, version: str, unread: Unread) -> None:
        """Keep what was counted; the version was read before that."""
        kept = f"{version} {unread.messages} {unread.notifications}"
        await self._ask(lambda: self._redis.set(_key(user_id), kept, ex=_KEPT_FOR))

    async def _ask(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        clock = asyncio.get_running_loop().time
        if clock() < self._rest_until:
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return await ask()
        except (RedisError, OSError):  # a timeout is an OSError too
            self._rest_until = clock() + _REST
            return None


def _key(user_id: int) -> str:
    return f"unread:{user_id}"

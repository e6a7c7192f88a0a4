"""Health: whether this process can serve right now."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.logs import reason
from server.socket.dispatch import Dispatcher
from sql.database import Database
from sql.migration import newest

log = structlog.get_logger("health")


class Health:
    """Asks each dependency, so that a balancer can send people elsewhere."""

    def __init__(self, database: Database, redis: Redis, dispatcher: Dispatcher) -> None:
        self._database = database
        self._redis = redis
        self._dispatcher = dispatcher
        self._asking: asyncio.Future[tuple[bool, bool]] | None = None

    async def check(self) -> dict[str, bool]:
        """Return what works: the database with its schema, Redis, and that no end is planned.

        Anybody may ask: those who do so at a time share one look.
        """
        if self._asking is None:
            self._asking = asyncio.gather(self._has_schema(), self._has_redis())
            self._asking.add_done_callback(self._answered)
        database, redis = await asyncio.shield(self._asking)
        return {"database": database, "redis": redis, "serving": not self._dispatcher.draining}

    def _answered(self, _: object) -> None:
        self._asking = None

    async def _has_schema(self) -> bool:
        try:
            [(version,)] = await self._database.fetch("SELECT MAX(version) FROM migration")
        except Exception as fault:  # whatever keeps us from reading it, we cannot serve
            log.warning("health.database", reason=reason(fault) or type(fault).__name__, seldom=True)
            return False
        return bool(version == newest())

    async def _has_redis(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError) as fault:
            log.warning("health.redis", reason=reason(fault) or type(fault).__name__, seldom=True)
            return False

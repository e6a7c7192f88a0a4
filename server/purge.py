"""Purge: what people were told long ago goes from their logs, by age and by number; who asks for it reads all anew."""

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from server.context import Services
from sql import sync
from sql.database import DatabaseDown
from sql.sync import Old
from sql.transaction import CommitUnknown

log = structlog.get_logger("purge")

_PEOPLE = 1000
"""Logs that are looked at in one go."""
_STEP = 1000
"""Entries of one person that go at a time, so that nobody who is told something waits for long."""


class Purge:
    """Looks at all logs now and then; several processes that do so are not in each other's way."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._options = services.config.delivery

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                if dropped := await self._look_at_all():
                    log.info("log.purged", count=dropped)
            except (DatabaseDown, CommitUnknown) as fault:
                log.warning("purge.unavailable", reason=str(fault))
            await asyncio.sleep(self._options.purge)

    async def _look_at_all(self) -> int:
        """Return how many entries went."""
        after, dropped = 0, 0
        while last := await self._services.read(partial(sync.end_of_page, after=after, limit=_PEOPLE)):
            for one in await self._list_old(after, last):
                dropped += await self._purge(one)
            after = last
        return dropped

    async def _list_old(self, after: int, last: int) -> list[Old]:
        until, keep = self._services.clock.now() - timedelta(days=self._options.keep_days), self._options.keep
        return await self._services.read(
            partial(sync.list_old, after=after, last=last, until=until, keep=keep, step=_STEP)
        )

    async def _purge(self, one: Old) -> int:
        """Drop what is too old or too much of one person, step by step, and return how much that was."""
        begun = one.purged_seq
        while True:
            up_to = self._up_to(one)
            await self._services.transact(partial(sync.purge, user_id=one.user_id, up_to=up_to))
            left = await self._list_old(one.user_id - 1, one.user_id)
            if not left:
                return up_to - begun
            [one] = left

    def _up_to(self, one: Old) -> int:
        too_much = min(one.last_seq - self._options.keep, one.purged_seq + _STEP)
        return max(too_much, one.too_old or 0)

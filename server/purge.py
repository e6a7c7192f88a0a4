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

_PEOPLE = 100
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
        while people := await self._list_old(after, _PEOPLE):
            for one in people:
                dropped += await self._purge(one)
            after = people[-1].user_id
        return dropped

    async def _list_old(self, after: int, limit: int) -> list[Old]:
        until = self._services.clock.now() - timedelta(days=self._options.keep_days)
        return await self._services.read(partial(sync.list_old, after=after, until=until, step=_STEP, limit=limit))

    async def _purge(self, one: Old) -> int:
        """Drop what is too old or too much of one person, step by step, and return how much that was."""
        begun = one.purged_seq
        while (up_to := self._up_to(one)) > one.purged_seq:
            await self._services.transact(partial(sync.purge, user_id=one.user_id, up_to=up_to))
            [one] = await self._list_old(one.user_id - 1, 1)
        return one.purged_seq - begun

    def _up_to(self, one: Old) -> int:
        too_much = min(one.last_seq - self._options.keep, one.purged_seq + _STEP)
        return max(too_much, one.too_old or 0)

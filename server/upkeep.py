"""Upkeep: what search goes by is kept as it should be: candidates, the sample of them, yesterday's fame."""

import asyncio
from functools import partial

import structlog

from handlers.matching.fame import fame_of
from server.context import Services
from sql import candidate, popularity
from sql.database import DatabaseDown
from sql.transaction import CommitUnknown, Tx

log = structlog.get_logger("upkeep")

_BATCH = 100
_FILL = 1000


class Upkeep:
    """Looks after it now and then; several processes that do so are not in each other's way."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def begin(self) -> None:
        """Make the candidates of a database that knew none, and draw the sample."""
        if not await self._services.read(candidate.is_whole):
            await self._fill()
        await self._services.sample.load(self._services.read)

    async def _fill(self) -> None:
        after, filled = 0, 0
        while ids := (await self._services.transact(partial(candidate.fill, after=after, limit=_FILL)))[0]:
            after, filled = ids[-1], filled + len(ids)
        log.info("candidates.made", profiles=filled)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                while await self._reckon() == _BATCH:
                    pass
                await asyncio.sleep(self._services.config.research.sweep)
                await self._services.sample.load(self._services.read)
            except (DatabaseDown, CommitUnknown) as fault:
                log.warning("upkeep.unavailable", reason=str(fault))
                await asyncio.sleep(self._services.config.research.sweep)

    async def _reckon(self) -> int:
        """Bring the fame up to date of those whom other people like than before yesterday's midnight."""
        today = self._services.clock.now().date()
        due = await self._services.read(partial(popularity.list_due, today=today, limit=_BATCH))
        for user_id in due:
            await self._services.transact(partial(self._reckon_one, user_id=user_id))
        if due:
            log.info("fame.reckoned", people=len(due))
        return len(due)

    async def _reckon_one(self, tx: Tx, user_id: int) -> None:
        today = tx.now.date()
        likers = await popularity.count_likers(tx, user_id=user_id, today=today)
        await popularity.update_fame(tx, user_id=user_id, fame=fame_of(likers), today=today)

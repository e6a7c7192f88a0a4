"""Reminders: looks for those for whom something waits, and who may be told by mail."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from handlers.reminder import remind
from server.context import Context, Services
from sql import reminder
from sql.database import DatabaseDown
from sql.reminder import Reminder
from sql.transaction import CommitUnknown, Outcome, Tx

log = structlog.get_logger("reminders")

_BATCH = 50
_LEASE = timedelta(seconds=60)


class Reminders:
    """Takes what is due, a batch at a time; several processes share the work."""

    def __init__(self, services: Services, deliver: Callable[[Outcome], None]) -> None:
        self._services = services
        self._deliver = deliver

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(self._services.config.notifications.sweep)
            try:
                while await self._remind_batch() == _BATCH:
                    pass
            except (DatabaseDown, CommitUnknown) as fault:
                log.warning("reminders.unavailable", reason=str(fault))

    async def _remind_batch(self) -> int:
        """Look at those who are due. While nobody knows who is here, nobody is told, and the lease runs out."""
        lease = self._services.ids.number()
        claim = partial(reminder.claim, lease=lease, until=self._services.clock.now() + _LEASE, limit=_BATCH)
        due, _ = await self._services.transact(claim)
        here = await self._services.presence.online([one.user_id for one in due]) if due else None
        if here is not None:
            for one in due:
                await self._remind(one, lease, is_here=one.user_id in here)
        return len(due)

    async def _remind(self, one: Reminder, lease: int, *, is_here: bool) -> None:
        async def work(tx: Tx) -> None:
            await remind(Context(tx, self._services), one.user_id, lease, is_here=is_here)

        try:
            _, outcome = await self._services.transact(work)
        except (DatabaseDown, CommitUnknown):
            raise
        except Exception:  # whatever is wrong with one, the others are told
            log.exception("reminder.failed", user_id=one.user_id)
        else:
            self._deliver(outcome)

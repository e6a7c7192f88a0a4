"""Expiry: what has had its time goes from the database: accounts that nobody confirmed, old sessions, old links."""

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from handlers.account import erase_unconfirmed
from server.context import Context, Services
from sql import account, link, session
from sql.database import DatabaseDown
from sql.transaction import CommitUnknown, Tx

log = structlog.get_logger("expiry")

_BATCH = 100


class Expiry:
    """Looks for such things now and then; several processes that do so are not in each other's way."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._links = services.config.links

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                for batch in (self._erase_accounts, self._drop_sessions, self._drop_links):
                    while await batch() == _BATCH:
                        pass
            except (DatabaseDown, CommitUnknown) as fault:
                log.warning("expiry.unavailable", reason=str(fault))
            await asyncio.sleep(self._links.sweep)

    async def _erase_accounts(self) -> int:
        """Free login and address of those whose address nobody confirmed in time."""
        until = self._services.clock.now() - timedelta(hours=self._links.unverified_hours)
        expired = await self._services.read(partial(account.list_unconfirmed, until=until, limit=_BATCH))
        for user_id in expired:
            await self._services.transact(partial(self._erase, user_id=user_id))
        if expired:
            log.info("accounts.expired", count=len(expired))
        return len(expired)

    async def _erase(self, tx: Tx, user_id: int) -> None:
        await erase_unconfirmed(Context(tx, self._services), user_id)

    async def _drop_sessions(self) -> int:
        """Drop also those that were ended before: until then their tokens are told so."""
        dropped, _ = await self._services.transact(partial(session.delete_expired, limit=_BATCH))
        return dropped

    async def _drop_links(self) -> int:
        dropped, _ = await self._services.transact(partial(link.delete_expired, limit=_BATCH))
        return dropped

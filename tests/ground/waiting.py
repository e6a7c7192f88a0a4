"""Waiting for what no push tells of."""

import asyncio
from collections.abc import Callable
from typing import Any

_PATIENCE = 5.0


async def until(holds: Callable[[], Any]) -> None:
    """Wait until it holds; what it returns may be awaitable. Raises TimeoutError."""
    async with asyncio.timeout(_PATIENCE):
        while not (await found if asyncio.iscoroutine(found := holds()) else found):
            await asyncio.sleep(0.005)


async def until_mailed(server: Any) -> None:
    """Wait until nothing is left to be mailed."""

    async def is_empty() -> bool:
        return not await server.database.fetch("SELECT id FROM outbox")

    await until(is_empty)

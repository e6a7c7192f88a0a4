"""Locks that a test holds against the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def locked(server: Any, one: Any, other: Any) -> AsyncIterator[None]:
    """Hold the lock on a pair from outside."""
    holder = await server.database.acquire()
    try:
        low, high = sorted((one.id, other.id))
        await holder.run_within(("SELECT * FROM pair WHERE low_id = %s AND high_id = %s FOR UPDATE", [low, high]))
        yield
    finally:
        await holder.command("ROLLBACK")
        server.database.release(holder)

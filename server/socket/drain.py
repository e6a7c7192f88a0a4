"""Drain: the planned end. Nothing new begins, what runs is finished, everybody is told when to come back."""

import asyncio

from server.socket.dispatch import Dispatcher
from server.socket.gateway import Gateway

_FINISH_WITHIN = 5.0
_RETRY_AFTER = 2


async def drain(gateway: Gateway, dispatcher: Dispatcher) -> None:
    """Say goodbye to all sockets and wait until they are gone."""
    dispatcher.draining = True
    for connection in list(gateway.connections.values()):
        connection.end("draining", retry_after=_RETRY_AFTER)
    if gone := [connection.gone.wait() for connection in gateway.connections.values()]:
        await asyncio.wait([asyncio.ensure_future(wait) for wait in gone], timeout=_FINISH_WITHIN)
    for connection in list(gateway.connections.values()):
        connection.transport.abort()

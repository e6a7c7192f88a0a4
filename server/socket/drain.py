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
        connection.end("draining", retry_after=_RETRY_AFTER, within=_FINISH_WITHIN)
    try:
        async with asyncio.timeout(_FINISH_WITHIN + 1):
            for connection in list(gateway.connections.values()):
                await connection.gone.wait()
    except TimeoutError:
        pass
    for connection in list(gateway.connections.values()):
        connection.transport.abort()

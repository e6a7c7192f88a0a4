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
    deadline = asyncio.get_running_loop().time() + _FINISH_WITHIN
    while gateway.connections and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.01)
    for connection in list(gateway.connections.values()):
        connection.transport.abort()

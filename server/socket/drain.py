"""Drain: the planned end. Nothing new begins, what runs is finished, everybody is told when to come back."""

import asyncio
from collections.abc import Sequence

from server.socket.connection import Connection
from server.socket.dispatch import Dispatcher
from server.socket.gateway import Gateway

_FINISH_WITHIN = 5.0
_RETRY_AFTER = 2
_AT_A_TIME = 200
_PATIENCE = 0.1
"""Seconds to wait for one batch before the next one begins to leave."""


async def drain(gateway: Gateway, dispatcher: Dispatcher) -> None:
    """Say goodbye to all sockets, some at a time, and wait until they are gone."""
    dispatcher.draining = True
    connections = list(gateway.connections.values())
    for start in range(0, len(connections), _AT_A_TIME):
        batch = connections[start : start + _AT_A_TIME]
        for connection in batch:
            connection.end("draining", retry_after=_RETRY_AFTER, within=_FINISH_WITHIN)
        await _gone(batch, _PATIENCE)
    await _gone(list(gateway.connections.values()), _FINISH_WITHIN + 1)
    for connection in list(gateway.connections.values()):
        connection.transport.abort()


async def _gone(connections: Sequence[Connection], within: float) -> None:
    try:
        async with asyncio.timeout(within):
            for connection in connections:
                await connection.gone.wait()
    except TimeoutError:
        pass

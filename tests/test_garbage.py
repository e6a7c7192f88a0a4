"""Garbage: nothing that people do, nor that they come and go, leaves anything that only a collection finds.

With five thousand sockets one takes 100 ms, for which everybody waits; after a storm of them it took a second.
"""

from contextlib import AsyncExitStack

import pytest

from server.socket.engine import LARGEST_TEXT
from tests.contract.world import builder
from tests.ground.garbage import garbage
from tests.ground.raw import RawSocket
from tests.ground.waiting import until
from tests.ground.walk import OPTIONS, Walk


async def test_no_event_leaves_anything(private_servers, tmp_path):
    async with AsyncExitStack() as stack:
        world = await builder(private_servers, tmp_path, stack)(**OPTIONS)
        await Walk(world).go()  # the first time, things are made that stay
        with garbage() as found:
            await Walk(world).go()
        assert not found


async def close(socket, server):
    await socket.close()


async def abort(socket, server):
    await socket.abort()


async def say_too_much(socket, server):
    await socket.send("4" * (LARGEST_TEXT + 1))


async def be_sent_away(socket, server):
    for connection in server.gateway.connections.values():
        connection.end("idle")


async def be_slow(socket, server):
    for connection in server.gateway.connections.values():
        connection.transport.cut_off()


@pytest.mark.parametrize("end", [close, abort, say_too_much, be_sent_away, be_slow])
async def test_no_socket_leaves_anything(server, alice, end):
    async def come_and_go():
        for auth in ({"token": alice.token, "cursor": 0}, None):
            socket = await RawSocket.open(server.url, auth=auth)
            await socket.call("presence/watch", {"user_ids": [alice.id]})
            await end(socket, server)
            await until(lambda: not server.gateway.connections and not server.gateway.eio.sockets)
            await socket.abort()

    await alice.close()
    await come_and_go()
    with garbage() as found:
        await come_and_go()
    assert not found

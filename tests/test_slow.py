"""Slow readers: they are told that they are too slow, cost bounded memory, and miss nothing for it."""

import array
import fcntl
import sys

import pytest

from server import listen
from tests.ground.proxy import ChaosProxy
from tests.ground.raw import RawSocket
from tests.ground.waiting import until

LONG = "x" * 4000
MANY = 60


async def tell(talking, number):
    alice, bob = talking
    for _ in range(number):
        await alice.message.send(bob.id, LONG)


async def behind(proxy, person, **auth):
    return await RawSocket.open(proxy.url, auth={"token": person.token} | auth)


@pytest.fixture
def theirs(server):
    """Return the server's end of the socket that was opened last."""
    return lambda: list(server.gateway.connections.values())[-1]


async def test_who_lets_too_much_wait_is_told_so_and_resumes_from_the_log(server, talking, theirs):
    alice, bob = talking
    await tell(talking, 100)
    start = (await bob.sync.since(None)).cursor
    async with ChaosProxy(server.port) as proxy:
        socket = await behind(proxy, bob)
        end = theirs()
        proxy.stall(up=False)
        for number in range(MANY):
            await socket.emit("message/history", {"target_user_id": alice.id, "limit": 100}, ack=number)
        await until(lambda: end.transport.closed)
        assert end.transport.backlog < server.config.socket.backlog_hard
        await tell(talking, 3)
        proxy.calm()
        assert (await socket.push("goodbye"))["reason"] == "slow"
        await socket.closed()
        assert len(socket.acks) < MANY
        await socket.close()
    async with await RawSocket.open(server.url, auth={"token": bob.token, "cursor": start}) as socket:
        await socket.push("message/new", seq=start + 3)
        assert [push.data["seq"] for push in socket.pushes] == [start + 1, start + 2, start + 3]


@pytest.mark.config(socket={"stall_timeout": 0.3, "anonymous_timeout": 0.4})
async def test_who_takes_nothing_for_too_long_is_told_so(server, talking, theirs):
    alice, bob = talking
    await tell(talking, 100)
    async with ChaosProxy(server.port) as proxy:
        socket = await behind(proxy, bob)
        end = theirs()
        end.transport._options = server.config.socket.model_copy(update={"backlog_hard": 10**9})
        proxy.stall(up=False)
        for number in range(MANY):
            await socket.emit("message/history", {"target_user_id": alice.id, "limit": 100}, ack=number)
        await until(lambda: end.transport.closed)
        proxy.calm()
        assert (await socket.push("goodbye"))["reason"] == "slow"
        await socket.close()


async def test_who_missed_more_than_fits_is_fed_bit_by_bit(server, talking):
    """All of it at once would look as if the reader were too slow to be kept, however fast they are."""
    alice, bob = talking
    start = (await bob.sync.since(None)).cursor
    for _ in range(80):
        await alice.message.send(bob.id, "🍵" * 4000)
    async with await RawSocket.open(server.url, auth={"token": bob.token, "cursor": start}) as socket:
        await socket.push("message/new", seq=start + 80)
        assert [push.data["seq"] for push in socket.pushes] == list(range(start + 1, start + 81))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has bounds of its own")
async def test_the_system_too_holds_back_little_for_who_takes_nothing(server, talking, theirs):
    """What it has not even sent: without a bound it would be megabytes, of which the server knows nothing."""
    alice, bob = talking
    await tell(talking, 100)
    async with ChaosProxy(server.port) as proxy:
        socket = await behind(proxy, bob)
        end = theirs()
        end.transport._options = server.config.socket.model_copy(update={"backlog_hard": 10**9})
        proxy.stall(up=False)
        for number in range(MANY):
            await socket.emit("message/history", {"target_user_id": alice.id, "limit": 100}, ack=number)
        await until(lambda: end.transport.backlog)
        assert unsent(end.transport._pipe) < 2 * listen._UNSENT
        await socket.abort()


def unsent(pipe):
    """Return how many bytes the system has taken and not sent yet."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe.get_extra_info("socket").fileno(), SIOCOUTQNSD, count)
    return count[0]


SIOCOUTQNSD = 0x894B

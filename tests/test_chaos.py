"""A chat over lines that break at any byte: what was acknowledged is there once, in order, and is heard once."""

import asyncio
import random
from typing import Any

import aiohttp

import client_sdk
from client_sdk import MessageNew
from tests.ground.answers import ok
from tests.ground.proxy import ChaosProxy
from tests.ground.raw import Gone, RawSocket

CUTS = 60
MESSAGES = 30


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


async def test_a_message_cut_at_any_byte_is_stored_once(server: Any, connected: Any) -> None:
    """Each message is sent over a connection that breaks at one byte, and again without: it is there once."""
    alice, bob = connected
    positions = random.Random(42)
    sent: dict[str, int] = {}
    acked_before_the_cut = 0
    async with ChaosProxy(server.port) as proxy:
        for number in range(CUTS):
            proxy.cut_after(**{positions.choice(["up", "down"]): positions.randint(0, 1100)})
            payload = {"target_user_id": bob.id, "random_id": number, "message": f"number {number}"}
            first = await _try(proxy.url, alice, payload)
            async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
                again = ok(await socket.call("message/send", payload))
            assert first in (None, again), "the repeat was answered otherwise than the first"
            acked_before_the_cut += first is not None
            sent[payload["message"]] = again["seq"]
    assert 5 < acked_before_the_cut < CUTS - 5, "the cuts do not lie where they tell something"
    assert list(sent.values()) == list(range(1, CUTS + 1))
    rows = await server.database.fetch("SELECT body, seq FROM message ORDER BY seq")
    assert [tuple(row) for row in rows] == list(sent.items())


async def _try(url: str, person: Any, payload: Any) -> Any:
    try:
        async with await RawSocket.open(url, auth={"token": person.token}) as socket:
            return ok(await socket.call("message/send", payload))
    except (Gone, aiohttp.ClientError):
        return None


async def test_behind_a_line_that_breaks_every_push_is_heard_once(server: Any, talking: Any) -> None:
    """The SDK comes back by itself, sends what it had to send once, and hears each number once, without a hole."""
    alice, bob = talking
    before = len(await bob.message.history(alice.id))
    async with ChaosProxy(server.port, seed=7) as proxy:
        start = (await alice.sync.since(0)).cursor
        client = client_sdk.Client(proxy.url, token=alice.token, cursor=start, wait=_at_once)
        heard = client.events()
        async with client:
            proxy.cut_randomly(500, 4000)
            await proxy.drop_all()
            sending = asyncio.gather(_talk(client, bob, "from alice"), _talk(bob, alice, "from bob"))
            pushes = [await anext(heard) for _ in range(2 * MESSAGES)]
            await sending
            proxy.calm()
            assert proxy.accepted > 3, "the line never broke"
    assert [push.seq for push in pushes] == list(range(start + 1, start + 2 * MESSAGES + 1))
    texts = [push.message.message for push in pushes if isinstance(push, MessageNew)]
    for name in ("from alice", "from bob"):
        assert [text for text in texts if text.startswith(name)] == _texts(name)
    history = await bob.message.history(alice.id, after=0, limit=100)
    assert [message.seq for message in history.messages] == list(range(1, before + 2 * MESSAGES + 1))


async def test_what_was_said_during_an_outage_comes_after_it(server: Any, connected: Any) -> None:
    """A line that stalls delivers late; one that is cut and refused for a while delivers when it is back."""
    alice, bob = connected
    async with ChaosProxy(server.port) as proxy:
        client = client_sdk.Client(proxy.url, token=alice.token, wait=_at_once)
        heard = client.events(MessageNew)
        async with client:
            proxy.stall()
            await _talk(bob, alice, "stalled")
            proxy.calm()
            assert [(await anext(heard)).message.message for _ in range(MESSAGES)] == _texts("stalled")
            assert proxy.accepted == 1, "a line that stalls for a moment is not a line that is lost"
            proxy.refuse()
            await proxy.drop_all()
            await _talk(bob, alice, "refused")
            assert proxy.accepted > 2, "the client did not try to come back"
            proxy.calm()
            assert [(await anext(heard)).message.message for _ in range(MESSAGES)] == _texts("refused")


def _texts(name: str) -> list[str]:
    return [f"{name} {number}" for number in range(MESSAGES)]


async def _talk(client: Any, other: Any, name: str) -> None:
    for number in range(MESSAGES):
        await client.message.send(other.id, f"{name} {number}")

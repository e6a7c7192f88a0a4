"""Clients that write as fast as they are answered: MATCHA_TOKEN=… python -m client_sdk.examples.load_client.

MATCHA_TOKEN may be several tokens, divided by commas; each client writes to its newest connection. MATCHA_CLIENTS (4)
are connected, up to 10 for each user, and MATCHA_SENDS (100) are sent by each. The server's limits stop it soon, unless
it was started with MATCHA_LIMITS_SCALE=1000. MATCHA_URL is the server, if it is not http://localhost:8080.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from itertools import chain
from statistics import quantiles
from time import perf_counter

from client_sdk import Client

URL = os.environ.get("MATCHA_URL", "http://localhost:8080")


async def write(client: Client, sends: int) -> list[float]:
    """Send messages one after the other, and return how many seconds each took."""
    [connection] = await client.relation.connections(limit=1)
    took = []
    for number in range(sends):
        started = perf_counter()
        await client.message.send(connection.user.user_id, f"message {number}")
        took.append(perf_counter() - started)
    return took


async def measure(tokens: list[str], clients: int, sends: int) -> None:
    """Let all clients write at the same time, and print how many messages were acknowledged, and how soon."""
    async with AsyncExitStack() as stack:
        crowd = [Client(URL, token=tokens[number % len(tokens)]) for number in range(clients)]
        await asyncio.gather(*(stack.enter_async_context(client) for client in crowd))
        started = perf_counter()
        took = [*chain(*await asyncio.gather(*(write(client, sends) for client in crowd)))]
        seconds = perf_counter() - started
    cuts = [1000 * cut for cut in quantiles(took, n=100)]
    print(f"{len(took)} messages acknowledged in {seconds:.2f} s: {len(took) / seconds:.0f} a second")
    print(f"latency: half within {cuts[49]:.1f} ms, 95 % within {cuts[94]:.1f} ms, 99 % within {cuts[98]:.1f} ms")


if __name__ == "__main__":
    clients, sends = int(os.environ.get("MATCHA_CLIENTS", "4")), int(os.environ.get("MATCHA_SENDS", "100"))
    asyncio.run(measure(os.environ["MATCHA_TOKEN"].split(","), clients, sends))

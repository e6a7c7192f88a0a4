"""Storm: many connections are cut at the same moment, and come back as the SDK does."""

import asyncio
from random import random
from time import perf_counter
from typing import Any

from bench.generator.client import Client, Refused
from bench.generator.jobs import job
from bench.generator.quantiles import spread

_AT_A_TIME = 100


@job
async def storm(*, port: int, auths: list[Any], within: float) -> dict[str, Any]:
    """Open a connection for each, cut all at once, let all come back; say after how long each of them was there."""
    from client_sdk.backoff import Backoff  # the whole SDK comes along, for which the other jobs need not wait

    held: list[Client] = []
    for start in range(0, len(auths), _AT_A_TIME):
        held += await asyncio.gather(*(Client.open(port, auth) for auth in auths[start : start + _AT_A_TIME]))
    await asyncio.sleep(1.0)
    for client in held:
        client.close()
    begun, tries, times = perf_counter(), 0, list[float]()

    async def come_back(auth: Any) -> Client:
        nonlocal tries
        backoff = Backoff(random)
        backoff.start()
        while True:
            await asyncio.sleep(backoff.delay())
            tries += 1
            try:
                client = await Client.open(port, auth)
            except Refused:
                backoff.fail()
            else:
                times.append(perf_counter() - begun)
                return client

    async with asyncio.timeout(within):
        back = await asyncio.gather(*(come_back(auth) for auth in auths))
    for client in back:
        client.close()
    return {"times": spread(times), "tries": tries}

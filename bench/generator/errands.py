"""Errands: each socket has a list of events of its own, one on its way at a time, until all are done."""

import asyncio
import os
from collections import deque
from time import perf_counter
from typing import Any

from bench.generator import frames
from bench.generator.client import Client
from bench.generator.jobs import job
from bench.generator.meter import cpu_seconds
from bench.generator.quantiles import spread


class Errands:
    """One socket's list."""

    def __init__(self, client: Client, name: str, payloads: list[Any]) -> None:
        self.wrong: list[bytes] = []
        self.times: list[float] = []
        self.done = asyncio.Event()
        self._client = client
        self._left = deque(frames.event(name, payload, id=0) for payload in payloads)
        client.on_ack = self._acked

    def send(self) -> None:
        """Send the next one."""
        self._sent = perf_counter()
        self._client.send(self._left.popleft())

    def _acked(self, id: int, answer: bytes) -> None:
        self.times.append(perf_counter() - self._sent)
        if not answer.startswith(b'[{"code":200,'):
            self.wrong.append(answer)
        if self._left:
            self.send()
        else:
            self.done.set()


@job
async def errands(
    *, port: int, pid: int, beside: dict[str, int], auths: list[Any], name: str, payloads: list[list[Any]]
) -> dict[str, Any]:
    """Return how long it took until all were done, how many those are, what was used, and how long each took."""
    clients = [await Client.open(port, auth) for auth in auths]
    loops = [Errands(client, name, own) for client, own in zip(clients, payloads, strict=True)]
    begun, used = perf_counter(), cpu_seconds(pid)
    others = {process: cpu_seconds(number) for process, number in beside.items()}
    own = cpu_seconds(os.getpid())
    for loop in loops:
        loop.send()
    for loop in loops:
        await loop.done.wait()
    took, used, own = perf_counter() - begun, cpu_seconds(pid) - used, cpu_seconds(os.getpid()) - own
    for client in clients:
        client.close()
    times = [time for loop in loops for time in loop.times]
    return {
        "answers": len(times),
        "seconds": took,
        "server_cpu": used,
        "generator_cpu": own,
        "beside_cpu": {process: cpu_seconds(number) - others[process] for process, number in beside.items()},
        "wrong": [answer.decode() for loop in loops for answer in loop.wrong[:1]][:3],
        "times": spread(times),
    }

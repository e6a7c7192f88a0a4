"""Closed: on each socket a fixed number of events is in flight; each answer sends the next one."""

import asyncio
import os
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from bench.generator import frames
from bench.generator.client import Client
from bench.generator.jobs import job
from bench.generator.meter import cpu_seconds
from bench.generator.quantiles import spread


class Loop:
    """One socket's window."""

    def __init__(self, client: Client, name: str, payload: Sequence[Any], window: int, answer: bytes) -> None:
        self.answered = 0
        self.wrong: list[bytes] = []
        self.times: list[float] = []
        self.is_measured = False
        self._client = client
        self._answer = answer
        self._frames = [frames.event(name, *payload, id=id) for id in range(window)]
        self._sent = [0.0] * window
        client.on_ack = self._acked

    def start(self) -> None:
        """Fill the window."""
        for id in range(len(self._frames)):
            self._send(id)

    def _send(self, id: int) -> None:
        self._sent[id] = perf_counter()
        self._client.send(self._frames[id])

    def _acked(self, id: int, answer: bytes) -> None:
        self.answered += 1
        if answer != self._answer:
            self.wrong.append(answer)
        if self.is_measured:
            self.times.append(perf_counter() - self._sent[id])
        self._send(id)


@job
async def closed(
    *,
    port: int,
    pid: int,
    auths: list[Any],
    name: str,
    payload: list[Any],
    answer: str,
    window: int,
    warm: float,
    seconds: float,
) -> dict[str, Any]:
    """Return how many answers came in how long, what the server used for them, and how long each took."""
    clients = [await Client.open(port, auth) for auth in auths]
    loops = [Loop(client, name, payload, window, answer.encode()) for client in clients]
    for loop in loops:
        loop.start()
    await asyncio.sleep(warm)
    begun, before = perf_counter(), sum(loop.answered for loop in loops)
    used, own = cpu_seconds(pid), cpu_seconds(os.getpid())
    for loop in loops:
        loop.is_measured = True
    await asyncio.sleep(seconds)
    took, count = perf_counter() - begun, sum(loop.answered for loop in loops) - before
    used, own = cpu_seconds(pid) - used, cpu_seconds(os.getpid()) - own
    for client in clients:
        client.close()
    return {
        "answers": count,
        "seconds": took,
        "server_cpu": used,
        "generator_cpu": own,
        "wrong": [answer.decode() for loop in loops for answer in loop.wrong[:1]][:3],
        "times": spread([time for loop in loops for time in loop.times]),
    }

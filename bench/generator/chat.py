"""Chat: two and two write to each other, each on a socket of its own."""

import asyncio
import json
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from bench.generator import frames
from bench.generator.client import Client
from bench.generator.jobs import job
from bench.generator.meter import cpu_seconds
from bench.generator.quantiles import spread


class Talk:
    """One side of a conversation: it sends, and hears what the other has sent."""

    def __init__(self, client: Client, target: int, text: str, first: int) -> None:
        self.answered = 0
        self.heard = 0
        self.wrong: list[bytes] = []
        self.times: list[float] = []
        self.is_measured = False
        self.on_answer: Callable[[], None] = lambda: None
        self._client = client
        self._tail = json.dumps(text).encode()
        self._head = b'["message/send",{"target_user_id":%d,"random_id":' % target
        self._number = first
        self._sent: dict[int, float] = {}
        client.on_ack = self._acked
        client.on_push = self._pushed

    def send(self, due: float | None = None) -> None:
        """Send one message, which may have been due before."""
        self._number = number = (self._number + 1) % 2**31
        self._sent[number] = due or perf_counter()
        self._client.send(frames.text_frame(b'42%d%s%d,"message":%s}]' % (number, self._head, number, self._tail)))

    def _acked(self, id: int, answer: bytes) -> None:
        self.answered += 1
        took = perf_counter() - self._sent[id]
        if not answer.startswith(b'[{"code":200'):
            self.wrong.append(answer)
        if self.is_measured:
            self.times.append(took)
        if id - 64 in self._sent:
            del self._sent[id - 64]
        self.on_answer()

    def _pushed(self, message: bytes) -> None:
        """What the other has sent carries no random_id here; one's own does."""
        if b'"message/new"' in message and b'"random_id"' not in message:
            self.heard += 1


async def _open(port: int, pairs: list[Any], text: str) -> list[Talk]:
    talks, first = [], int(perf_counter() * 1000) % 2**30
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            talks.append(Talk(await Client.open(port, one["auth"]), other["id"], text, first))
    return talks


@job
async def chat(
    *,
    port: int,
    pid: int,
    beside: dict[str, int],
    pairs: list[Any],
    text: str,
    window: int,
    warm: float,
    seconds: float,
) -> dict[str, Any]:
    """Let all send as fast as they are answered, so many at a time each; say how many were sent, and heard."""
    talks = await _open(port, pairs, text)
    for talk in talks:
        talk.on_answer = talk.send
        for _ in range(window):
            talk.send()
    await asyncio.sleep(warm)
    begun, before = perf_counter(), _sums(talks)
    used, own = cpu_seconds(pid), cpu_seconds(os.getpid())
    others = {name: cpu_seconds(pid) for name, pid in beside.items()}
    for talk in talks:
        talk.is_measured = True
    await asyncio.sleep(seconds)
    took, after = perf_counter() - begun, _sums(talks)
    used, own = cpu_seconds(pid) - used, cpu_seconds(os.getpid()) - own
    others = {name: cpu_seconds(pid) - others[name] for name, pid in beside.items()}
    for talk in talks:
        talk._client.close()
    return {
        "answers": after[0] - before[0],
        "heard": after[1] - before[1],
        "seconds": took,
        "server_cpu": used,
        "generator_cpu": own,
        "beside_cpu": others,
        "wrong": [answer.decode() for talk in talks for answer in talk.wrong[:1]][:3],
        "times": spread([time for talk in talks for time in talk.times]),
    }


def _sums(talks: list[Talk]) -> tuple[int, int]:
    return sum(talk.answered for talk in talks), sum(talk.heard for talk in talks)

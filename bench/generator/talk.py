"""Talk: two and two write to each other at a given rate; some may have stopped to read."""

import asyncio
import os
import urllib.request
from collections import Counter
from math import inf
from time import perf_counter
from typing import Any

import msgspec

from bench.generator import frames
from bench.generator.client import Client
from bench.generator.jobs import job
from bench.generator.meter import cpu_seconds
from bench.generator.open import at_rate
from bench.generator.quantiles import spread

_NOBODY: dict[str, Any] = {"pairs": [], "text": "", "rate": 0.0}


class Pair:
    """One who writes and one who reads; each text begins with its number, by which its way is timed."""

    def __init__(self, writer: Client, reader: Client, target: int, text: str) -> None:
        self.acks: list[float] = []
        self.ways: list[float] = []
        self.refused = Counter[str]()
        self.sent = 0
        self.is_measured = False
        self.reader = reader
        self._writer = writer
        self._target = target
        self._text = text
        self._first = int(perf_counter() * 1000) % 2**30
        self._due: dict[int, float] = {}
        writer.on_ack = self._acked
        reader.on_push = self._pushed

    def send(self, due: float) -> None:
        """Send one, which was due then."""
        self.sent += 1
        number = self._first + self.sent
        self._due[number] = due
        payload = {"target_user_id": self._target, "random_id": number, "message": f"{number} {self._text}"}
        self._writer.send(frames.event("message/send", payload, id=number))

    def _acked(self, id: int, answer: bytes) -> None:
        if not answer.startswith(b'[{"code":200'):
            self.refused[msgspec.json.decode(answer)[0]["error"]["name"]] += 1
        elif self.is_measured:
            self.acks.append(perf_counter() - self._due[id])

    def _pushed(self, message: bytes) -> None:
        if message.startswith(b'42["message/new"') and self.is_measured:
            number = int(msgspec.json.decode(message[2:])[1]["message"]["message"].split()[0])
            if number in self._due:
                self.ways.append(perf_counter() - self._due[number])

    def close(self) -> None:
        """Cut both."""
        self._writer.close()
        self.reader.close()


class Group:
    """Pairs who take turns, so many messages a second in all."""

    def __init__(self, pairs: list[Pair], rate: float) -> None:
        self.pairs = pairs
        self._rate = rate

    @classmethod
    async def open(
        cls, port: int, other_port: int, *, pairs: list[Any], text: str, rate: float, read: bool = True
    ) -> "Group":
        """Connect all of them, readers to the other port; they may have stopped to read."""
        opened = [
            Pair(await Client.open(port, one["auth"]), await Client.open(other_port, other["auth"]), other["id"], text)
            for one, other in pairs
        ]
        for pair in () if read else opened:
            pair.reader._transport.pause_reading()
        return cls(opened, rate)

    async def send(self, seconds: float, *, measured_from: float = inf) -> None:
        """Send for so long; what is due from a moment on is timed."""

        async def send_one(number: int, due: float) -> None:
            pair = self.pairs[number % len(self.pairs)]
            pair.is_measured = due >= measured_from
            pair.send(due)

        await at_rate(self._rate, seconds, send_one)

    def close(self) -> None:
        """Cut all of them."""
        for pair in self.pairs:
            pair.close()


async def _largest(port: int, name: str, seconds: float) -> float:
    """Return the largest a number of /metrics, if one is named, was seen to be: every two seconds and in the end."""
    end, largest, left = perf_counter() + seconds, 0.0, seconds
    while name and left > 0:
        await asyncio.sleep(min(2.0, left))
        largest = max(largest, await asyncio.to_thread(_look, port, name))
        left = end - perf_counter()
    return largest


def _look(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        [line] = [line for line in page.read().decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


@job
async def talk(
    *,
    port: int,
    pid: int,
    pairs: list[Any],
    text: str,
    rate: float,
    warm: float,
    seconds: float,
    other_port: int = 0,
    beside: dict[str, Any] | None = None,
    look_at: str = "",
) -> dict[str, Any]:
    """Send so many a second, and beside them what another group does; say how long it took the first.

    `look_at` is a number of /metrics, of which the largest is returned that was seen while all were connected.
    """
    group = await Group.open(port, other_port or port, pairs=pairs, text=text, rate=rate)
    others = await Group.open(port, port, **(beside or _NOBODY))
    before = cpu_seconds(pid), cpu_seconds(os.getpid())
    _, _, largest = await asyncio.gather(
        group.send(warm + seconds, measured_from=perf_counter() + warm),
        others.send(warm + seconds),
        _largest(port, look_at, warm + seconds),
    )
    busy = cpu_seconds(pid) - before[0], cpu_seconds(os.getpid()) - before[1]
    await asyncio.sleep(min(1.0, seconds))
    group.close()
    others.close()
    return {
        "acks": spread([time for pair in group.pairs for time in pair.acks]),
        "ways": spread([time for pair in group.pairs for time in pair.ways]),
        "refused": sum((pair.refused for pair in (*group.pairs, *others.pairs)), Counter()),
        "largest": largest,
        "server_cpu": busy[0] / (warm + seconds),
        "generator_cpu": busy[1] / (warm + seconds),
    }

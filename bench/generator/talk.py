"""Talk: two and two write to each other at a given rate; some may have stopped to read."""

import asyncio
import os
import urllib.request
from collections import Counter
from time import perf_counter
from typing import Any

import msgspec

from bench.generator import frames
from bench.generator.client import Client
from bench.generator.jobs import job
from bench.generator.meter import cpu_seconds
from bench.generator.open import at_rate
from bench.generator.quantiles import spread


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


async def _open(port: int, other_port: int, pairs: list[Any], text: str) -> list[Pair]:
    return [
        Pair(await Client.open(port, one["auth"]), await Client.open(other_port, other["auth"]), other["id"], text)
        for one, other in pairs
    ]


async def _largest(port: int, name: str, seconds: float) -> float:
    """Return the largest a number of /metrics was seen to be, at looks every two seconds and in the end."""
    end, largest = perf_counter() + seconds, 0.0
    while True:
        left = end - perf_counter()
        await asyncio.sleep(min(2.0, max(0.0, left)))
        largest = max(largest, await asyncio.to_thread(_look, port, name))
        if left <= 2.0:
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
    others: list[Any] = (),  # type: ignore[assignment]
    others_text: str = "",
    others_rate: float = 0.0,
    others_read: bool = True,
    look_at: str = "",
) -> dict[str, Any]:
    """Send so many a second, and so many to others, who may have stopped to read; say how long it took the first.

    `look_at` is a number of /metrics, of which the largest is returned that was seen while all were connected.
    """
    talking = await _open(port, other_port or port, pairs, text)
    beside = await _open(port, port, list(others), others_text)
    for pair in () if others_read else beside:
        pair.reader._transport.pause_reading()

    async def send(number: int, due: float) -> None:
        pair = talking[number % len(talking)]
        pair.is_measured = due >= begun
        pair.send(due)

    async def send_beside(number: int, due: float) -> None:
        beside[number % len(beside)].send(due)

    begun = perf_counter() + warm
    used, own = cpu_seconds(pid), cpu_seconds(os.getpid())
    also = at_rate(others_rate, warm + seconds, send_beside) if beside else asyncio.sleep(0)
    looking = asyncio.create_task(_largest(port, look_at, warm + seconds)) if look_at else None
    await asyncio.gather(at_rate(rate, warm + seconds, send), also)
    used, own = cpu_seconds(pid) - used, cpu_seconds(os.getpid()) - own
    largest = await looking if looking else 0.0
    await asyncio.sleep(min(1.0, seconds))
    for pair in (*talking, *beside):
        pair.close()
    return {
        "acks": spread([time for pair in talking for time in pair.acks]),
        "ways": spread([time for pair in talking for time in pair.ways]),
        "refused": sum((pair.refused for pair in (*talking, *beside)), Counter()),
        "largest": largest,
        "server_cpu": used / (warm + seconds),
        "generator_cpu": own / (warm + seconds),
    }

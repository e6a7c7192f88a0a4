"""Searches: people look for people, or into lists, each on a socket of their own; in turn, or so many at a time."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from bench.generator import frames
from bench.generator.client import Client
from bench.generator.jobs import job
from bench.generator.meter import cpu_seconds
from bench.generator.quantiles import spread

_BUSY = 503


class Seeker:
    """Somebody who looks, page after page."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._answer: asyncio.Future[bytes] | None = None
        client.on_ack = self._acked

    def _acked(self, id: int, answer: bytes) -> None:
        assert self._answer
        self._answer.set_result(answer)

    async def search(self, name: str, fields: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Return how long one page took, and what it says."""
        self._answer = asyncio.get_running_loop().create_future()
        frame = frames.event(name, fields, id=1)
        begun = perf_counter()
        self.client.send(frame)
        answer = await self._answer
        took = perf_counter() - begun
        [said] = json.loads(answer)
        if said["code"] == _BUSY:
            return took, {"users": [], "cursor": None, "refused": True}
        if said["code"] != 200:
            raise RuntimeError(f"{name} {fields}: {said}")
        return took, said["data"]

    async def turn(self, name: str, fields: dict[str, Any], pages: int) -> tuple[float, dict[str, Any]]:
        """Go on to a page, or the last one there is, and return how long that one took."""
        took, said = await self.search(name, fields)
        for _ in range(pages - 1):
            if said.get("cursor") is None:
                break
            took, said = await self.search(name, fields | {"cursor": said["cursor"]})
        return took, said


@job
async def searches(
    *,
    port: int,
    pids: dict[str, int],
    auths: list[Any],
    name: str,
    fields: list[dict[str, Any]],
    pages: int,
    at_a_time: int,
    sockets: int,
) -> dict[str, Any]:
    """Return how long the pages took, what they showed, and what each of these processes used meanwhile.

    So many sockets are open at a time; what it takes to open them does not count.
    """
    run = _Run(name, pages, pids)
    jobs = list(zip(auths, fields, strict=True))
    for start in range(0, len(jobs), sockets):
        some = [(Seeker(await Client.open(port, auth)), asked) for auth, asked in jobs[start : start + sockets]]
        await run.work(some, at_a_time)
        for seeker, _ in some:
            seeker.client.close()
    return run.result()


class _Run:
    """What came of the searches so far."""

    def __init__(self, name: str, pages: int, pids: dict[str, int]) -> None:
        self._name, self._pages, self._pids = name, pages, pids
        self._took: list[tuple[float, dict[str, Any]]] = []
        self._shown: Counter[str] = Counter(dict.fromkeys(("people", "partial", "empty", "refused"), 0))
        self._seconds = 0.0
        self._cpu: dict[str, float] = {}

    async def work(self, jobs: list[tuple[Seeker, dict[str, Any]]], at_a_time: int) -> None:
        """Let them search, so many at a time."""
        used, begun = self._used(), perf_counter()
        waiting = iter(jobs)
        await asyncio.gather(*(self._one_after_another(waiting) for _ in range(at_a_time)))
        self._seconds += perf_counter() - begun
        for name, seconds in self._used().items():
            self._cpu[name] = self._cpu.get(name, 0.0) + seconds - used[name]

    def _used(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    async def _one_after_another(self, jobs: Iterator[tuple[Seeker, dict[str, Any]]]) -> None:
        for seeker, asked in jobs:
            took, said = await seeker.turn(self._name, asked, self._pages)
            self._took.append((took, asked))
            listed = next(value for value in said.values() if isinstance(value, list))
            self._shown["people"] += len(listed)
            self._shown["partial"] += said.get("partial", False)
            self._shown["empty"] += not listed
            self._shown["refused"] += said.get("refused", False)

    def result(self) -> dict[str, Any]:
        """Return all of it."""
        slowest = sorted(self._took, key=lambda one: -one[0])[:5]
        return {
            "seconds": self._seconds,
            "cpu": self._cpu,
            "times": spread([took for took, _ in self._took]),
            "shown": self._shown,
            "slowest": [[1000 * took, asked] for took, asked in slowest],
        }

"""Searches: people look for people, or into lists, each on a socket of their own; in turn, or so many at a time."""

import asyncio
import json
from collections import Counter
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
) -> dict[str, Any]:
    """Return how long the pages took, what they showed, and what each of these processes used meanwhile."""
    seekers = [Seeker(await Client.open(port, auth)) for auth in auths]
    jobs = list(zip(seekers, fields, strict=True))
    waiting = iter(jobs)
    times: list[float] = []
    shown: Counter[str] = Counter()

    async def one_after_another() -> None:
        for seeker, asked in waiting:
            took, said = await seeker.turn(name, asked, pages)
            times.append(took)
            listed = next(value for value in said.values() if isinstance(value, list))
            shown["people"] += len(listed)
            shown["partial"] += said.get("partial", False)
            shown["empty"] += not listed
            shown["refused"] += said.get("refused", False)

    used, begun = {name: cpu_seconds(pid) for name, pid in pids.items()}, perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(at_a_time)))
    seconds = perf_counter() - begun
    cpu = {name: cpu_seconds(pid) - used[name] for name, pid in pids.items()}
    for seeker in seekers:
        seeker.client.close()
    slowest = sorted(zip(times, (asked for _, asked in jobs), strict=True), key=lambda one: -one[0])[:5]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "times": spread(times),
        "shown": shown,
        "slowest": [[1000 * took, asked] for took, asked in slowest] if at_a_time == 1 else [],
    }

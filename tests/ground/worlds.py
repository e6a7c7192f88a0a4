"""Two worlds that differ in one thing: the same people, ids, sessions and time, and what a third person sees of it."""

import base64
import hashlib
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Any

from redis.asyncio import Redis

from server.clock import Ids
from server.config import Config
from server.embedded import PrivateServers
from tests.ground.clock import FakeClock
from tests.ground.photos import give_photo
from tests.ground.raw import RawSocket
from tests.ground.server import Person, RunningServer


class StillClock(FakeClock):
    """Stands still, and jumps when told to."""

    def __init__(self) -> None:
        super().__init__()
        self._time = super().time()

    def time(self) -> float:
        """Return the seconds since 1970."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._time += seconds


class StillIds(Ids):
    """Gives the same ids again: each place in the program has a row of its own, whatever runs beside it."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.random.seed(seed)
        self._seed = seed
        self._drawn: Counter[str] = Counter()

    def number(self) -> int:
        """Return an id from 1 to 2^53 - 1."""
        return int.from_bytes(self._draw()[:6]) + 1

    def token(self) -> str:
        """Return an opaque id of 22 characters."""
        return base64.urlsafe_b64encode(self._draw()[:16]).decode().rstrip("=")

    def _draw(self) -> bytes:
        place = sys._getframe(2).f_code
        where = f"{self._seed}:{place.co_filename}:{place.co_qualname}"
        self._drawn[where] += 1
        return hashlib.sha256(f"{where}:{self._drawn[where]}".encode()).digest()


class Worlds:
    """`async with worlds.begin()` makes a past, which `async with worlds.go_on()` starts from as often as one likes."""

    def __init__(self, config: Config, servers: PrivateServers, log: list[Any]) -> None:
        self._config, self._servers, self._log = config, servers, log
        self._past: dict[str, list[tuple[Any, ...]]] = {}
        self._begun = StillClock()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[RunningServer]:
        """Serve an empty world, and keep what has become of it."""
        async with self._serving("past", self._begun) as server:
            yield server
            for (table,) in await server.database.fetch("SHOW TABLES"):
                if not table.startswith(("migration", "town")):
                    self._past[table] = await server.database.fetch(f"SELECT * FROM `{table}`")

    @asynccontextmanager
    async def go_on(self) -> AsyncIterator[RunningServer]:
        """Serve a world with that past."""
        async with self._serving("future", copy(self._begun)) as server:
            for table, rows in self._past.items():
                await server.database.fetch(f"DELETE FROM `{table}`")
                for row in rows:
                    places = ",".join(["%s"] * len(row))
                    await server.database.fetch(f"INSERT INTO `{table}` VALUES ({places})", *row)
            yield server

    @asynccontextmanager
    async def _serving(self, seed: str, clock: StillClock) -> AsyncIterator[RunningServer]:
        assert self._config.redis.url
        async with Redis.from_url(self._config.redis.url) as redis:
            await redis.flushall()
        running = RunningServer(self._config, clock, self._servers, self._log, StillIds(seed))
        async with running.serving() as server:
            yield server


class Witness:
    """What one person is sent, byte for byte: answers in the order asked, pushes in the order told."""

    def __init__(self, socket: RawSocket) -> None:
        self._socket = socket
        self.answers: list[str] = []

    async def ask(self, event: str, payload: dict[str, Any] | None = None) -> None:
        """Emit an event and keep its answer, whatever it is."""
        answer = await self._socket.call(event, payload or {})
        self.answers.append(f"{event} {payload or ''}: {answer}")

    async def all_pushes(self, *, since: int) -> list[str]:
        """Return every push up to where the log stands now; `since` is where it stood when the socket was opened."""
        newest = (await self._socket.call("sync", {"cursor": None}))["data"]["cursor"]
        if newest > since:
            await self._socket.until(lambda push: push.data.get("seq") == newest)
        return [f"{push.event}: {push.data}" for push in self._socket.pushes]


async def settled(server: RunningServer, login: str, **profile: Any) -> Person:
    """Return somebody with an account, a profile and a photo, who is not connected."""
    person = Person(server.url, login)
    await person.join(server.mails)
    await person.profile.save(**profile)
    await give_photo(server, person.id)
    await person.close()
    return person

"""A run: two server processes, their own MariaDB and Redis, people with two devices each, and fault after fault."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

import client_sdk
from bench.people import KEY, People, Person
from client_sdk import MatchaError
from server.config import Config
from server.embedded import PrivateServers, Urls
from server.embedded.child import Child
from sql.database import Database
from tests.chaos.history import Device, History, Name, Verdict, judge
from tests.ground import process
from tests.ground.proxy import ChaosProxy
from tests.ground.server import config_for

_SETTLE_WITHIN = 90.0
_DROPPED_HINTS = 0.3
_LONG = 240.0
"""Seconds from which on a run has time for freezes of a minute."""
_MINUTE = 60.0
_MORE_TASKS, _MORE_MEMORY = 10, 100 * 2**20
"""More than before all faults, at most: a process that was started anew has other caches."""
_TASKS, _MEMORY = "matcha_tasks ", "process_resident_memory_bytes "
_AT_REST = ("matcha_pool_in_use ", "matcha_pool_waiting ", "matcha_waiting", "matcha_backlog_bytes ", "matcha_log_lag ")
"""Of these there is nothing when there is nothing to do."""


class Chaos:
    """One run; the same seed brings the same faults in the same order."""

    def __init__(self, folder: Path, servers: PrivateServers, urls: Urls, *, seed: int, pause: float) -> None:
        self.history = History()
        self._folder = folder
        self._servers = servers
        self._urls = urls
        self._random = random.Random(seed)
        self._pause = pause
        self._processes: list[process.Process] = []
        self._proxies: list[ChaosProxy] = []
        self._over = asyncio.Event()
        self._before: list[dict[str, float]] = []
        """What the processes said of themselves before anything broke."""

    async def run(self, *, people: int, seconds: float, say: Callable[[str], None] = lambda line: None) -> Verdict:
        """Let people chat for so long while everything breaks, then let all settle, and judge."""
        assert self._urls.database_url
        crowd = People(self._urls.database_url)
        chatting = crowd.take(people)
        pairs = [(one, chatting[(place + step) % people]) for step in (1, 2) for place, one in enumerate(chatting)]
        crowd.connect(pairs)
        async with AsyncExitStack() as stack:
            watching = asyncio.create_task(self._servers.watch())
            stack.callback(watching.cancel)
            for _ in range(2):
                await stack.enter_async_context(self._process())
            devices = [
                await stack.enter_async_context(self._device(one, place)) for one in chatting for place in (0, 1)
            ]
            talks = [
                asyncio.create_task(self._talk(devices[2 * place : 2 * place + 2], one, other))
                for place, one in enumerate(chatting)
                for pair in pairs
                for other in pair
                if one in pair and other is not one
            ]
            self._before = [await _metrics(running.url) for running in self._processes]
            await self._break_everything(seconds, say)
            self._over.set()
            for proxy in self._proxies:
                proxy.calm()
            async with asyncio.timeout(_SETTLE_WITHIN):
                await asyncio.gather(*talks)
            return await self._judge(chatting)

    # -- the ground ------------------------------------------------------------------------------------------------

    def _config(self) -> Config:
        more = {"limits": {"scale": 1e6}, "session": {"keys": [KEY]}, "delivery": {"tail_interval": 0.5}}
        return config_for(self._urls, self._folder / "data", **more)

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[None]:
        place = len(self._processes)
        self._processes.append(await self._start())
        async with ChaosProxy(self._port(place), seed=place) as proxy:
            self._proxies.append(proxy)
            try:
                yield
            finally:
                await self._processes[place].kill()

    async def _start(self) -> process.Process:
        return await process.start(self._config(), drop=_DROPPED_HINTS, log=self._folder / "server.log")

    def _port(self, place: int) -> int:
        return int(self._processes[place].url.rpartition(":")[2])

    @asynccontextmanager
    async def _device(self, person: Person, place: int) -> AsyncIterator[client_sdk.Client]:
        """A device that hears everything from the beginning of its user's log."""
        device = Device(person.id)
        self.history.devices.append(device)
        client = client_sdk.Client(
            self._proxies[place].url,
            token=person.token,
            cursor=0,
            timeout=3.0,
            wait=self._soon,
            random=self._random.random,
        )

        async def hear() -> None:
            async for push in events:
                if push.seq is not None:
                    device.pushes.append((push.seq, push))

        events = client.events()
        async with client:
            hearing = asyncio.create_task(hear())
            try:
                yield client
            finally:
                hearing.cancel()

    async def _soon(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.5))

    # -- people ----------------------------------------------------------------------------------------------------

    async def _talk(self, devices: list[client_sdk.Client], me: Person, other: Person) -> None:
        """Write until it is over; what is not answered is sent again, with the same number, until it is."""
        number = 0
        while not self._over.is_set():
            number += 1
            name, text = Name(me.id, other.id, number), f"{me.login} to {other.login}: {number}"
            await self._insist(devices, name, text)
            if number % 7 == 0:
                await self._insist(devices[::-1], name, text)
            await asyncio.sleep(self._pause)

    async def _insist(self, devices: list[client_sdk.Client], name: Name, text: str) -> None:
        place = 0
        self.history.sent.add(name)
        while True:
            try:
                sent = await devices[place].message.send(name.receiver, text, random_id=name.random_id)
            except MatchaError:
                self.history.unanswered += 1
                place = 1 - place
                await asyncio.sleep(0.05)
            else:
                self.history.note(name, sent.seq, text)
                return

    # -- faults ----------------------------------------------------------------------------------------------------

    async def _break_everything(self, seconds: float, say: Callable[[str], None]) -> None:
        ways: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("lines cut", self._cut_lines),
            ("lines cut at random bytes", self._cut_at_bytes),
            ("server killed", self._kill_server),
            ("MariaDB killed", lambda: self._kill_child("MariaDB")),
            ("Redis killed", lambda: self._kill_child("Redis")),
            ("server frozen", self._freeze_server),
            ("MariaDB frozen", lambda: self._freeze_child("MariaDB")),
            ("Redis frozen", lambda: self._freeze_child("Redis")),
            ("FLUSHALL", self._flush),
            ("connections killed", self._kill_connections),
        ]
        minutes: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("server frozen for a minute", lambda: self._freeze(self._random.choice(self._processes).pid, _MINUTE)),
            ("MariaDB frozen for a minute", lambda: self._freeze_child("MariaDB", _MINUTE)),
            ("Redis frozen for a minute", lambda: self._freeze_child("Redis", _MINUTE)),
        ]
        end = asyncio.get_running_loop().time() + seconds
        order = self._random.sample([*ways, *minutes], len(ways) + len(minutes)) if seconds >= _LONG else []
        while asyncio.get_running_loop().time() < end:
            order = order or self._random.sample(ways, len(ways))
            name, act = order.pop()
            await act()
            self.history.faults[name] += 1
            say(f"{name} ({len(self.history.acked)} acked so far)")
            await asyncio.sleep(self._random.uniform(0.2, 1.0))

    async def _cut_lines(self) -> None:
        await self._random.choice(self._proxies).drop_all()

    async def _cut_at_bytes(self) -> None:
        proxy = self._random.choice(self._proxies)
        proxy.cut_randomly(300, 6000)
        await proxy.drop_all()
        await asyncio.sleep(0.7)
        proxy.calm()

    async def _kill_server(self) -> None:
        place = self._random.randrange(2)
        await self._processes[place].kill()
        self._processes[place] = await self._start()
        self._proxies[place].target_port = self._port(place)

    async def _freeze_server(self) -> None:
        await self._freeze(self._random.choice(self._processes).pid)

    async def _freeze_child(self, name: str, seconds: float = 0.0) -> None:
        if pid := self._child(name).pid:
            await self._freeze(pid, seconds)

    async def _freeze(self, pid: int, seconds: float = 0.0) -> None:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds or self._random.uniform(0.5, 4.0))
        os.kill(pid, signal.SIGCONT)

    async def _kill_child(self, name: str) -> None:
        if pid := self._child(name).pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._until_back(name)

    def _child(self, name: str) -> Child:
        [child] = [child for child in self._servers.children if child.name == name]
        return child

    async def _until_back(self, name: str) -> None:
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0.2)
                with contextlib.suppress(Exception):
                    await (self._ping_redis() if name == "Redis" else self._rows("SELECT 1"))
                    return

    async def _ping_redis(self) -> None:
        assert self._urls.redis_url
        async with Redis.from_url(self._urls.redis_url, socket_timeout=1) as redis:
            await redis.ping()

    async def _flush(self) -> None:
        assert self._urls.redis_url
        async with Redis.from_url(self._urls.redis_url) as redis:
            await redis.flushall()

    async def _kill_connections(self) -> None:
        others = "FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()"
        for (number,) in await self._rows(f"SELECT ID {others}"):
            with contextlib.suppress(Exception):  # it is gone already
                await self._rows(f"KILL {int(number)}")

    # -- afterwards ------------------------------------------------------------------------------------------------

    async def _rows(self, text: str) -> list[tuple[int, ...]]:
        assert self._urls.database_url
        database = Database(self._urls.database_url, timeout=10)
        try:
            return await database.fetch(text)
        finally:
            database.close()

    async def _judge(self, people: list[Person]) -> Verdict:
        """Wait until every device has heard all there is, or nothing more comes."""
        ends = {one.id: 0 for one in people}
        ends |= dict(await self._rows("SELECT user_id, last_seq FROM user_stream"))  # type: ignore[arg-type]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_WITHIN):
                while any(len(device.pushes) < ends[device.user_id] for device in self.history.devices):
                    await asyncio.sleep(0.05)
        rows = await self._rows("SELECT low_id, high_id, seq, sender_id, random_id, body FROM message")
        unrested = [
            await self._is_at_work(running.url, before)
            for running, before in zip(self._processes, self._before, strict=True)
        ]
        return judge(self.history, rows, ends, sum(unrested))  # type: ignore[arg-type]

    async def _is_at_work(self, url: str, before: dict[str, float]) -> bool:
        """Tell whether a process still has work, or more than before all faults, after it had time to finish."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while not _is_at_rest(await _metrics(url), before):
                    await asyncio.sleep(0.1)
                return False
        return True


def _is_at_rest(now: dict[str, float], before: dict[str, float]) -> bool:
    return (
        not any(value for name, value in now.items() if name.startswith(_AT_REST))
        and now[_TASKS] <= before[_TASKS] + _MORE_TASKS
        and now[_MEMORY] <= before[_MEMORY] + _MORE_MEMORY
    )


async def _metrics(url: str) -> dict[str, float]:
    """Return what a process says of itself."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    told = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {f"{name} ": float(value) for name, _, value in told}

"""The ground that tests stand on: one private MariaDB and Redis for all, an empty world and a server for each."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server import logs
from server.config import Log
from server.embedded import PrivateServers, Urls
from server.outside import towns
from sql.database import Database
from sql.migration import migrate
from tests.ground import pushed
from tests.ground.clock import FakeClock
from tests.ground.faults import breaker  # noqa: F401  (a fixture)
from tests.ground.photos import give_photo
from tests.ground.program import prepared, start_program  # noqa: F401  (fixtures)
from tests.ground.recorders import LogRecorder
from tests.ground.server import Person, RunningServer, config_for
from tests.ground.worlds import Worlds

People = Callable[..., Awaitable[Person]]
Start = Callable[..., Awaitable[RunningServer]]

LARGEST_TOWNS = 100_000
"""Tests know the towns of so many people only; that takes a third of the time."""

PROFILES: dict[str, dict[str, Any]] = {
    "alice": {"gender": "female", "age": 28, "gps": {"lat": 48.8566, "lon": 2.3522}, "tags": ["tea", "books"]},
    "bob": {"gender": "male", "age": 30, "gps": {"lat": 48.8606, "lon": 2.3376}, "tags": ["tea", "chess"]},
    "carol": {"gender": "female", "age": 35, "gps": {"lat": 45.7640, "lon": 4.8357}, "tags": ["chess"]},
    "mallory": {"gender": "male", "age": 40, "gps": {"lat": 48.8566, "lon": 2.3522}, "tags": ["locks"]},
}


def pytest_configure(config: pytest.Config) -> None:
    logs.configure(Log(level="debug"))
    pushed.watch()
    config.addinivalue_line("markers", "config(**sections): options of the server under test, section={key: value}")


@pytest.fixture(autouse=True)
def pushes_are_declared() -> Iterator[None]:
    """An event that pushes something says so where it is declared: `@event("…", pushes=("…",))`."""
    yield
    assert not pushed.take_undeclared(), "not declared"


def pytest_collection_finish() -> None:
    """What is there now stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def private_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrivateServers, Urls]]:
    """MariaDB and Redis for the whole run; nothing on them outlives it, so nothing is forced to the disk."""
    servers = PrivateServers()
    urls = servers.start(tmp_path_factory.mktemp("servers"), database=True, redis=True, durable=False)
    assert urls.migrate_url
    asyncio.run(migrate(urls.migrate_url))
    assert urls.database_url
    asyncio.run(towns.load(urls.database_url, fewest=LARGEST_TOWNS))
    yield servers, urls
    servers.stop()


@pytest_asyncio.fixture
async def empty_world(private_servers: tuple[PrivateServers, Urls]) -> Urls:
    """Nobody has ever been here."""
    _, urls = private_servers
    assert urls.database_url
    assert urls.redis_url
    database = Database(urls.database_url, timeout=10)
    for (table,) in await database.fetch("SHOW TABLES"):
        if not table.startswith(("migration", "town")):
            await database.fetch(f"DELETE FROM `{table}`")
    database.close()
    async with Redis.from_url(urls.redis_url) as redis:
        await redis.flushall()
    return urls


@pytest_asyncio.fixture
async def start_server(
    request: pytest.FixtureRequest,
    private_servers: tuple[PrivateServers, Urls],
    empty_world: Urls,
    tmp_path: Path,
) -> AsyncIterator[Start]:
    """`await start_server()` starts one more server process on the same database and Redis."""
    marker = request.node.get_closest_marker("config")
    options = marker.kwargs if marker else {}
    clock = FakeClock()
    logs.seldom.forget()
    async with AsyncExitStack() as stack:
        recorder = stack.enter_context(LogRecorder())

        async def start(**more: dict[str, Any]) -> RunningServer:
            config = config_for(empty_world, tmp_path / "data", **(options | more))
            running = RunningServer(config, clock, private_servers[0], recorder.records)
            return await stack.enter_async_context(running.serving())

        yield start


@pytest_asyncio.fixture
async def worlds(private_servers: tuple[PrivateServers, Urls], empty_world: Urls, tmp_path: Path) -> Worlds:
    """A past, and as many futures of it as a test likes."""
    return Worlds(config_for(empty_world, tmp_path / "data"), private_servers[0], [])


@pytest_asyncio.fixture
async def server(start_server: Start) -> RunningServer:
    """The server under test."""
    return await start_server()


@pytest_asyncio.fixture
async def people(server: RunningServer) -> AsyncIterator[People]:
    """`await people("dave", age=40)` registers, verifies and signs in somebody, with a photo unless `photo=False`."""
    async with AsyncExitStack() as stack:

        async def join(login: str, *, photo: bool = True, **profile: Any) -> Person:
            person = Person(server.url, login)
            stack.push_async_callback(person.close)
            await person.join(server.mails, **(PROFILES.get(login, {"age": 30}) | profile))
            if photo:
                await give_photo(server, person.id)
            return person

        yield join


@pytest_asyncio.fixture
async def alice(people: People) -> Person:
    return await people("alice")


@pytest_asyncio.fixture
async def bob(people: People) -> Person:
    return await people("bob")


@pytest_asyncio.fixture
async def carol(people: People) -> Person:
    return await people("carol")


@pytest_asyncio.fixture
async def mallory(people: People) -> Person:
    """A stranger."""
    return await people("mallory")


@pytest_asyncio.fixture
async def connected(alice: Person, bob: Person) -> tuple[Person, Person]:
    """Alice and Bob like each other."""
    await alice.relation.like(bob.id)
    await bob.relation.like(alice.id)
    return alice, bob


@pytest_asyncio.fixture
async def talking(connected: tuple[Person, Person]) -> tuple[Person, Person]:
    """Alice and Bob have written to each other and not read it: a further message brings nothing but itself."""
    for one, other in (connected, connected[::-1]):
        await one.message.send(other.id, "hello")
    return connected

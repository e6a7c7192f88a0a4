"""One server for all tests of a module; where a test needs other options or the world for itself, one of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from server.embedded import PrivateServers, Urls
from tests.contract.world import Person, World, builder

Build = Callable[..., Awaitable[World]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    private_servers: tuple[PrivateServers, Urls], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield await builder(private_servers, tmp_path_factory.mktemp("data"), stack)()


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_world: World) -> AsyncIterator[World]:
    """The server of this module; other tests' people are there too."""
    yield shared_world
    await shared_world.leave()


@pytest_asyncio.fixture(loop_scope="module")
async def build(
    private_servers: tuple[PrivateServers, Urls], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Build]:
    """`await build(limits={"scale": 1.0})` starts a server in an empty world (and empties that of the module)."""
    async with AsyncExitStack() as stack:
        yield builder(private_servers, tmp_path_factory.mktemp("data"), stack)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def somebody(shared_world: World) -> Person:
    """A person of the module whom no test changes in a way that matters."""
    return await shared_world.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(shared_world: World) -> Person:
    """Another one."""
    return await shared_world.join()


@pytest.fixture(params=["socket", "http"])
def way(request: pytest.FixtureRequest) -> Any:
    """How a person calls."""
    return request.param

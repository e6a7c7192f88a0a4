"""What attackers need: raw sockets, and a healthy pair that must not notice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from tests.ground.answers import ok
from tests.ground.healthy import HealthyPair
from tests.ground.raw import ABSENT, RawSocket

Dial = Callable[..., Awaitable[RawSocket]]
Settle = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def dial(server: Any) -> AsyncIterator[Dial]:
    """`await dial(person)` opens a raw socket signed in as that person; `await dial()` an anonymous one."""
    async with AsyncExitStack() as sockets:

        async def open_socket(person: Any = None, **options: Any) -> RawSocket:
            auth = options.pop("auth", ABSENT if person is None else {"token": person.token})
            return await sockets.enter_async_context(await RawSocket.open(server.url, auth=auth, **options))

        yield open_socket


@pytest_asyncio.fixture
async def settle(people: Any, dial: Dial) -> Settle:
    """`await settle("anna", **profile)` is `people`, with anything of a profile, names too, saved afterwards."""

    async def join_and_save(login: str, **profile: Any) -> Any:
        person = await people(login)
        ok(await (await dial(person)).call("user/save_profile", profile))
        return person

    return join_and_save


@pytest_asyncio.fixture
async def healthy(server: Any, connected: Any) -> AsyncIterator[HealthyPair]:
    """Alice and bob chat during the whole test, and fail it when they are disturbed."""
    async with HealthyPair(server.url, *connected) as pair:
        yield pair

"""Two processes of the server on one database: from either, the same."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.embedded import PrivateServers, Urls
from tests.contract.client import Socket
from tests.contract.conftest import Build
from tests.contract.world import Person, World, builder

pytestmark = pytest.mark.asyncio(loop_scope="module")


def there(person: Person, world: World) -> Person:
    """Return the same person at another process."""
    return Person(world, person.login, person.mail, person.password, person.id, person.token)


async def test_what_is_done_at_one_process_is_told_at_the_other(build: Build) -> None:
    one = await build()
    two = await build(beside=True)
    me, other = await one.couple()
    socket = await there(other, two).open()
    await socket.ok("presence/watch", user_ids=[me.id])
    await me.ok("message/send", **other.target, random_id=1, message="hello over there")
    assert (await socket.push("message/new"))["message"]["message"] == "hello over there"
    await me.ok("message/typing", **other.target)
    assert await socket.push("message/typing") == {"user_id": me.id}
    await me.ok("user/set_offline")
    assert (await socket.push("presence", user_id=me.id, online=False))["online"] is False
    await me.ok("user/block", **other.target)
    await socket.push("connection", state="closed")
    await socket.refused(400, "not_found", "profile", **me.target)


async def test_a_session_ended_at_one_process_ends_at_the_other(build: Build) -> None:
    one = await build()
    two = await build(beside=True)
    person = await one.join(photo=False)
    socket = await there(person, two).open()
    await person.http.ok("user/logout")
    assert await socket.closed() == "server disconnect"
    assert [goodbye["reason"] for goodbye in socket.seen("goodbye")] == ["session_ended"]
    await there(person, two).http.refused(401, "session_ended", "user/me")


async def test_a_server_that_stops_says_goodbye_and_when_to_come_back(
    private_servers: tuple[PrivateServers, Urls], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        world = await builder(private_servers, tmp_path, stack)()
        person = await world.join(photo=False)
        socket = await Socket(world.url).open({"token": person.token})
    assert await socket.closed() != "server disconnect"  # the transport is closed: stock clients come back
    [goodbye] = socket.seen("goodbye")
    assert goodbye["reason"] == "draining" and goodbye["retry_after"] >= 0
    await socket.close()

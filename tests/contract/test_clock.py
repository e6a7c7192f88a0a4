"""What ends by itself: sessions, links, sockets that nobody signed in. A server of its own for each test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from tests.contract.client import NOTHING, Gone, refused
from tests.contract.conftest import Build
from tests.contract.world import DAY, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEW_PASSWORD = "four blue lanterns"


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(build: Build) -> AsyncIterator[World]:
    yield await build(socket={"anonymous_timeout": 0.5})


async def test_an_anonymous_socket_is_closed_after_a_while_unless_it_works(impatient: World) -> None:
    person = await impatient.join(photo=False)
    idle, busy, signed_in = await impatient.open(), await impatient.open(), await person.open()
    async with asyncio.timeout(5):
        while idle.reason is None:
            assert (await busy.ok("user/me", token=person.token))["user_id"] == person.id
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(idle.closed(), 0.1)
    assert [goodbye["reason"] for goodbye in idle.seen("goodbye")] == ["idle"]
    assert idle.reason != "server disconnect"  # the transport is closed, so that stock clients come back
    await busy.closed()
    assert (await signed_in.ok("user/me"))["user_id"] == person.id


async def test_a_session_lasts_30_days_at_most_and_7_without_use(build: Build) -> None:
    world = await build()
    used, idle = await world.pair()
    for _ in range(4):
        world.clock.advance(6 * DAY)
        await _use(world, used)
    await idle.http.refused(401, "session_ended", "user/me")
    world.clock.advance(6 * DAY + 60)
    await used.http.refused(401, "session_ended", "user/me")
    fresh = await used.login_again()
    assert (await fresh.http.ok("user/me"))["user_id"] == used.id


async def _use(world: World, person: Person) -> None:
    """Use a session, and wait until that is noted, which may be after the answer."""
    async with asyncio.timeout(5):
        while True:
            [session] = (await person.http.ok("user/sessions"))["sessions"]
            if datetime.fromisoformat(session["last_seen"]) >= world.clock.now().replace(tzinfo=UTC, microsecond=0):
                return


async def test_a_session_that_ended_by_age_takes_its_socket_along(build: Build) -> None:
    world = await build()
    person = await world.join(photo=False)
    socket = await person.open()
    world.clock.advance(30 * DAY + 60)
    with contextlib.suppress(Gone):
        refused(await socket.send("user/me", NOTHING), 401, "session_ended")
    assert await socket.closed() == "server disconnect"


async def test_a_link_to_a_new_password_is_good_for_half_an_hour(build: Build) -> None:
    world = await build()
    person = await world.join(photo=False)
    for minutes, good in ((29, True), (31, False)):
        await world.http.ok("user/forgot_pass", mail=person.mail)
        link = await world.reset_link(person.mail)
        world.clock.advance(minutes * 60)
        answer = await world.http.answer("user/reset_pass", **link, new_pass=NEW_PASSWORD)
        assert (answer["code"] == 200) is good, (minutes, answer)
        assert good or answer["error"]["name"] == "invalid_link"

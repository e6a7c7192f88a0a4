"""Purge: the log forgets what is old or too much, and says so to whoever asks for it."""

import pytest

from client_sdk import Client, MessageNew
from tests.ground.answers import ok
from tests.ground.raw import RawSocket
from tests.ground.waiting import until

DAY = 86_400
FIVE = pytest.mark.config(delivery={"purge": 0.05, "keep": 5, "keep_days": 3650})
DAYS = pytest.mark.config(delivery={"purge": 0.05, "keep_days": 2}, session={"idle_days": 30})


async def kept(server, person):
    rows = await server.database.fetch("SELECT seq FROM user_event WHERE user_id = %s ORDER BY seq", person.id)
    return [seq for (seq,) in rows]


async def write(talking, number):
    alice, bob = talking
    for text in range(number):
        await alice.message.send(bob.id, f"{text}")


@FIVE
async def test_of_each_person_so_many_pushes_are_kept_the_newest(server, talking):
    _, bob = talking
    await write(talking, 12)
    newest = (await bob.sync.since(None)).cursor
    await until(lambda: _holds(server, bob, list(range(newest - 4, newest + 1))))
    assert [event.data["seq"] for event in await bob.sync.since(newest - 5)] == list(range(newest - 4, newest + 1))


async def _holds(server, person, numbers):
    return await kept(server, person) == numbers


@DAYS
async def test_what_is_too_old_goes_whoever_it_is_for_and_the_rest_stays(server, talking):
    alice, bob = talking
    old = (await bob.sync.since(None)).cursor
    server.clock.advance(3 * DAY)
    await write(talking, 2)
    await until(lambda: _holds(server, bob, [old + 1, old + 2]))
    assert not set(await kept(server, alice)) & set(range(1, old))
    assert (await bob.sync.since(old)).cursor == old + 2


@FIVE
async def test_who_comes_back_too_late_is_told_to_read_all_anew_never_a_part(server, talking):
    _, bob = talking
    await write(talking, 12)
    newest = (await bob.sync.since(None)).cursor
    await until(lambda: _holds(server, bob, list(range(newest - 4, newest + 1))))
    async with await RawSocket.open(server.url, auth={"token": bob.token, "cursor": newest - 6}) as socket:
        assert ok(await socket.call("sync", {"cursor": newest - 6})) == {"resync": True, "cursor": newest}
        assert ok(await socket.call("sync", {"cursor": newest + 1})) == {"resync": True, "cursor": newest}
        first = await socket.push("void")
        assert first["seq"] > newest - 5, "a hole: it asks, and is told"


@FIVE
async def test_who_is_here_hears_all_that_is_new_while_the_old_goes(talking):
    alice, bob = talking
    start = (await bob.sync.since(None)).cursor
    async with Client(bob.url, token=bob.token, cursor=start) as device:
        heard = device.events(MessageNew)
        for number in range(40):
            await alice.message.send(bob.id, f"{number}")
        assert [(await anext(heard)).seq for _ in range(40)] == list(range(start + 1, start + 41))

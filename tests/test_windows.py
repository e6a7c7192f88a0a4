"""Windows: exact counts of what happened lately, whoever counts; what cannot be counted is refused."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from server.app import SERVICES
from server.wire.errors import RateLimited, Unavailable

WINDOW = 60.0


@pytest.fixture
def windows(server):
    return server.app[SERVICES].windows


async def passes(windows, times, *, limit, key="door"):
    """Try so many times at once; return how many got through."""
    tries = (windows.hit(key, limit=limit, window=WINDOW) for _ in range(times))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {RateLimited}
    return len([outcome for outcome in outcomes if not isinstance(outcome, Exception)])


async def wait_of(windows, *, limit):
    """Return after how many seconds one who is refused may come back."""
    with pytest.raises(RateLimited) as refusal:
        await windows.hit("door", limit=limit, window=WINDOW)
    return refusal.value.answer()["error"]["retry_after"]


async def test_of_100_at_once_exactly_as_many_pass_as_may(windows, start_server):
    other = (await start_server()).app[SERVICES].windows
    passed = await asyncio.gather(passes(windows, 50, limit=10), passes(other, 50, limit=10))
    assert sum(passed) == 10
    assert await passes(windows, 1, limit=10) + await passes(other, 1, limit=10) == 0


async def test_each_key_has_a_window_of_its_own(windows):
    assert [await passes(windows, 20, limit=limit, key=f"door {limit}") for limit in (1, 5, 10)] == [1, 5, 10]


async def test_a_window_slides(server, windows):
    """Three pass at first and two half a window later: the three places are free again half a window before the two."""
    assert await passes(windows, 3, limit=5) == 3
    server.clock.advance(WINDOW / 2)
    assert await passes(windows, 9, limit=5) == 2
    server.clock.advance(WINDOW / 2 - 1)
    assert await passes(windows, 9, limit=5) == 0
    server.clock.advance(1)
    assert await passes(windows, 9, limit=5) == 3
    server.clock.advance(WINDOW / 2)
    assert await passes(windows, 9, limit=5) == 2


async def test_who_is_refused_is_told_when_the_oldest_leaves_and_does_not_put_that_off(server, windows):
    assert await passes(windows, 1, limit=2) == 1
    server.clock.advance(20)
    assert await passes(windows, 1, limit=2) == 1
    assert await wait_of(windows, limit=2) in (39, 40)
    server.clock.advance(39)
    for _ in range(20):
        assert await wait_of(windows, limit=2) == 1
    server.clock.advance(1)
    assert await passes(windows, 9, limit=2) == 1


@pytest.mark.parametrize("limit", [0, -1])
async def test_where_nothing_may_pass_nothing_does(windows, limit):
    assert await passes(windows, 5, limit=limit) == 0
    assert await wait_of(windows, limit=limit) == WINDOW


async def test_what_is_taken_back_was_not_counted(windows):
    hits = [await windows.hit("door", limit=5, window=WINDOW) for _ in range(5)]
    other = await windows.hit("other door", limit=5, window=WINDOW)
    await windows.take_back(*hits[1:3], other)
    assert await passes(windows, 9, limit=5) == 2
    await windows.take_back(*hits[1:3])
    assert await passes(windows, 9, limit=5) == 0, "nothing is taken back twice"


async def test_what_is_remembered_is_remembered_for_a_while(server, windows):
    await windows.remember("a face", seconds=100)
    assert await windows.is_remembered("a face")
    assert not await windows.is_remembered("another face")
    async with Redis.from_url(server.redis_url) as redis:
        assert 99_000 < await redis.pttl("known:a face") <= 100_000


async def test_windows_do_not_outlive_what_they_count(server, windows):
    await passes(windows, 3, limit=2)
    async with Redis.from_url(server.redis_url) as redis:
        assert WINDOW * 1000 - 1000 < await redis.pttl("window:door") <= WINDOW * 1000
        await redis.flushall()
        await redis.script_flush()
    assert await passes(windows, 3, limit=2) == 2, "Redis was begun anew"


@pytest.mark.config(redis={"timeout": 0.2})
async def test_with_redis_frozen_all_is_refused_in_time_and_later_counted_as_ever(server, windows):
    hit = await windows.hit("door", limit=2, window=WINDOW)
    await windows.remember("a face", seconds=100)
    async with server.redis_down():
        started = time.monotonic()
        for ask in (
            lambda: windows.hit("another door", limit=2, window=WINDOW),
            lambda: windows.take_back(hit),
            lambda: windows.remember("another face", seconds=100),
            lambda: windows.is_remembered("a face"),
        ):
            outcomes = await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
        assert time.monotonic() - started < 4 * 0.2 + 0.5
    answers = [await windows.is_remembered(face) for face in ("a face", "nobody's face") for _ in range(5)]
    assert answers == [True] * 5 + [False] * 5, "no answer goes to another question"
    assert await passes(windows, 9, limit=2, key="third door") == 2

"""A crowd: what many do at once is done in rounds, and each hears how its round went."""

import asyncio

import pytest

from server.ephemeral.crowd import Crowd


async def test_who_comes_while_a_round_is_under_way_goes_with_the_next():
    rounds, go = [], asyncio.Event()

    async def act(now):
        rounds.append(now)
        await go.wait()

    crowd = Crowd(act)
    first = asyncio.create_task(crowd.join("first"))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(crowd.join(number)) for number in range(300)]
    await asyncio.sleep(0.01)
    assert rounds == [["first"]]
    go.set()
    await asyncio.gather(first, *others)
    assert [len(one) for one in rounds] == [1, 256, 44]


async def test_a_fault_is_told_to_all_of_its_round_and_to_nobody_else():
    async def act(now):
        if "bad" in now:
            raise OSError("no")

    crowd = Crowd(act)
    results = await asyncio.gather(crowd.join("bad"), crowd.join("beside it"), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    await crowd.join("good")


async def test_who_is_cut_off_does_not_keep_the_others_waiting():
    go = asyncio.Event()

    async def act(now):
        await go.wait()

    crowd = Crowd(act)
    left, stays = asyncio.create_task(crowd.join("left")), asyncio.create_task(crowd.join("stays"))
    await asyncio.sleep(0.01)
    left.cancel()
    go.set()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await left

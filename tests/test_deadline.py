"""Deadlines: many of one length on one timer, each as `asyncio.timeout` would be."""

import asyncio

import pytest

from server.deadline import Deadlines


async def test_who_is_late_is_cut_off_and_who_is_not_goes_on():
    deadlines, done = Deadlines(0.05), []

    async def work(seconds):
        with deadlines.begin():
            await asyncio.sleep(seconds)
            done.append(seconds)

    late = [asyncio.create_task(work(5)) for _ in range(3)]
    await asyncio.sleep(0.02)
    prompt = asyncio.create_task(work(0.01))
    results = await asyncio.gather(*late, prompt, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError] * 3 + [type(None)]
    assert done == [0.01]
    with pytest.raises(TimeoutError):
        await work(5)


async def test_what_led_to_it_is_kept():
    async def commit():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError as cut:
            cut.add_note("while committing")
            raise

    with pytest.raises(TimeoutError) as caught, Deadlines(0.01).begin():
        await commit()
    assert caught.value.__cause__.__notes__ == ["while committing"]


async def test_a_cancellation_from_elsewhere_stays_one():
    deadlines = Deadlines(5)

    async def work():
        with deadlines.begin():
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_can_be_used_again_after_it_was_missed():
    deadlines = Deadlines(0.01)
    for _ in range(2):
        with pytest.raises(TimeoutError), deadlines.begin():
            await asyncio.sleep(5)
        with deadlines.begin():
            await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0

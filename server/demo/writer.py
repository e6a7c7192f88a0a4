"""The writer: makes invented people in processes beside this one, which only count.

Each block of people is one transaction over all tables, and the block of person 0 is the last one: what was cut off
has whole blocks and gaps, and the same command fills the gaps.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from server.demo import portraits
from server.demo.errors import DemoError
from server.demo.identity import BLOCK, person_id
from sql.bulk import Bulk, NotWritten

_PR_SET_PDEATHSIG: Final = 1


class Plan(NamedTuple):
    """What a process that writes must know."""

    url: str
    seed: int
    users: int
    pool: Path
    password_hash: str
    now: datetime


def is_unfinished(bulk: Bulk, seed: int, users: int) -> bool:
    """Tell whether the people of a first start are to be made: nobody is there, or some of them without person 0."""
    if bulk.is_empty():
        return True
    return not bulk.list_there([person_id(seed, 0)]) and bool(bulk.list_there(_first_ids(seed, users)))


def refuse_strangers(bulk: Bulk, seed: int, users: int) -> None:
    """Refuse a database that has other people than these. Raises DemoError."""
    if not bulk.is_empty() and not bulk.list_there(_first_ids(seed, users)):
        raise DemoError(
            f"There are people in this database, and none of those that seed {seed} stands for: invented ones are made "
            "only where nobody else has been first. Take an empty data folder (MATCHA_SERVER_DATA), or their seed."
        )


def known_hash(bulk: Bulk, seed: int, users: int) -> str | None:
    """Return the hash of the password that those who are there already have."""
    there = bulk.list_there(_first_ids(seed, users))
    return bulk.get_hash(min(there)) if there else None


def _first_ids(seed: int, users: int) -> list[int]:
    return [person_id(seed, start) for start in range(0, users, BLOCK)]


async def fill(plan: Plan, *, tick: Callable[[int], object]) -> int:
    """Make all people who are not there yet, and return how many were made; `tick` hears of each block done.

    Raises DemoError. Cut off, it leaves what was made.
    """
    first, *others = range(0, plan.users, BLOCK)
    made = 0
    try:
        async with _workers(plan, count=min(os.cpu_count() or 1, len(others) or 1)) as workers:
            for starts in (others, [first]):
                async for people, added in _written(workers, starts):
                    made += added
                    tick(people)
    except BrokenProcessPool:
        raise DemoError("A process that made people has died. The same command goes on where it was.") from None
    except NotWritten as fault:
        raise DemoError(f"The database did not take them: {fault}. The same command goes on where it was.") from None
    return made


async def _written(workers: ProcessPoolExecutor, starts: Sequence[int]) -> AsyncIterator[tuple[int, int]]:
    loop = asyncio.get_running_loop()
    for done in asyncio.as_completed([loop.run_in_executor(workers, _write, start) for start in starts]):
        yield await done


@asynccontextmanager
async def _workers(plan: Plan, *, count: int) -> AsyncIterator[ProcessPoolExecutor]:
    """Fresh processes: they need memory that this one is not to keep."""
    spawn = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(count, mp_context=spawn, initializer=_begin, initargs=(plan, os.getpid()))
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)  # what is being written is finished, what was not begun is not


# -- in a worker -------------------------------------------------------------------------------------------------------

_write_block: Callable[[int], tuple[int, int]]
"""Writes those of a block who are not there yet; returns how many the block has, and how many were written."""


def _begin(plan: Plan, parent: int) -> None:
    global _write_block
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who counts
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    from server.demo.geography import columns, snapper
    from server.demo.population import Population

    bulk = Bulk(plan.url)
    towns = bulk.list_towns()
    people = Population(
        plan.seed,
        towns=columns(towns),
        snap=snapper(towns),
        portraits=portraits.read(plan.pool),
        password_hash=plan.password_hash,
        now=plan.now,
    )

    def write_block(start: int) -> tuple[int, int]:
        stop = min(start + BLOCK, plan.users)
        there = bulk.list_between(person_id(plan.seed, start), person_id(plan.seed, stop - 1))
        if len(there) < stop - start:
            bulk.insert(people.rows(start, stop).without(there))
        return stop - start, stop - start - len(there)

    _write_block = write_block


def _write(start: int) -> tuple[int, int]:
    return _write_block(start)

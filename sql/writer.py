"""The group commit: what many do at once is written in one transaction, while the next ones queue up for the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, Protocol

from server.tally import SIZES, Histogram
from sql.database import Conflict, Database, DatabaseDown
from sql.transaction import COMMITTING, CommitUnknown, Outcome, Tx, transact

_LARGEST = 256
_ABREAST = 2
"""While the database is at one batch, the process gets the other ready, if so many wait that it is worth it."""
_MANY = 128
_OLDEST = {False: 0.5, True: 0.9}
"""Who has waited for this share of what an event may wait for the database is refused: too much waits.

The second is for those who are written apart, and may have waited for a lock before.
"""


class Draft(Protocol):
    """What somebody wants to be written; drafts with the same key are written in the order they came."""

    @property
    def key(self) -> Hashable:
        """What it is locked by, for instance a conversation."""


class Busy(Exception):
    """Somebody else holds what a draft needs: it is written apart from the others, where it may wait for it."""


Work = Callable[[Any, list[Any], bool], Awaitable[Sequence[Any]]]
"""Writes drafts in a transaction, and returns for each what came of it, or why it is refused.

Told not to wait, it gives `Busy` where it would have to; told to, all drafts have the same key.
"""


class _Entry:
    """A draft on its way, and who waits for it."""

    __slots__ = ("begun", "draft", "result", "since")

    def __init__(self, draft: Draft, loop: asyncio.AbstractEventLoop) -> None:
        self.draft = draft
        self.result: asyncio.Future[Any] = loop.create_future()
        self.since = loop.time()
        self.begun = False

    def end(self, result: Any) -> None:
        """Give what came of it to who waits, if they still do."""
        if self.result.done():
            return
        if isinstance(result, BaseException):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


Write = Callable[[list[_Entry]], Awaitable[None]]


class Writer:
    """Runs one batch of a kind at a time, or two, with no timer: who comes meanwhile is in the next one."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], random: Random, enter: Callable[[Tx], Any]
    ) -> None:
        self.tell: Callable[[Outcome], None] = lambda outcome: None
        """Called with what a commit means for those who are connected; must not raise."""
        self.sizes = Histogram(SIZES)
        """How many drafts were written at a time."""
        self._database = database
        self._now = now
        self._random = random
        self._enter = enter
        self._lanes: dict[Work, _Lane] = {}
        self._apart: dict[tuple[Work, Hashable], _Lane] = {}

    async def write(self, work: Work, draft: Draft) -> Any:
        """Return what came of a draft. Raises what it was refused with, DatabaseDown, CommitUnknown."""
        entry = _Entry(draft, asyncio.get_running_loop())
        self._lane_of(work, draft.key).put(entry)
        try:
            return await entry.result
        except asyncio.CancelledError as cut:
            if entry.begun:
                cut.add_note(COMMITTING)
            raise
        finally:
            del entry  # it holds what was refused with, which leads back here: only a collection would find them

    @property
    def waiting(self) -> int:
        """How many drafts wait for their batch."""
        return sum(len(lane) for lane in (*self._lanes.values(), *self._apart.values()))

    def _lane_of(self, work: Work, key: Hashable) -> "_Lane":
        if self._apart and (lane := self._apart.get((work, key))):
            return lane
        if work not in self._lanes:
            self._lanes[work] = _Lane(partial(self._write, work, False), abreast=_ABREAST)
        return self._lanes[work]

    async def _write(self, work: Work, wait: bool, entries: list[_Entry]) -> None:
        """Write a batch, whatever it takes: what some of it meets is not to hurt the rest."""
        if not wait:
            entries = self._without_those_apart(work, entries)
        if not (entries := self._in_time(entries, wait)):
            return
        loop, drafts = asyncio.get_running_loop(), [entry.draft for entry in entries]
        within = self._database.timeout - (loop.time() - min(entry.since for entry in entries))
        self.sizes.note(len(drafts))
        try:
            results, outcome = await transact(
                self._database,
                self._now(),
                lambda tx: work(self._enter(tx), drafts, wait),
                random=self._random,
                within=within,
                waits_again=wait,
            )
        except Conflict:
            self._set_apart(work, entries)
        except (DatabaseDown, CommitUnknown) as fault:
            for entry in entries:
                entry.end(type(fault)(str(fault)))
        except Exception as fault:
            await self._bisect(partial(self._write, work, wait), entries, fault)
        else:
            self.tell(outcome)
            self._end(work, entries, results)

    def _without_those_apart(self, work: Work, entries: list[_Entry]) -> list[_Entry]:
        """Whose conversation was set apart meanwhile comes after what waits there."""
        here: list[_Entry] = []
        for entry in entries:
            apart = self._apart.get((work, entry.draft.key))
            (apart.put if apart else here.append)(entry)
        return here

    def _in_time(self, entries: list[_Entry], wait: bool) -> list[_Entry]:
        """Return those who have not waited too long; the others are refused, so that all are answered in time."""
        oldest = asyncio.get_running_loop().time() - _OLDEST[wait] * self._database.timeout
        for entry in entries:
            if entry.since < oldest:
                entry.end(DatabaseDown("too much waits to be written"))
        return [entry for entry in entries if entry.since >= oldest]

    def _end(self, work: Work, entries: list[_Entry], results: Sequence[Any]) -> None:
        busy = []
        for entry, result in zip(entries, results, strict=True):
            if isinstance(result, Busy):
                busy.append(entry)
            else:
                entry.end(result)
        if busy:
            self._set_apart(work, busy)

    async def _bisect(self, write: Write, entries: list[_Entry], fault: Exception) -> None:
        """One of these can't be written: find it, and write the others."""
        if len(entries) == 1:
            entries[0].end(fault)
            return
        middle = len(entries) // 2
        await write(entries[:middle])
        await write(entries[middle:])

    def _set_apart(self, work: Work, entries: list[_Entry]) -> None:
        """Write each conversation by itself for as long as something of it waits."""
        for entry in entries:
            place = work, entry.draft.key
            if place not in self._apart:
                write = partial(self._write, work, True)
                self._apart[place] = _Lane(write, on_idle=partial(self._apart.pop, place, None))
            self._apart[place].put(entry)


class _Lane:
    """A queue whose entries are written batch by batch; what has the same key is never in two batches at a time."""

    def __init__(self, write: Write, *, abreast: int = 1, on_idle: Callable[[], object] = lambda: None) -> None:
        self._write = write
        self._abreast = abreast
        self._on_idle = on_idle
        self._waiting: deque[_Entry] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: set[Hashable] = set()
        """The keys of what is being written."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, entry: _Entry) -> None:
        """Have it written with the next batch."""
        entry.begun = False
        self._waiting.append(entry)
        if not self._tasks or (len(self._waiting) >= _MANY and len(self._tasks) < self._abreast):
            self._tasks.add(asyncio.get_running_loop().create_task(self._run()))

    async def _run(self) -> None:
        try:
            while batch := self._next():
                await self._run_one(batch)
        finally:  # at once, or who comes now would wait for a batch that never is
            self._tasks.discard(asyncio.current_task())
            if not self._tasks:
                self._on_idle()

    async def _run_one(self, batch: list[_Entry]) -> None:
        """Nobody is left without an answer, whatever happens."""
        keys = {entry.draft.key for entry in batch}
        self._under_way |= keys
        try:
            await self._write(batch)
        except Exception as fault:
            for entry in batch:
                entry.end(fault)
        except BaseException:
            for entry in (*batch, *self._waiting):
                entry.result.cancel()
            raise
        finally:
            self._under_way -= keys

    def _next(self) -> list[_Entry]:
        """Take the next ones, without those whom nobody waits for any more."""
        batch: list[_Entry] = []
        later: list[_Entry] = []
        while self._waiting and len(batch) < _LARGEST:
            entry = self._waiting.popleft()
            if entry.draft.key in self._under_way:
                later.append(entry)
            elif not entry.result.done():
                entry.begun = True
                batch.append(entry)
        self._waiting.extendleft(reversed(later))
        return batch

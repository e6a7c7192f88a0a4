"""Tx: one event's statements, the pushes it notes, and the commit that writes both or neither."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, NamedTuple, TypeVar

import pymysql

from server.wire.pushes import Kind, Logged, Push
from sql import stream
from sql.database import Asked, Conflict, Connection, Database, DatabaseDown, Lost, translate
from sql.driver import Answer
from sql.statement import Statement

R = TypeVar("R", bound=tuple[Any, ...])
T = TypeVar("T")

_ATTEMPTS = 5
COMMITTING = "cut off while committing"
"""What is noted on a cancellation that came when it was too late to undo everything for certain."""
_PATIENCE = 5
"""A commit whose fate is already called unknown is given so many times longer to end by itself."""


class CommitUnknown(Exception):
    """The connection broke off while committing: it may have happened or not."""


def is_unknown(fault: BaseException) -> bool:
    """Tell whether what was cut off by this may have been committed all the same."""
    return isinstance(fault, CommitUnknown) or COMMITTING in getattr(fault.__cause__, "__notes__", ())


class Ended(NamedTuple):
    """Sessions that end with this commit: one, or all of a user but `keep`."""

    user_id: int
    session_id: str | None = None
    keep: str | None = None


class Whisper(NamedTuple):
    """A push that is not in the log: it may be lost."""

    user_id: int
    name: str
    data: dict[str, Any]


class Told(NamedTuple):
    """A push as committed, with its data where the handler had it at hand."""

    user_id: int
    entry: Logged
    live: Any
    sight_epoch: int
    """How often something had left the user's sight by then."""


@dataclass(slots=True)
class Outcome:
    """What a commit means for those who are connected."""

    told: list[Told] = field(default_factory=list)
    whispers: list[Whisper] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    stale: set[int] = field(default_factory=set)
    mailed: bool = False
    moved: set[int] = field(default_factory=set)
    """People of whom those who watch them may see something else now."""


class Budget:
    """How long one event may still wait for the database, in seconds; what it does meanwhile is not counted."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    async def spend(self, work: Awaitable[T]) -> T:
        """Wait for the database. Raises TimeoutError when there is nothing left."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self.left):
                return await work
        finally:
            self.left -= clock() - started


class Tx:
    """One transaction. Plain reads before the first write borrow a connection each; from then on one is held."""

    def __init__(self, database: Database, *, now: datetime, budget: Budget) -> None:
        self.now = now
        self._database = database
        self._budget = budget
        self._connection: Connection | None = None
        self._pushes: list[tuple[int, Push, Any]] = []
        self._posted: list[Asked] = []
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] | None = None
        """What is asked while several ask together."""
        self.outcome = Outcome()

    async def one(self, statement: Statement, row: Callable[..., R], **values: Any) -> R | None:
        """Return the one row, or None."""
        _, rows = await self._run(statement, values)
        return row(*rows[0]) if rows else None

    async def many(self, statement: Statement, row: Callable[..., R], **values: Any) -> list[R]:
        """Return all rows."""
        _, rows = await self._run(statement, values)
        return [row(*columns) for columns in rows]

    async def rows(self, statement: Statement, **values: Any) -> tuple[tuple[Any, ...], ...]:
        """Return all rows as they come, where there are many."""
        _, rows = await self._run(statement, values)
        return rows

    async def scalar(self, statement: Statement, **values: Any) -> Any:
        """Return the first column of the one row, or None."""
        _, rows = await self._run(statement, values)
        return rows[0][0] if rows else None

    async def write(self, statement: Statement, **values: Any) -> int:
        """Return how many rows were touched."""
        touched, _ = await self._run(statement, values)
        return touched

    def post(self, statement: Statement, **values: Any) -> None:
        """Write together with the next statement that is waited for, where nothing hangs on what comes of it."""
        self._posted.append(statement.bind(values))

    async def together(self, *asks: Awaitable[Any]) -> list[Any]:
        """Return what comes of several acts, of which each asks one thing: all is asked at once, in this order.

        It is asked within the transaction, also what only reads.
        """
        waiting = self._waiting = []
        tasks = [asyncio.ensure_future(ask) for ask in asks]
        try:
            await asyncio.sleep(0)
            self._waiting = None
            answers = await self._send([asked for asked, _ in waiting])
            for (_, answer), came in zip(waiting, answers, strict=True):
                answer.set_result(came)
            return await asyncio.gather(*tasks)
        finally:
            self._waiting = None
            for task in tasks:
                task.cancel()

    def push(self, user_id: int, push: Push, live: Any = None) -> None:
        """Note what a user is to be told when this commits; `live` is the data, if it is known to be visible now."""
        self._pushes.append((user_id, push, live))

    def whisper(self, user_id: int, name: str, data: dict[str, Any]) -> None:
        """Note what a user is told when this commits, if connected; nothing keeps it."""
        self.outcome.whispers.append(Whisper(user_id, name, data))

    def end_sessions(self, ended: Ended) -> None:
        """Note that sessions end when this commits."""
        self.outcome.ended.append(ended)

    def mark_stale(self, *user_ids: int) -> None:
        """Note that these people may see less from now on: what is on its way to them is made anew."""
        self.outcome.stale.update(user_ids)

    async def commit(self) -> Outcome:
        """Write the log, commit, and return what is to be delivered. Raises CommitUnknown, Conflict, Lost."""
        if self._pushes or self.outcome.stale:
            self.outcome.told = await self._log()
        for ended in self.outcome.ended:
            self.post(stream.BUMP_EPOCH, user_id=ended.user_id, one=1)
        if self._posted:
            await self._send([])
        if self._connection:
            await self._finish(self._connection)
        return self.outcome

    async def _log(self) -> list[Told]:
        """Draw each receiver's next numbers and write the rows; last in the lock order, receivers ascending."""
        noted: dict[int, list[tuple[Push, Any]]] = defaultdict(list)
        for user_id, push, live in self._pushes:
            noted[user_id].append((push, live))
        receivers = sorted(noted)
        stale = self.outcome.stale
        moved = [(user_id, len(noted.get(user_id, ())), int(user_id in stale)) for user_id in sorted({*noted, *stale})]
        self.post(stream.ADVANCE, rows=moved)
        if not noted:
            return []
        newest = {row.user_id: row for row in await self.many(stream.LIST_NEWEST, stream.Newest, user_ids=receivers)}
        told = [
            Told(user_id, Logged(seq, self.now, push), live, newest[user_id].sight_epoch)
            for user_id in receivers
            for seq, (push, live) in enumerate(noted[user_id], newest[user_id].last_seq - len(noted[user_id]) + 1)
        ]
        self.post(stream.INSERT, rows=[(user_id, entry.seq, *entry.push, entry.at) for user_id, entry, _, _ in told])
        notices = [(one, one.entry.push) for one in told if one.entry.push.kind is Kind.NOTIFICATION]
        if notices:
            rows = [(one.user_id, push.number, push.other_id, one.entry.seq) for one, push in notices]
            self.post(stream.STAMP, rows=rows)
        return told

    async def _finish(self, connection: Connection) -> None:
        """Commit in a task of its own: neither a timeout nor a client that leaves may cut it in two."""
        self._connection = None
        task = asyncio.ensure_future(self._commit(connection))
        try:
            await self._budget.spend(asyncio.shield(task))
        except TimeoutError:
            task.add_done_callback(_seen)
            raise CommitUnknown("the database did not confirm the commit in time") from None
        except asyncio.CancelledError as cut:
            task.add_done_callback(_seen)
            cut.add_note(COMMITTING)
            raise

    async def _commit(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(_PATIENCE * self._database.timeout):
                await connection.command("COMMIT")
        except Exception as fault:
            self._database.discard(connection)
            meaning = translate(fault)
            if isinstance(meaning, Conflict):
                raise meaning from fault
            raise CommitUnknown(str(fault)) from fault
        self._database.release(connection)

    async def rollback(self) -> None:
        """Undo everything; harmless when nothing is open."""
        connection, self._connection = self._connection, None
        self._posted.clear()
        if connection is None:
            return
        finished = False
        try:
            async with asyncio.timeout(self._database.timeout):
                await connection.command("ROLLBACK")
            finished = True
        except (TimeoutError, OSError, EOFError, pymysql.err.Error):
            pass  # cutting the connection undoes it just as well
        finally:
            (self._database.release if finished else self._database.discard)(connection)

    async def _run(self, statement: Statement, values: dict[str, Any]) -> Answer:
        asked = statement.bind(values)
        if self._waiting is not None:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._waiting.append((asked, answer))
            return await answer
        if self._connection is None and statement.reads and not self._posted:
            return await self._spend(self._read(*asked))
        return (await self._send([asked]))[-1]

    async def _send(self, asked: list[Asked]) -> list[Answer]:
        """Send these with what was posted before, and return what came of these."""
        posted, self._posted = self._posted, []
        answers = await self._spend(self._run_within([*posted, *asked]))
        return answers[len(posted) :]

    async def _spend(self, work: Awaitable[T]) -> T:
        try:
            return await self._budget.spend(work)
        except TimeoutError:
            self._drop()
            raise DatabaseDown("the database did not answer in time") from None
        except Exception as fault:
            meaning = translate(fault)
            if isinstance(meaning, Lost):
                self._drop()
                self._database.forget()
            if meaning is fault:
                raise
            raise meaning from fault
        except BaseException:
            self._drop()
            raise

    async def _read(self, text: str, bound: list[Any]) -> Answer:
        async with self._database.borrowed() as connection:
            return await connection.run(text, bound)

    async def _run_within(self, asked: list[Asked]) -> list[Answer]:
        if self._connection is None:
            self._connection = await self._database.acquire()
        return await self._connection.run_within(*asked)

    def _drop(self) -> None:
        """A statement was cut off: its result may still be on the wire, so the connection goes."""
        if self._connection:
            self._database.discard(self._connection)
            self._connection = None


def _seen(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()


async def transact(
    database: Database,
    now: datetime,
    work: Callable[[Tx], Awaitable[T]],
    *,
    random: Random,
    within: float | None = None,
    waits_again: bool = True,
) -> tuple[T, Outcome]:
    """Run `work` in a transaction, again from the start if another one was in its way; `within` so many seconds.

    Raises DatabaseDown, CommitUnknown, and whatever `work` raises, which undoes everything; Conflict, if it is not to
    wait again, when it waited for a lock in vain.
    """
    budget = Budget(database.timeout if within is None else within)
    for attempt in range(1, _ATTEMPTS + 1):
        tx = Tx(database, now=now, budget=budget)
        try:
            return await work(tx), await tx.commit()
        except (Conflict, Lost) as fault:
            if isinstance(fault, Conflict) and fault.kind == "lock_wait" and not waits_again:
                raise
            if attempt == _ATTEMPTS:
                raise DatabaseDown(str(fault)) from fault
            database.retries[fault.kind if isinstance(fault, Conflict) else "lost"] += 1
        finally:
            await tx.rollback()
        await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # only now: nobody waits for what it has locked
    raise AssertionError("unreachable")

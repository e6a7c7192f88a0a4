"""The pool: connections that are either clean or gone, and never waited for without end."""

import asyncio
import ssl
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql.constants import COMMAND, CR, ER

from server.tally import SECONDS, Histogram
from sql.driver import Answer, Driver

CONFLICTS = {
    ER.LOCK_DEADLOCK: "deadlock",
    ER.LOCK_WAIT_TIMEOUT: "lock_wait",
    ER.CHECKREAD: "changed",
    ER.UNKNOWN_COM_ERROR: "cluster",
}
"""1213, 1205, 1020, 1047: nothing was done, and the whole transaction may be tried again."""
_LOST = frozenset({CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 1053, 1927, 4031})
# How many rows a range has is looked up in the index, however many ranges there are: an average says nothing of a
# place where everybody lives in a few cells, and the database would look at them all instead of at none.
_SESSION = (
    "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', group_concat_max_len = 1048576, eq_range_index_dive_limit = 0"
)
# MariaDB alone can do this: a process that froze in the middle of a transaction keeps nobody waiting for longer.
_IDLE = " /*M!100300 , idle_write_transaction_timeout = 5 */"
# And it alone makes a table of a long list after IN, and goes by that instead of by the index.
_LISTS = " /*M!100318 , in_predicate_conversion_threshold = 0 */"

_KEEP, _WITHIN = "SET autocommit = 1", "SET autocommit = 0"
_MULTI_STATEMENTS_OFF = (1).to_bytes(2, "little")


class DatabaseDown(Exception):
    """The database cannot be reached, or did not answer in time."""


class Lost(Exception):
    """The connection broke off; what was not committed is undone."""


class Conflict(Exception):
    """The database undid the transaction because of another one; `kind` says how they met."""

    def __init__(self, message: str, *, kind: str = "changed") -> None:
        super().__init__(message)
        self.kind = kind


class Duplicate(Exception):
    """A unique key is taken; `key` names it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.key = message.rsplit("'", 2)[-2].rsplit(".", 1)[-1]


def translate(fault: Exception) -> Exception:
    """Return what an error of the driver means to us; our own mistakes stay as they are."""
    number = fault.args[0] if fault.args else None
    if isinstance(fault, pymysql.IntegrityError) and number == ER.DUP_ENTRY:
        return Duplicate(str(fault.args[1]))
    if isinstance(fault, pymysql.err.Error) and number in CONFLICTS:
        return Conflict(str(fault), kind=CONFLICTS[number])
    if isinstance(fault, pymysql.err.Error) and number in _LOST:
        return Lost(str(fault))
    if isinstance(fault, (OSError, EOFError, pymysql.err.InterfaceError)):
        return Lost(str(fault))
    return fault


def connect_options(url: str) -> dict[str, Any]:
    """Return the driver's options for `mysql://user:password@host:port/name?unix_socket=/path&ssl=true`."""
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "db": parts.path.strip("/") or "matcha",
    }
    if "unix_socket" in query:
        options["unix_socket"] = query["unix_socket"]
    else:
        options |= {"host": parts.hostname or "localhost", "port": parts.port or 3306}
    if query.get("ssl") == "true":
        options["ssl"] = ssl.create_default_context()
    return options


Asked = tuple[str, list[Any]]
"""A statement and its values."""


class Connection:
    """One connection of the pool; used by one transaction at a time.

    A transaction begins with its first statement and ends with COMMIT or ROLLBACK: what is sent together and comes
    after a statement that undid everything must not be kept by itself.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._keeps = True
        """What is run is kept at once."""

    @classmethod
    async def open(cls, options: dict[str, Any], *, lock_wait: int) -> "Connection":
        """Connect, with the session set to what every statement here relies on."""
        connection = cls(await Driver.open(**options, charset="utf8mb4", autocommit=True))
        try:
            await connection.one_statement_only()
            await connection.command("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            await connection.command(f"SET SESSION {_SESSION}, innodb_lock_wait_timeout = {lock_wait:d}{_IDLE}{_LISTS}")
        except BaseException:
            connection.drop()
            raise
        return connection

    async def one_statement_only(self) -> None:
        """Forbid several statements in one text, which the driver always asks for: what slips in can't follow ours."""
        await self._driver._execute_command(COMMAND.COM_SET_OPTION, _MULTI_STATEMENTS_OFF)
        await self._driver._read_packet()

    async def command(self, text: str) -> None:
        """Send COMMIT, ROLLBACK and the like."""
        await self._ask([text])

    async def run(self, text: str, values: list[Any]) -> Answer:
        """Run a statement by itself; it is kept at once."""
        [answer] = await self._run([(text, values)], keep=True)
        return answer

    async def run_within(self, *asked: Asked) -> list[Answer]:
        """Run statements within the transaction, which are sent together; all are run, also after one that failed."""
        return await self._run(asked, keep=False)

    async def _run(self, asked: Sequence[Asked], *, keep: bool) -> list[Answer]:
        texts = [self._driver.text(text, values) for text, values in asked]
        if keep is self._keeps:
            return await self._ask(texts)
        self._keeps = keep
        return (await self._ask([_KEEP if keep else _WITHIN, *texts]))[1:]

    async def _ask(self, texts: list[str]) -> list[Answer]:
        answers = []
        for answer in await self._driver.ask(texts):
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        return answers

    def drop(self) -> None:
        """Cut the connection; the database undoes what was not committed."""
        self._driver.close()


class Database:
    """A pool of connections to one database; `timeout` is how long one event may wait for it in all, in seconds."""

    def __init__(self, url: str, *, size: int = 10, timeout: float = 1.8, lock_wait: int = 1) -> None:
        self.timeout = timeout
        self.size = size
        self.in_use = 0
        """How many connections are lent."""
        self.opened = 0
        """How many were opened so far."""
        self.waiting = 0
        """How many wait for one."""
        self.waits = Histogram(SECONDS)
        """How long those waited who had to."""
        self.retries: Counter[str] = Counter()
        """How many transactions were begun anew so far, by reason."""
        self._options = connect_options(url)
        self._lock_wait = lock_wait
        self._free = asyncio.Semaphore(size)
        self._idle: deque[Connection] = deque()
        self._closed = False

    async def acquire(self) -> Connection:
        """Return a connection of one's own. Raises DatabaseDown; the caller sets the time limit."""
        await (self._wait() if self._free.locked() else self._free.acquire())
        self.in_use += 1
        try:
            return self._idle.pop() if self._idle else await self._open()
        except BaseException:
            self._let_go()
            raise

    async def _wait(self) -> None:
        self.waiting += 1
        started = time.perf_counter()
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
            self.waits.note(time.perf_counter() - started)

    def _let_go(self) -> None:
        self.in_use -= 1
        self._free.release()

    async def _open(self) -> Connection:
        self.opened += 1
        try:
            return await Connection.open(self._options, lock_wait=self._lock_wait)
        except (OSError, EOFError, pymysql.err.OperationalError, pymysql.err.InterfaceError) as fault:
            raise DatabaseDown(str(fault)) from fault

    def release(self, connection: Connection) -> None:
        """Give back a connection on which nothing is under way."""
        self._let_go()
        if self._closed:
            connection.drop()
        else:
            self._idle.append(connection)

    def discard(self, connection: Connection) -> None:
        """Give back a connection that may be in any state: it is cut."""
        self._let_go()
        connection.drop()

    @property
    def idle(self) -> int:
        """How many open connections nobody uses."""
        return len(self._idle)

    def forget(self) -> None:
        """Cut all idle connections: the database that they led to is gone."""
        while self._idle:
            self._idle.pop().drop()

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[Connection]:
        """Lend a connection for one statement; one that was cut off in the middle is not given back."""
        connection = await self.acquire()
        try:
            yield connection
        except BaseException:
            self.discard(connection)
            raise
        self.release(connection)

    async def fetch(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement outside any transaction, for maintenance and tests. Raises TimeoutError."""
        async with asyncio.timeout(self.timeout), self.borrowed() as connection:
            _, rows = await connection.run(text, list(values))
            return list(rows)

    def close(self) -> None:
        """Cut every connection, now or when it is given back."""
        self._closed = True
        self.forget()

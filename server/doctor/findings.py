"""What the doctor finds, and what it looks at."""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from server.clock import Clock, Ids
from server.config import Config
from sql.database import Database
from sql.transaction import Tx, transact

T = TypeVar("T")


class Level(StrEnum):
    """How bad it is: something is wrong, or could be better."""

    WRONG = "wrong"
    ADVICE = "advice"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found: what it is, what follows from it, what to do."""

    check: str
    what: str
    meaning: str
    remedy: str
    level: Level = Level.WRONG


class Unseen(Exception):
    """A check could not look; the text says why."""


@dataclass(frozen=True)
class Bounds:
    """From where on something is worth telling."""

    sockets: int = 1000
    """People who may be connected at a time."""
    free_bytes: int = 2 << 30
    sync_seconds: float = 0.02
    skew_seconds: float = 5.0
    memory_share: float = 0.75
    late_minutes: float = 60.0
    tries: int = 4
    key_days: int = 400


@dataclass(frozen=True)
class Look:
    """All that the checks may look at."""

    config: Config
    database_url: str | None
    redis_url: str | None
    pid: int | None = None
    """The server that runs on the data folder."""
    dotenv: Path = Path(".env")
    fault: str | None = None
    """Why the private servers do not start."""
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.config.server.data

    @property
    def is_public(self) -> bool:
        """Whether others than this machine's users reach the server."""
        return not (_is_local(urlsplit(self.config.server.url).hostname) and _is_local(self.config.server.host))

    async def ask(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Ask the database. Raises Unseen where there is none, DatabaseDown."""
        if self.database_url is None:
            raise Unseen("the database does not run")
        database = Database(self.database_url, timeout=10)
        try:
            result, _ = await transact(database, Clock().now(), work, random=Ids().random)
        finally:
            database.close()
        return result


Check = Callable[[Look], AsyncIterator[Finding]]


def _is_local(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"

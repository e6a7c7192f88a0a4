"""The private servers together: claim the data folder, start, wait, watch, stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from server.embedded.child import Child
from server.embedded.errors import PrivateServerError
from server.embedded.folder import DataFolder
from server.embedded.mariadb import BUFFER_POOL, MariaDB, mariadb_url
from server.embedded.redis import Redis, redis_url

_log = structlog.get_logger(__name__)

_READY: Final = 600.0  # seconds: a database that was killed reads its log first
_REMIND: Final = 5.0  # seconds between two words that we still wait
_STOP: Final = 10.0  # seconds to end by itself
_ASK_AGAIN: Final = 0.5  # seconds between two requests to end
_LOOK: Final = 0.1  # seconds between two looks at the children
_LONGEST_PAUSE: Final = 10.0  # seconds before a child that keeps dying is started again
_STEADY: Final = 60.0  # seconds after which a child that died is given a fresh start


class Urls(NamedTuple):
    """Where the private servers are reached; None for one that was not asked for."""

    database_url: str | None
    redis_url: str | None
    migrate_url: str | None = None
    """The database again, by the account that may change tables."""


def urls_of(data: Path) -> Urls:
    """Return where the private servers of a server that runs on this data folder are reached, if it has any."""
    return Urls(mariadb_url(data), redis_url(data))


class _Kept:
    """A child, and when it was started and may be started again."""

    def __init__(self, server: MariaDB | Redis) -> None:
        self.server = server
        self.child = server.child()
        self.started = 0.0
        self.pause = _LOOK
        self.answered = False

    def start(self) -> None:
        self.started = time.monotonic()
        self.child.start()


class PrivateServers:
    """MariaDB and Redis of one data folder, as children of this process.

    Start them from the main thread. They end with this process even if it is killed.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Take a function that shows a line of progress to a person."""
        self._say = say
        self._data: DataFolder | None = None
        self._kept: list[_Kept] = []

    @property
    def children(self) -> list[Child]:
        """The processes."""
        return [kept.child for kept in self._kept]

    def start(
        self, data: Path, *, database: bool, redis: bool, durable: bool = True, buffer_pool: int = BUFFER_POOL
    ) -> Urls:
        """Start what is asked for, and return when it serves; raises PrivateServerError in words."""
        urls = self.launch(data, database=database, redis=redis, durable=durable, buffer_pool=buffer_pool)
        self.wait()
        return urls

    def claim(self, data: Path) -> DataFolder:
        """Make the data folder ours alone, or raise PrivateServerError saying who uses it; `launch` does so too."""
        if self._data is None:
            self._data = DataFolder(data, self._say)
        return self._data

    def launch(
        self, data: Path, *, database: bool, redis: bool, durable: bool = True, buffer_pool: int = BUFFER_POOL
    ) -> Urls:
        """Start what is asked for, without waiting until it serves."""
        folder = self.claim(data)
        try:
            mariadb = MariaDB(folder, durable=durable, buffer_pool=buffer_pool) if database else None
            redis_ = Redis(folder) if redis else None
            for server in (redis_, mariadb):
                if server is not None:
                    server.prepare(self._say)
                    self._kept.append(kept := _Kept(server))
                    kept.start()
        except BaseException:
            self.stop()
            raise
        return Urls(
            mariadb.url if mariadb else None,
            redis_.url if redis_ else None,
            mariadb.migrate_url if mariadb else None,
        )

    def wait(self) -> None:
        """Return when all that was launched serves; on failure all is stopped."""
        try:
            for kept in self._kept:
                self._wait_for(kept)
        except BaseException:
            self.stop()
            raise

    def _wait_for(self, kept: _Kept) -> None:
        begun = time.monotonic()
        remind = begun + _REMIND
        while not kept.server.answers():
            now = time.monotonic()
            if not kept.child.running:
                raise PrivateServerError(f"The private {kept.child.name} does not start: {kept.child.last_words()}")
            if now > begun + _READY:
                raise PrivateServerError(f"The private {kept.child.name} does not answer: {kept.child.last_words()}")
            if now > remind:
                remind = now + _REMIND
                self._say(f"Waiting for {kept.child.name}, {now - begun:.0f} s so far (see {kept.child.log}).")
            time.sleep(0.02)
        kept.answered = True

    async def watch(self) -> None:
        """Start again, for ever, what dies; a child that keeps dying after longer and longer pauses."""
        while True:
            await asyncio.sleep(_LOOK)
            for kept in self._kept:
                if not kept.child.running:
                    self._revive(kept)

    def _revive(self, kept: _Kept) -> None:
        lived = time.monotonic() - kept.started
        if lived >= _STEADY:
            kept.pause = _LOOK
        if lived < kept.pause:
            return
        kept.pause = min(kept.pause * 2, _LONGEST_PAUSE)
        _log.error("private server died, starting it again", name=kept.child.name, see=str(kept.child.log))
        try:
            kept.start()
        except PrivateServerError as error:
            _log.error("private server can't be started", name=kept.child.name, reason=str(error))

    def stop(self) -> None:
        """End all children, gently first, and release the data folder; does nothing a second time."""
        deadline = time.monotonic() + _STOP
        for kept in self._kept:
            # MariaDB forgets a signal that comes while it starts; what has not served yet has nothing to lose.
            (kept.child.terminate if kept.answered else kept.child.kill)()
        for child in self.children:
            while child.wait(_ASK_AGAIN) is None and time.monotonic() < deadline:
                child.terminate()
            if child.running:
                _log.warning("private server killed, it did not stop", name=child.name, see=str(child.log))
                child.kill()
        self._kept.clear()
        if self._data is not None:
            self._data.release()
            self._data = None

"""The terminal: what the commands stand on. Options, databases that are there while they work, faults in words."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from server.config import Config, ConfigError

if TYPE_CHECKING:
    from server.embedded import PrivateServers, Urls
    from sql.transaction import Tx

T = TypeVar("T")

# What takes long to import is imported where it is used: the private servers boot meanwhile.

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Nobody(Exception):
    """What the person at the terminal has named is not there."""


def load(path: Path | None) -> Config:
    """Read the configuration and begin to log, or end with status 2."""
    try:
        config = Config.load(path)
    except ConfigError as error:
        click.echo(error, err=True)
        sys.exit(2)
    from server import logs

    logs.configure(config.log)
    return config


@contextmanager
def in_words() -> Iterator[None]:
    """End with one sentence and status 1 on what the person at the terminal can put right, and with 0 on Ctrl-C."""
    from server.embedded import PrivateServerError
    from server.listen import ListenError

    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(0)
    except Exception as error:
        from server.backup import BackupError
        from server.demo.errors import DemoError
        from server.keys import KeysError
        from server.outside.towns import TownsError
        from sql.database import DatabaseDown
        from sql.migration import MigrationError

        known = (BackupError, KeysError, Nobody, DatabaseDown, DemoError, ListenError, PrivateServerError)
        if not isinstance(error, (*known, MigrationError, TownsError)):
            raise
        click.echo(error, err=True)
        sys.exit(1)


class _Interrupt:
    """SIGINT and SIGTERM until the loop takes them: raised where they come, and remembered.

    An exception that comes in the middle of an import may be swallowed there.
    """

    came = False

    @classmethod
    def handle(cls, *_: object) -> None:
        cls.came = True
        raise KeyboardInterrupt


@contextmanager
def private_servers(*, quiet: bool = False) -> Iterator[PrivateServers]:
    """Give the private servers, and end them with the block, which SIGTERM leaves as Ctrl-C does."""
    from server.embedded import PrivateServers

    for number in _SIGNALS:
        signal.signal(number, _Interrupt.handle)
    servers = PrivateServers() if quiet else PrivateServers(click.echo)
    try:
        yield servers
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # we are stopping already
        servers.stop()


def until_stopped(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop; SIGINT and SIGTERM cancel it."""
    import uvloop

    async def cancelled_by_signals() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await main

    if _Interrupt.came:
        main.close()
        raise KeyboardInterrupt
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(cancelled_by_signals())


def needed(config: Config) -> dict[str, bool]:
    """Return which of the private servers this configuration needs."""
    return {"database": not config.database.url, "redis": not config.redis.url}


@contextmanager
def database(config: Config, *, as_it_is: bool = False) -> Iterator[str]:
    """Give the database: the configured one, the private one of the server that runs, or one that runs meanwhile.

    Its schema is brought up to date, unless it is to stay as it is.
    """
    from server.embedded import running
    from server.serving import migrate

    if url := config.database.url or running(config.server.data):
        yield url
        return
    with private_servers() as servers:
        urls = servers.start(config.server.data, database=True, redis=False)
        if not as_it_is:
            until_stopped(migrate(config.using(**urls._asdict())))
        assert urls.database_url is not None
        yield urls.database_url


@contextmanager
def empty_database(config: Config, folder: Path) -> Iterator[str]:
    """Give the configured database, or one that is made in a folder and stopped at the end."""
    from server.embedded import PrivateServers

    if url := config.database.migrate_url or config.database.url:
        yield url
        return
    servers = PrivateServers()
    try:
        urls = servers.start(folder, database=True, redis=False)
        assert urls.migrate_url is not None
        yield urls.migrate_url
    finally:
        servers.stop()


@contextmanager
def as_found(config: Config) -> Iterator[tuple[Urls, str | None]]:
    """Give database and Redis: of the server that runs, or private ones that run meanwhile; and why those do not.

    Where nothing was ever started nothing is made, and nothing is started in somebody else's folder.
    """
    from server.embedded import PrivateServerError, Urls, holder, urls_of

    data, configured = config.server.data, Urls(config.database.url, config.redis.url)
    if holder(data):
        private = urls_of(data)
        yield Urls(configured.database_url or private.database_url, configured.redis_url or private.redis_url), None
        return
    with private_servers(quiet=True) as servers:
        fault = None
        if (data / "mariadb").is_dir() and data.stat().st_uid == os.geteuid():
            try:
                private = servers.start(data, **needed(config), buffer_pool=config.database.buffer_pool)
                configured = Urls(*(one or other for one, other in zip(configured, private, strict=True)))
            except PrivateServerError as error:
                fault = str(error)
        yield configured, fault


async def transact(url: str, work: Callable[[Tx], Awaitable[T]]) -> T:
    """Run `work` in a transaction on a database that is named by its URL. Raises DatabaseDown, CommitUnknown."""
    from server.clock import Clock, Ids
    from sql import transaction
    from sql.database import Database

    database = Database(url)
    try:
        result, _ = await transaction.transact(database, Clock().now(), work, random=Ids().random)
    finally:
        database.close()
    return result

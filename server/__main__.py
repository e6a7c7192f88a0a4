"""The command line: `python -m server run`, `python -m server migrate`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from server.config import Config, ConfigError

if TYPE_CHECKING:
    from server.embedded import PrivateServers
    from sql.transaction import Tx

T = TypeVar("T")

# What takes long to import is imported where it is used: the private servers boot meanwhile.

_BACKLOG: Final = 8192  # connections waiting to be accepted: after a restart everybody comes back at once
_LAST_WORDS: Final = 3.0  # seconds for open connections to end when the server stops
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_with_config = click.option(
    "--config", "path", type=click.Path(path_type=Path), help="The options; config.yaml in this folder if not given."
)


@click.group()
def cli() -> None:
    """The matcha42 server."""


@cli.command()
@_with_config
def run(path: Path | None) -> None:
    """Serve until Ctrl-C, with a private MariaDB and Redis where no others are configured."""
    config = _load(path)
    with _in_words(), _private_servers() as servers:
        from server.listen import allow_many_sockets, bind

        servers.claim(config.server.data)
        listeners = bind(config.server.host, config.server.port)
        urls = servers.launch(config.server.data, database=not config.database.url, redis=not config.redis.url)
        allow_many_sockets()
        import server.app  # noqa: F401  (slow, and needed soon)

        servers.wait()
        config = config.using(**urls._asdict())
        _until_stopped(_serve(config, listeners, servers))


@cli.command()
@_with_config
def migrate(path: Path | None) -> None:
    """Bring the database's schema up to date, which `run` also does."""
    config = _load(path)
    with _in_words(), _private_servers() as servers:
        urls = servers.start(config.server.data, database=not config.database.url, redis=False)
        _until_stopped(_migrate(config.using(**urls._asdict())))
        click.echo("The schema is up to date.")


@cli.command()
@_with_config
def towns(path: Path | None) -> None:
    """Put the towns of the world into the database, which `run` also does where they are not there."""
    config = _load(path)
    with _in_words(), _database(config) as url:
        _until_stopped(_load_towns(config.using(database_url=url)))
        click.echo("The towns are there.")


@cli.command()
@_with_config
@click.option("--users", type=click.IntRange(1, 10_000_000), required=True, help="How many there are to be in all.")
@click.option("--seed", type=click.IntRange(0), help="Who they are; demo.seed if not given.")
def demo(path: Path | None, users: int, seed: int | None) -> None:
    """Make invented people, where nobody else is; cut off, the same command goes on."""
    config = _load(path)
    with _in_words(), _private_servers() as servers:
        urls = servers.start(config.server.data, database=not config.database.url, redis=not config.redis.url)
        seed = config.demo.seed if seed is None else seed
        _until_stopped(_demo(config.using(**urls._asdict()), users, seed))


@cli.command()
@_with_config
def held(path: Path | None) -> None:
    """List whom the staff is to look at: login, reason, since when."""
    with _in_words(), _database(_load(path)) as url:
        _until_stopped(_held(url))


@cli.command()
@_with_config
@click.argument("login")
def release(path: Path | None, login: str) -> None:
    """Let search find LOGIN again, whom the staff has looked at."""
    with _in_words(), _database(_load(path)) as url:
        _until_stopped(_release(url, login))


@contextmanager
def _database(config: Config) -> Iterator[str]:
    """Give the database: the configured one, the private one of the server that runs, or one that runs meanwhile."""
    from server.embedded import running

    if url := config.database.url or running(config.server.data):
        yield url
        return
    with _private_servers() as servers:
        urls = servers.start(config.server.data, database=True, redis=False)
        _until_stopped(_migrate(config.using(**urls._asdict())))
        assert urls.database_url is not None
        yield urls.database_url


def _load(path: Path | None) -> Config:
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
def _in_words() -> Iterator[None]:
    """End with one sentence and status 1 on what the person at the terminal can put right, and with 0 on Ctrl-C."""
    from server.embedded import PrivateServerError
    from server.listen import ListenError

    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(0)
    except Exception as error:
        from server.demo.errors import DemoError
        from server.outside.towns import TownsError
        from sql.database import DatabaseDown
        from sql.migration import MigrationError

        known = _Nobody | DatabaseDown | DemoError | ListenError | PrivateServerError | MigrationError | TownsError
        if not isinstance(error, known):
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
def _private_servers() -> Iterator[PrivateServers]:
    """Give the private servers, and end them with the block, which SIGTERM leaves as Ctrl-C does."""
    from server.embedded import PrivateServers

    for number in _SIGNALS:
        signal.signal(number, _Interrupt.handle)
    servers = PrivateServers(click.echo)
    try:
        yield servers
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # we are stopping already
        servers.stop()


def _until_stopped(main: Coroutine[Any, Any, None]) -> None:
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


async def _migrate(config: Config) -> None:
    from sql.migration import migrate

    url = config.database.migrate_url or config.database.url
    assert url is not None
    await migrate(url, say=click.echo)


async def _load_towns(config: Config) -> None:
    from server.outside import towns

    url = config.database.url
    assert url is not None
    if not await towns.are_there(url):
        click.echo("Putting the towns of the world into the database (once).")
        await towns.load_apart(url)


async def _held(url: str) -> None:
    from sql import moderation

    for case in await _transact(url, moderation.list_open):
        reason = f"{case.reason.name.lower()} {case.about}".strip()
        click.echo(f"{case.login}\t{reason}\t{case.opened_at:%Y-%m-%d %H:%M} UTC")


async def _release(url: str, login: str) -> None:
    from handlers import report

    if await _transact(url, partial(report.release, login=login)):
        click.echo(f"Search finds {login} again.")
    else:
        raise _Nobody(f"Nothing was waiting for {login!r}; `python -m server held` lists what is.")


class _Nobody(Exception):
    """What the person at the terminal has named is not there."""


async def _transact(url: str, work: Callable[[Tx], Awaitable[T]]) -> T:
    from server.clock import Clock, Ids
    from sql.database import Database
    from sql.transaction import transact

    database = Database(url)
    try:
        result, _ = await transact(database, Clock().now(), work, random=Ids().random)
    finally:
        database.close()
    return result


async def _demo(config: Config, users: int, seed: int) -> None:
    from aiohttp import web
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from server.app import SERVICES, create_app
    from server.demo import start

    await _migrate(config)
    await _load_towns(config)
    app = create_app(config)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    look = (TextColumn("Making people"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*look) as progress:
            bar = progress.add_task("", total=users)
            made = await start.make(
                app[SERVICES], users=users, seed=seed, tick=lambda people: progress.advance(bar, people)
            )
    except asyncio.CancelledError:
        click.echo("Stopped. The same command goes on from here.")
        raise
    finally:
        await runner.cleanup()
    click.echo(f"{made} invented people made; {users} there are." if made else f"All {users} are there already.")
    click.echo(start.login_line(config) or "")


async def _serve(config: Config, listeners: list[socket], servers: PrivateServers) -> None:
    from aiohttp import web

    from server.app import SERVICES, create_app
    from server.demo import start as demo
    from server.listen import refused

    await _migrate(config)
    await _load_towns(config)
    app = create_app(config)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_LAST_WORDS)
    watching = asyncio.create_task(servers.watch())
    try:
        await runner.setup()
        await demo.first_start(app[SERVICES], click.echo)
        try:
            for listener in listeners:
                await web.SockSite(runner, listener, backlog=_BACKLOG).start()
        except OSError as error:
            raise refused(config.server.host, config.server.port, error) from error
        click.echo(f"matcha42 is ready at {config.server.url}")
        if config.mail.smtp is None:
            click.echo(f"Mails are files in {config.server.data / 'mail' / 'new'}, as no SMTP server is set.")
        if login := demo.login_line(config):
            click.echo(login)
        async with demo.bots(config, servers.claim(config.server.data), listeners[0]):
            await watching
    finally:
        watching.cancel()
        await runner.cleanup()


if __name__ == "__main__":
    cli(prog_name="python -m server")

"""The command line, `python -m server …`: serve (run), prepare (migrate, towns, demo), keep (doctor, backup, restore,
rotate-keys), and what the staff does (held, release)."""

from __future__ import annotations

import asyncio
import gc
import os
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
    from server.embedded import PrivateServers, Urls
    from sql.transaction import Tx

T = TypeVar("T")

# What takes long to import is imported where it is used: the private servers boot meanwhile.

_BACKLOG: Final = 8192  # connections waiting to be accepted: after a restart everybody comes back at once
_LAST_WORDS: Final = 3.0  # seconds for open connections to end when the server stops
_YOUNG: Final = 10_000  # new objects until the next garbage collection; hardly any is left in a cycle
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
    """Serve until Ctrl-C; private MariaDB and Redis where needed."""
    config = _load(path)
    with _in_words(), _private_servers() as servers:
        from server.listen import allow_many_sockets, bind

        servers.claim(config.server.data)
        listeners = bind(config.server.host, config.server.port)
        urls = servers.launch(config.server.data, **_needed(config), buffer_pool=config.database.buffer_pool)
        allow_many_sockets()
        import server.app  # noqa: F401  (slow, and needed soon)

        servers.wait()
        config = config.using(**urls._asdict())
        _until_stopped(_serve(config, listeners, servers))


@cli.command()
@_with_config
def migrate(path: Path | None) -> None:
    """Bring the database's schema up to date; `run` does so too."""
    config = _load(path)
    with _in_words(), _private_servers() as servers:
        urls = servers.start(config.server.data, database=not config.database.url, redis=False)
        _until_stopped(_migrate(config.using(**urls._asdict())))
        click.echo("The schema is up to date.")


@cli.command()
@_with_config
def towns(path: Path | None) -> None:
    """Put the towns of the world into the database; `run` does too."""
    config = _load(path)
    with _in_words(), _database(config) as url:
        _until_stopped(_load_towns(config.using(database_url=url)))
        click.echo("The towns are there.")


@cli.command()
@_with_config
@click.option("--users", type=click.IntRange(1, 10_000_000), required=True, help="How many there are to be in all.")
@click.option("--seed", type=click.IntRange(0), help="Who they are; demo.seed if not given.")
def demo(path: Path | None, users: int, seed: int | None) -> None:
    """Make invented people, where nobody else is. Cut off, the same command goes on."""
    config = _load(path)
    with _in_words(), _private_servers() as servers:
        urls = servers.start(config.server.data, **_needed(config), buffer_pool=config.database.buffer_pool)
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


@cli.command()
@_with_config
@click.argument("file", type=click.Path(path_type=Path))
def backup(path: Path | None, file: Path) -> None:
    """Write all that may not be lost into FILE. It works while the server serves, and while it does not."""
    from datetime import UTC, datetime

    from server.backup import make
    from sql.backup import get_about

    config = _load(path)
    with _in_words(), _database(config, as_it_is=True) as url:
        about = asyncio.run(_transact(url, get_about))
        size = make(file, data=config.server.data, url=url, about=about, now=datetime.now(UTC))
        click.echo(f"{file}: {size / 1e6:.1f} MB, schema {about.schema}.")
        click.echo("It holds what people wrote, and the keys that sign: keep it where only you can read it.")


@cli.command()
@_with_config
@click.argument("file", type=click.Path(path_type=Path))
def restore(path: Path | None, file: Path) -> None:
    """Put back what `backup` has written, where nothing is yet. A database that is named has to be empty, too."""
    from server.backup import restore

    config = _load(path)
    with _in_words(), _private_servers() as servers:
        servers.claim(config.server.data)
        restored = restore(file, data=config.server.data, database=partial(_empty_database, config))
        click.echo(f"What was there at {restored.made_at} is back: {restored.accounts} accounts.")
        if restored.missing:
            click.echo(f"{restored.missing} photos came and went while the backup was made; they are not shown.")
        click.echo("Start the server: python -m server run")


@cli.command()
@_with_config
@click.option("--drop-old", is_flag=True, help="After a leak: read no older key, so that everybody signs in anew.")
def rotate_keys(path: Path | None, drop_old: bool) -> None:
    """Make a new key to sign with; older ones are still read. They are, as long as what they have signed is good."""
    from server import keys
    from server.clock import Clock

    config = _load(path)
    with _in_words():
        older = keys.rotate(config, Clock().now(), drop=drop_old)
        click.echo("A new key is there. It signs as soon as the server is started again.")
        if older:
            click.echo(f"{older} older are read until {keys.lifetime(config).days} days after they ceased to sign.")
        else:
            click.echo("No older one is read: everybody signs in anew, and links in mails are void.")


@cli.command()
@_with_config
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--sockets", type=click.IntRange(1), default=1000, show_default=True, help="People connected at a time.")
def doctor(path: Path | None, as_json: bool, sockets: int) -> None:
    """Find what is wrong, and say what to do about it. Status 1 if anything is; whether the server runs or not."""
    import msgspec

    from server.config import DEFAULT_PATH
    from server.doctor import Bounds, Look, examine, in_words
    from server.embedded import holder

    config, dotenv = _load(path), (path or DEFAULT_PATH).with_name(".env")
    with _in_words(), _as_found(config) as (urls, fault):
        pid, bounds = holder(config.server.data), Bounds(sockets=sockets)
        look = Look(config, urls.database_url, urls.redis_url, pid=pid, dotenv=dotenv, fault=fault, bounds=bounds)
        report = asyncio.run(examine(look))
        click.echo(msgspec.json.encode(report) if as_json else in_words(report))
        sys.exit(0 if report.is_good else 1)


@contextmanager
def _as_found(config: Config) -> Iterator[tuple[Urls, str | None]]:
    """Give database and Redis: of the server that runs, or private ones that run meanwhile; and why those do not.

    Where nothing was ever started nothing is made, and nothing is started in somebody else's folder.
    """
    from server.embedded import PrivateServerError, Urls, holder, urls_of

    data, configured = config.server.data, Urls(config.database.url, config.redis.url)
    if holder(data):
        private = urls_of(data)
        yield Urls(configured.database_url or private.database_url, configured.redis_url or private.redis_url), None
        return
    with _private_servers(quiet=True) as servers:
        fault = None
        if (data / "mariadb").is_dir() and data.stat().st_uid == os.geteuid():
            try:
                private = servers.start(data, **_needed(config), buffer_pool=config.database.buffer_pool)
                configured = Urls(*(one or other for one, other in zip(configured, private, strict=True)))
            except PrivateServerError as error:
                fault = str(error)
        yield configured, fault


def _needed(config: Config) -> dict[str, bool]:
    """Return which of the private servers this configuration needs."""
    return {"database": not config.database.url, "redis": not config.redis.url}


@contextmanager
def _database(config: Config, *, as_it_is: bool = False) -> Iterator[str]:
    """Give the database: the configured one, the private one of the server that runs, or one that runs meanwhile.

    Its schema is brought up to date, unless it is to stay as it is.
    """
    from server.embedded import running

    if url := config.database.url or running(config.server.data):
        yield url
        return
    with _private_servers() as servers:
        urls = servers.start(config.server.data, database=True, redis=False)
        if not as_it_is:
            _until_stopped(_migrate(config.using(**urls._asdict())))
        assert urls.database_url is not None
        yield urls.database_url


@contextmanager
def _empty_database(config: Config, folder: Path) -> Iterator[str]:
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
        from server.backup import BackupError
        from server.demo.errors import DemoError
        from server.keys import KeysError
        from server.outside.towns import TownsError
        from sql.database import DatabaseDown
        from sql.migration import MigrationError

        known = (BackupError, KeysError, _Nobody, DatabaseDown, DemoError, ListenError, PrivateServerError)
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
def _private_servers(*, quiet: bool = False) -> Iterator[PrivateServers]:
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


def _spare_what_stays() -> None:
    """Leave what the start has made out of every garbage collection from now on: it stays, and there is much of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)


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
        _spare_what_stays()
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

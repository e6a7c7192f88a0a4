"""The command line: `python -m server run`, `python -m server migrate`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, Final

import click

from server.config import Config, ConfigError

if TYPE_CHECKING:
    from server.embedded import PrivateServers

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
        from sql.migration import MigrationError

        if not isinstance(error, ListenError | PrivateServerError | MigrationError):
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


async def _serve(config: Config, listeners: list[socket], servers: PrivateServers) -> None:
    from aiohttp import web

    from server.app import create_app
    from server.listen import refused

    await _migrate(config)
    runner = web.AppRunner(create_app(config), access_log=None, handle_signals=False, shutdown_timeout=_LAST_WORDS)
    watching = asyncio.create_task(servers.watch())
    try:
        await runner.setup()
        try:
            for listener in listeners:
                await web.SockSite(runner, listener, backlog=_BACKLOG).start()
        except OSError as error:
            raise refused(config.server.host, config.server.port, error) from error
        click.echo(f"matcha42 is ready at {config.server.url}")
        if config.mail.smtp is None:
            click.echo(f"Mails are files in {config.server.data / 'mail' / 'new'}, as no SMTP server is set.")
        await watching
    finally:
        watching.cancel()
        await runner.cleanup()


if __name__ == "__main__":
    cli(prog_name="python -m server")

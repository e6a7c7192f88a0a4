"""Serving: from a configuration to a server that is ready, and what is made before."""

from __future__ import annotations

import asyncio
import gc
from socket import socket
from typing import TYPE_CHECKING, Final

import click

from server.config import Config

if TYPE_CHECKING:
    from server.embedded import PrivateServers

# What takes long to import is imported where it is used: the private servers boot meanwhile.

_BACKLOG: Final = 8192  # connections waiting to be accepted: after a restart everybody comes back at once
_LAST_WORDS: Final = 3.0  # seconds for open connections to end when the server stops
_YOUNG: Final = 10_000  # new objects until the next garbage collection, which takes some 20 ms if all are garbage


async def migrate(config: Config) -> None:
    """Bring the schema up to date. Raises MigrationError, DatabaseDown."""
    from sql import migration

    url = config.database.migrate_url or config.database.url
    assert url is not None
    await migration.migrate(url, say=click.echo)


async def load_towns(config: Config) -> None:
    """Put the towns of the world into the database, unless they are there. Raises TownsError."""
    from server.outside import towns

    url = config.database.url
    assert url is not None
    if not await towns.are_there(url):
        click.echo("Putting the towns of the world into the database (once).")
        await towns.load_apart(url)


async def make_demo(config: Config, users: int, seed: int) -> None:
    """Make invented people until there are so many, and show how far it is. Raises DemoError."""
    from aiohttp import web
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from server.app import SERVICES, create_app
    from server.demo import start

    await migrate(config)
    await load_towns(config)
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


async def serve(config: Config, listeners: list[socket], servers: PrivateServers) -> None:
    """Serve on these sockets until cancelled, or until a private server can no longer be kept. Raises ListenError."""
    from aiohttp import web

    from server.app import SERVICES, create_app
    from server.demo import start as demo
    from server.listen import refused

    await migrate(config)
    await load_towns(config)
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

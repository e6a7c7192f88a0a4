"""The command line, `python -m server …`: serve (run), prepare (migrate, towns, demo), keep (doctor, backup, restore,
rotate-keys), and what the staff does (held, release)."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import click

from server import serving, terminal

# What takes long to import is imported where it is used: the private servers boot meanwhile.

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
    config = terminal.load(path)
    with terminal.in_words(), terminal.private_servers() as servers:
        from server.listen import allow_many_sockets, bind

        servers.claim(config.server.data)
        listeners = bind(config.server.host, config.server.port)
        urls = servers.launch(config.server.data, **terminal.needed(config), buffer_pool=config.database.buffer_pool)
        allow_many_sockets()
        import server.app  # noqa: F401  (slow, and needed soon)

        servers.wait()
        config = config.using(**urls._asdict())
        terminal.until_stopped(serving.serve(config, listeners, servers))


@cli.command()
@_with_config
def migrate(path: Path | None) -> None:
    """Bring the database's schema up to date; `run` does so too."""
    config = terminal.load(path)
    with terminal.in_words(), terminal.private_servers() as servers:
        urls = servers.start(config.server.data, database=not config.database.url, redis=False)
        terminal.until_stopped(serving.migrate(config.using(**urls._asdict())))
        click.echo("The schema is up to date.")


@cli.command()
@_with_config
def towns(path: Path | None) -> None:
    """Put the towns of the world into the database; `run` does too."""
    config = terminal.load(path)
    with terminal.in_words(), terminal.database(config) as url:
        terminal.until_stopped(serving.load_towns(config.using(database_url=url)))
        click.echo("The towns are there.")


@cli.command()
@_with_config
@click.option("--users", type=click.IntRange(1, 10_000_000), required=True, help="How many there are to be in all.")
@click.option("--seed", type=click.IntRange(0), help="Who they are; demo.seed if not given.")
def demo(path: Path | None, users: int, seed: int | None) -> None:
    """Make invented people, where nobody else is. Cut off, the same command goes on."""
    config = terminal.load(path)
    with terminal.in_words(), terminal.private_servers() as servers:
        urls = servers.start(config.server.data, **terminal.needed(config), buffer_pool=config.database.buffer_pool)
        seed = config.demo.seed if seed is None else seed
        terminal.until_stopped(serving.make_demo(config.using(**urls._asdict()), users, seed))


@cli.command()
@_with_config
def held(path: Path | None) -> None:
    """List whom the staff is to look at: login, reason, since when."""
    with terminal.in_words(), terminal.database(terminal.load(path)) as url:
        terminal.until_stopped(_held(url))


@cli.command()
@_with_config
@click.argument("login")
def release(path: Path | None, login: str) -> None:
    """Let search find LOGIN again, whom the staff has looked at."""
    with terminal.in_words(), terminal.database(terminal.load(path)) as url:
        terminal.until_stopped(_release(url, login))


@cli.command()
@_with_config
@click.argument("file", type=click.Path(path_type=Path))
def backup(path: Path | None, file: Path) -> None:
    """Write all that may not be lost into FILE. It works while the server serves, and while it does not."""
    from datetime import UTC, datetime

    from server.backup import make
    from sql.backup import get_about

    config = terminal.load(path)
    with terminal.in_words(), terminal.database(config, as_it_is=True) as url:
        about = asyncio.run(terminal.transact(url, get_about))
        size = make(file, data=config.server.data, url=url, about=about, now=datetime.now(UTC))
        click.echo(f"{file}: {size / 1e6:.1f} MB, schema {about.schema}.")
        click.echo("It holds what people wrote, and the keys that sign: keep it where only you can read it.")


@cli.command()
@_with_config
@click.argument("file", type=click.Path(path_type=Path))
def restore(path: Path | None, file: Path) -> None:
    """Put back what `backup` has written, where nothing is yet. A database that is named has to be empty, too."""
    from server.backup import restore

    config = terminal.load(path)
    with terminal.in_words(), terminal.private_servers() as servers:
        servers.claim(config.server.data)
        restored = restore(file, data=config.server.data, database=partial(terminal.empty_database, config))
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

    config = terminal.load(path)
    with terminal.in_words():
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

    config, dotenv = terminal.load(path), (path or DEFAULT_PATH).with_name(".env")
    with terminal.in_words(), terminal.as_found(config) as (urls, fault):
        pid, bounds = holder(config.server.data), Bounds(sockets=sockets)
        look = Look(config, urls.database_url, urls.redis_url, pid=pid, dotenv=dotenv, fault=fault, bounds=bounds)
        report = asyncio.run(examine(look))
        click.echo(msgspec.json.encode(report) if as_json else in_words(report))
        sys.exit(0 if report.is_good else 1)


async def _held(url: str) -> None:
    from sql import moderation

    for case in await terminal.transact(url, moderation.list_open):
        reason = f"{case.reason.name.lower()} {case.about}".strip()
        click.echo(f"{case.login}\t{reason}\t{case.opened_at:%Y-%m-%d %H:%M} UTC")


async def _release(url: str, login: str) -> None:
    from handlers import report

    if await terminal.transact(url, partial(report.release, login=login)):
        click.echo(f"Search finds {login} again.")
    else:
        raise terminal.Nobody(f"Nothing was waiting for {login!r}; `python -m server held` lists what is.")


if __name__ == "__main__":
    cli(prog_name="python -m server")

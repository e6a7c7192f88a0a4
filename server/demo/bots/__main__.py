"""python -m server.demo.bots --url URL --password-file FILE LOGIN…: acts for these people until it is told to end."""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

import click

from server.demo.bots.bot import Crew


@click.command()
@click.option("--url", required=True, help="The server.")
@click.option("--password-file", type=click.Path(path_type=Path), required=True, help="The password of all of them.")
@click.option("--seed", type=int, default=0, help="What they would do.")
@click.option("--pause", type=float, default=1.0, help="Every pause is multiplied by this.")
@click.argument("logins", nargs=-1, required=True)
def main(url: str, password_file: Path, seed: int, pause: float, logins: tuple[str, ...]) -> None:
    """Act for these people until SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    password = password_file.read_text("utf-8").strip()
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(url, password, seed, pause, logins))


async def _run(url: str, password: str, seed: int, pause: float, logins: tuple[str, ...]) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await Crew(url, password, frozenset(logins), seed, pause).run()


if __name__ == "__main__":
    main()

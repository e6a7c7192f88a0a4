"""The long run: `make chaos`, or `python -m tests.chaos --seconds 600 --seed 7`."""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import click

from server.embedded import PrivateServers
from sql.migration import migrate
from tests.chaos.run import Chaos


@click.command()
@click.option("--seconds", default=300.0, show_default=True, help="How long everything breaks.")
@click.option("--seed", default=1, show_default=True, help="Which faults come, in which order.")
@click.option("--people", default=8, show_default=True, help="Who chat, each on two devices.")
def main(seconds: float, seed: int, people: int) -> None:
    """Break everything while people chat, and say what was lost, doubled or out of order."""
    logging.getLogger("client_sdk").setLevel(logging.CRITICAL)
    servers = PrivateServers()
    with tempfile.TemporaryDirectory(prefix="matcha-chaos-") as name:
        folder = Path(name)
        urls = servers.start(folder / "databases", database=True, redis=True, durable=True)
        try:
            assert urls.migrate_url
            asyncio.run(migrate(urls.migrate_url))
            chaos = Chaos(folder, servers, urls, seed=seed, pause=0.02)
            verdict = asyncio.run(chaos.run(people=people, seconds=seconds, say=click.echo))
        finally:
            servers.stop()
    history = chaos.history
    click.echo(f"\nfaults injected: {sum(history.faults.values())}")
    for fault, count in sorted(history.faults.items()):
        click.echo(f"  {count:4d} {fault}")
    click.echo(f"events acked:    {len(history.acked)}, {history.unanswered} tries unanswered or refused on the way")
    click.echo(f"pushes heard:    {sum(len(device.pushes) for device in history.devices)}")
    for what, count in verdict._asdict().items():
        click.echo(f"{what.replace('_', ' ') + ':':17}{count}")
    sys.exit(any(verdict))


if __name__ == "__main__":
    main(prog_name="python -m tests.chaos")

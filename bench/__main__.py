"""The command line: `python -m bench [FIGURE]…`, which is what `make bench` runs."""

import sys
import time
from pathlib import Path
from typing import Any

import click

import bench.figures  # noqa: F401  (each file there adds its figure)
from bench import report
from bench.figure import Bench, figures, seldom
from bench.ground import laid
from bench.machine import Cores

_LARGE = 100_000
"""People of a town that is there when only trying: to put all of them into the database takes seconds."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(figures)))
@click.option("--runs", default=5, show_default=True, help="How often each side is measured; the median counts.")
@click.option("--tiny", is_flag=True, help="Only see that everything runs: sizes that say nothing.")
@click.option("--results", type=click.Path(path_type=Path), default=report.RESULTS, help="Where results are kept.")
def main(names: tuple[str, ...], runs: int, tiny: bool, results: Path) -> None:
    """Measure these figures, or all of them, print a table and keep the results."""
    measured: dict[str, dict[str, Any]] = {}
    failed = []
    cores = Cores()
    for name in names or [name for name in figures if name not in seldom]:
        click.echo(f"Measuring {name} …")
        try:
            with laid(cores, fewest=_LARGE if tiny else 0) as ground:  # what one writes is nothing to the next
                measured[name] = _measure(name, Bench(ground, runs, tiny))
        except (AssertionError, OSError, RuntimeError) as fault:
            failed.append(f"{name} could not be measured: {fault}")
        report.keep(results, measured)
    report.show(measured)
    if failed:
        click.echo("\n".join(failed), err=True)
        sys.exit(1)


def _measure(name: str, bench: Bench) -> dict[str, Any]:
    begun = time.monotonic()
    lines = figures[name](bench)
    return report.entry(lines, seconds=time.monotonic() - begun)


if __name__ == "__main__":
    main(prog_name="python -m bench")

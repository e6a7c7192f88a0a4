"""Reports: the table that is printed, `results.json`, and the same as a page for the documentation."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figure import Line, Value
from bench.machine import ROOT, facts, moment

RESULTS = ROOT / "bench" / "results.json"
_WIDE = 160
_COLUMNS = ("figure", "", "measured", "beside", "×", "target", "verdict")


def entry(lines: Sequence[Line], *, seconds: float) -> dict[str, Any]:
    """Return what is kept of a figure: its lines, when and where they were measured, and how long that took."""
    return {"lines": [line.as_json() for line in lines], "seconds": round(seconds, 1), **moment(), "machine": facts()}


def keep(results: Path, measured: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Put what was measured beside what other runs have left, write it and its page, and return it all."""
    kept = json.loads(results.read_text())["figures"] if results.exists() else {}
    kept |= measured
    results.write_text(json.dumps({"figures": kept}, indent=2, ensure_ascii=False) + "\n")
    results.with_suffix(".md").write_text(page(kept))
    return dict(kept)


def show(measured: dict[str, dict[str, Any]]) -> None:
    """Print a table of them."""
    table = Table(*_COLUMNS, title="Figures: median (lowest – highest)")
    for row in _rows(measured):
        table.add_row(*row)
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    console.print(table)
    for name, kept in measured.items():
        for line in kept["lines"]:
            notes = "; ".join(f"{what} {value}" for what, value in line["notes"].items())
            console.print(f"[bold]{name}[/bold]: {notes}", highlight=False, soft_wrap=True)
        console.print(f"  commit {kept['commit']}, load average {kept['load']}, took {kept['seconds']} s", style="dim")


def page(kept: dict[str, dict[str, Any]]) -> str:
    """Return the table in Markdown, with the machine that it is of."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *_rows(kept)]
    text = ["<!-- Written by `make bench`. -->", *(f"| {' | '.join(row)} |" for row in rows), ""]
    for name, one in kept.items():
        text += [_sentence(name, line["notes"]) for line in one["lines"]]
    machines = {_machine(one): None for one in kept.values()}
    return "\n".join([*text, "", *machines, ""])


def _rows(kept: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    return [_row(name, line) for name, one in kept.items() for line in one["lines"]]


def _row(name: str, line: dict[str, Any]) -> tuple[str, ...]:
    beside, ratio = line["beside"], line["ratio"]
    compared = f"{_span(beside['value'], line['unit'])} {beside['what']}" if beside else ""
    what = _span(line["value"], line["unit"])
    return name, line["what"], what, compared, f"{ratio:.2f}" if ratio else "", line["target"], line["verdict"]


def _span(value: dict[str, float], unit: str) -> str:
    middle, low, high = (_number(Value(**value).__dict__[name]) for name in ("median", "low", "high"))
    return f"{middle} {unit}" if low == high else f"{middle} ({low} – {high}) {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _sentence(name: str, notes: dict[str, str]) -> str:
    return f"- **{name}**: {'; '.join(f'{what} {value}' for what, value in notes.items())}."


def _machine(one: dict[str, Any]) -> str:
    machine = one["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    return f"Measured on {where}; {versions}; commit {one['commit']}, {one['date'][:10]}.\n"

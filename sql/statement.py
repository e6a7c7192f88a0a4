"""Statements: SQL text compiled once at import, with named places for the values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pypika.queries import QueryBuilder
from pypika.terms import Parameter

STATEMENTS: list["Statement"] = []
"""Every statement there is: a closed set, kept in a snapshot."""

_LOCKING = ("FOR UPDATE", "LOCK IN SHARE MODE", "SKIP LOCKED")
_PLACE = re.compile(r"%\((\w+)(?:([*+])(\d*))?\)s")


def P(name: str) -> Parameter:
    """Return the place of one value."""
    return Parameter(f"%({name})s")


def each(name: str, columns: int = 1) -> Parameter:
    """Return the place of a list after IN: of values, or of rows of so many columns."""
    return Parameter(f"%({name}*{columns})s")


LIMIT: Any = P("limit")
"""The place after LIMIT; PyPika's types know only numbers there."""


class Statement:
    """A compiled statement; `bind` gives its text and the values in their order."""

    def __init__(self, text: str) -> None:
        self.template = text
        self.places = [(name, kind, int(columns or 1)) for name, kind, columns in _PLACE.findall(text)]
        self.reads = text.startswith("SELECT") and not text.endswith(_LOCKING)
        self._texts: dict[tuple[int, ...], str] = {}
        STATEMENTS.append(self)

    def bind(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return text and values for the driver; lists after IN are padded to a power of two, so texts stay few."""
        bound: list[Any] = []
        sizes: list[int] = []
        for name, kind, columns in self.places:
            if not kind:
                bound.append(values[name])
                continue
            rows = _padded(values[name]) if kind == "*" else values[name]
            sizes.append(len(rows))
            bound.extend(rows if columns == 1 else [value for row in rows for value in row])
        return self._text(tuple(sizes)), bound

    def _text(self, sizes: tuple[int, ...]) -> str:
        if sizes not in self._texts:
            left = iter(sizes)
            self._texts[sizes] = _PLACE.sub(
                lambda place: _expanded(place[2], int(place[3] or 1), next(left)) if place[2] else "%s", self.template
            )
        return self._texts[sizes]

    def snapshot(self) -> str:
        """Return the text for the snapshot, lists as `×n`."""
        return _PLACE.sub(
            lambda place: f"{_expanded(place[2], int(place[3] or 1), 1)}×n" if place[2] else "%s", self.template
        )


def _padded(rows: Sequence[Any]) -> list[Any]:
    if not rows:
        raise ValueError("an empty list after IN: ask nothing instead")
    size = 1 << (len(rows) - 1).bit_length()
    return [*rows, *[rows[-1]] * (size - len(rows))]


def _expanded(kind: str, columns: int, rows: int) -> str:
    row = "%s" if columns == 1 else f"({','.join(['%s'] * columns)})"
    listed = ",".join([row] * rows)
    return f"({listed})" if kind == "*" else listed


def compile_(query: QueryBuilder | str, suffix: str = "") -> Statement:
    """Compile a query of PyPika's, or text where PyPika has no words for it."""
    text = query if isinstance(query, str) else query.get_sql()
    return Statement(" ".join((text + " " + suffix).split()))


def share(query: QueryBuilder, suffix: str = "") -> Statement:
    """Compile a reading query that keeps its rows from changing until the commit."""
    return compile_(query, f"LOCK IN SHARE MODE {suffix}")


def insert_rows(table: str, columns: Sequence[str], suffix: str = "") -> Statement:
    """Compile an insert of many rows at once, given as `rows`."""
    names = ",".join(f"`{column}`" for column in columns)
    return compile_(f"INSERT INTO `{table}` ({names}) VALUES %(rows+{len(columns)})s", suffix)

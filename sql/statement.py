"""Statements: SQL text compiled once at import, with named places for the values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pypika.queries import QueryBuilder
from pypika.terms import Parameter

STATEMENTS: list["Statement"] = []
"""Every statement there is: a closed set, kept in a snapshot."""

_LOCKING = ("FOR UPDATE", "LOCK IN SHARE MODE", "SKIP LOCKED")
_PLACE = re.compile(r"%\((\w+)(?:([*+@])(\d*))?\)s")
_PIECE = re.compile(r"\{(\w+)([?*]) ([^{}]*)\}")
_MOST_TEXTS = 512
"""So many texts of one statement are kept; one with many pieces and lists can have more."""


def P(name: str) -> Parameter:
    """Return the place of one value."""
    return Parameter(f"%({name})s")


def each(name: str, columns: int = 1) -> Parameter:
    """Return the place of a list after IN: of values, or of rows of so many columns."""
    return Parameter(f"%({name}*{columns})s")


LIMIT: Any = P("limit")
"""The place after LIMIT; PyPika's types know only numbers there."""


class _Text(NamedTuple):
    """A text for the driver, and what goes in its places: a name, how it stands there, and a number."""

    text: str
    places: list[tuple[str, str, int]]


class Statement:
    """A compiled statement; `bind` gives its text and the values in their order.

    `{name? text}` is left out where the value of that name is None; `{name* text}` is there once for each of a list.
    """

    def __init__(self, text: str) -> None:
        self.template = text
        self.reads = text.startswith("SELECT") and not text.endswith(_LOCKING)
        self._optional = sorted({name for name, kind, _ in _PIECE.findall(text) if kind == "?"})
        self._lists = sorted({(name, kind) for name, kind, _ in _PLACE.findall(text) if kind})
        self._repeated = sorted({name for name, kind, _ in _PIECE.findall(text) if kind == "*"})
        self._texts: dict[tuple[int, ...], _Text] = {}
        STATEMENTS.append(self)

    def bind(self, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return text and values for the driver; lists after IN are padded to a power of two, so texts stay few."""
        lists = {name: _padded(values[name]) if kind == "*" else values[name] for name, kind in self._lists}
        text, places = self._text(values, lists)
        bound: list[Any] = []
        for name, kind, number in places:
            if not kind:
                bound.append(values[name])
            elif kind == "@":
                bound.append(values[name][number])
            else:
                rows = lists[name]
                bound.extend(rows if number == 1 else [value for row in rows for value in row])
        return text, bound

    def _text(self, values: Mapping[str, Any], lists: dict[str, Sequence[Any]]) -> _Text:
        shape = (
            *(values[name] is not None for name in self._optional),
            *(len(values[name]) for name in self._repeated),
            *map(len, lists.values()),
        )
        if shape not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            whole = _PIECE.sub(lambda piece: _kept(values[piece[1]], *piece.groups()), self.template)
            places = [(name, kind, int(number or "1")) for name, kind, number in _PLACE.findall(whole)]
            text = _PLACE.sub(lambda place: _expanded(place, len(lists.get(place[1], ""))), whole)
            self._texts[shape] = _Text(text, places)
        return self._texts[shape]

    def snapshot(self) -> str:
        """Return the text for the snapshot: lists as `×n`, pieces in brackets."""
        whole = _PIECE.sub(lambda piece: f" [{piece[3]}]" + "×n" * (piece[2] == "*"), self.template)
        return _PLACE.sub(lambda place: _expanded(place, 1) + "×n" * bool(place[2]), whole)


def _kept(value: Any, name: str, kind: str, text: str) -> str:
    if kind == "?":
        return "" if value is None else f" {text}"
    return "".join(" " + text.replace(f"%({name})s", f"%({name}@{number})s") for number in range(len(value)))


def _padded(rows: Sequence[Any]) -> list[Any]:
    if not rows:
        raise ValueError("an empty list after IN: ask nothing instead")
    size = 1 << (len(rows) - 1).bit_length()
    return [*rows, *[rows[-1]] * (size - len(rows))]


def _expanded(place: re.Match[str], rows: int) -> str:
    if place[2] in (None, "@"):
        return "%s"
    row, columns = "%s", int(place[3] or 1)
    if columns > 1:
        row = f"({','.join([row] * columns)})"
    listed = ",".join([row] * rows)
    return f"({listed})" if place[2] == "*" else listed


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

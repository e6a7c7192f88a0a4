"""Many rows at once: how invented people are written. Nothing of this is served.

The values are bound as everywhere, a thousand rows a statement; `LOAD DATA` would be quicker, but needs a server that
takes files from its clients, which ours never does. No check is turned off: the keys keep anybody from being there
twice, and with so few commits durability costs next to nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from types import TracebackType
from typing import Any, NamedTuple, Self

import pymysql

from sql import candidate, tag
from sql.account import State
from sql.database import connect_options
from sql.place import Town
from sql.statement import Statement, compile_, each, insert_rows

_ROWS = 1000
"""Rows a statement; below a megabyte, and servers take sixteen."""
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_INSERTS: dict[str, tuple[Statement, tuple[Any, ...]]] = {}


class NotWritten(Exception):
    """The database did not do it, and says why."""


class Rows(NamedTuple):
    """Rows of people, by table; each begins with the person's id, which they are in the order of."""

    account: list[tuple[Any, ...]]
    profile: list[tuple[Any, ...]]
    profile_tag: list[tuple[Any, ...]]
    photo: list[tuple[Any, ...]]
    user_stream: list[tuple[Any, ...]]

    def without(self, ids: Set[int]) -> "Rows":
        """Leave out the rows of these people."""
        return Rows(*([row for row in table if row[0] not in ids] for table in self)) if ids else self


def _insert(table: str, columns: str, *constants: tuple[str, Any]) -> None:
    names = [*columns.split(), *(name for name, _ in constants)]
    _INSERTS[table] = insert_rows(table, names), tuple(value for _, value in constants)


_insert("account", "id login mail mail_key password_hash language created_at", ("state", int(State.ACTIVE)))
_insert(
    "profile",
    "user_id first_name last_name gender sex birth_date description wish_age_min wish_age_max wish_distance_max"
    " cell x y z place_id fame active_at",
    ("found", 1),
    ("mail_on", 0),  # nobody reads their mail
)
_insert("profile_tag", "user_id tag position")
_insert("photo", "user_id id position file thumbhash added_at")
_insert("user_stream", "user_id")

_ANYBODY = compile_("SELECT `id` FROM `account` LIMIT %(limit)s")
_LIST_IDS = compile_("SELECT `id` FROM `account` WHERE `id` BETWEEN %(low)s AND %(high)s")
_LIST_THERE = compile_("SELECT `id` FROM `account` WHERE `id` IN " + str(each("ids")))
_LIST_LOGINS = compile_("SELECT `login` FROM `account` WHERE `id` IN " + str(each("ids")) + " ORDER BY `id`")
_HAS_LOGIN = compile_("SELECT `id` FROM `account` WHERE `login`=%(login)s AND `state`=%(state)s")
_LIST_TOWNS = compile_("SELECT `id`,`name`,`country`,`population`,`lat`,`lon` FROM `town` ORDER BY `id`")
_GET_HASH = compile_("SELECT `password_hash` FROM `account` WHERE `id`=%(id)s")


class Bulk:
    """One connection, for one thread."""

    def __init__(self, url: str) -> None:
        try:
            self._driver = pymysql.connect(
                **connect_options(url), charset="utf8mb4", sql_mode="STRICT_ALL_TABLES", init_command=_ISOLATION
            )
        except pymysql.MySQLError as fault:
            raise NotWritten(str(fault.args[-1])) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._driver.close()  # what was not committed is undone

    def is_empty(self) -> bool:
        """Tell whether there is nobody."""
        return not self._run(_ANYBODY, limit=1)

    def list_between(self, low: int, high: int) -> set[int]:
        """Return the ids of those accounts that there are."""
        return {id for (id,) in self._run(_LIST_IDS, low=low, high=high)}

    def list_there(self, ids: Sequence[int]) -> set[int]:
        """Return those of these ids that have an account."""
        return {id for chunk in _chunks(ids) for (id,) in self._run(_LIST_THERE, ids=chunk)}

    def list_logins(self, ids: Sequence[int]) -> list[str]:
        """Return the logins of those of these accounts that there are."""
        return [login for (login,) in self._run(_LIST_LOGINS, ids=ids)] if ids else []

    def has_login(self, login: str) -> bool:
        """Tell whether somebody may sign in by this name."""
        return bool(self._run(_HAS_LOGIN, login=login, state=State.ACTIVE))

    def list_towns(self) -> list[Town]:
        """Return all the towns there are."""
        return [Town(*columns) for columns in self._run(_LIST_TOWNS)]

    def get_hash(self, id: int) -> str | None:
        """Return the hash of somebody's password."""
        rows = self._run(_GET_HASH, id=id)
        return rows[0][0] if rows else None

    def insert(self, rows: Rows) -> None:
        """Add all of them, or none."""
        for table, added in rows._asdict().items():
            statement, constants = _INSERTS[table]
            for chunk in _chunks(added):
                self._run(statement, rows=[row + constants for row in chunk])
        if rows.profile:
            first, last = rows.profile[0][0], rows.profile[-1][0]
            self._run(candidate.WRITE, first=first, last=last, **candidate.CONSTANTS)
            self._run(candidate.WRITE_TAGS, first=first, last=last, **candidate.CONSTANTS)
        used = Counter(name for _, name, _ in rows.profile_tag)
        for chunk in _chunks(tag.changes(used)):  # last: whoever takes one of these tags waits until the commit
            self._run(tag.COUNT, rows=chunk)
        self._driver.commit()  # a failure there is one of the connection, and nothing of it is kept

    def _run(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        text, bound = statement.bind(values)
        try:
            with self._driver.cursor() as cursor:
                cursor.execute(text, bound)
                return list(cursor.fetchall())
        except pymysql.MySQLError as fault:
            raise NotWritten(str(fault.args[-1])) from None


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut into thousands, and what is left into powers of two: so there are few texts."""
    start = 0
    while left := len(rows) - start:
        size = _ROWS if left >= _ROWS else 1 << (left.bit_length() - 1)
        yield rows[start : start + size]
        start += size

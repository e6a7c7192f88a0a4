"""The file of an outbox: what is to be sent, written down before it is tried."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client_sdk.draft import Draft
from client_sdk.errors import OutboxError

_MARK = 0x6D343264  # which says what a file is: SQLite's application_id
_TABLES = (
    "CREATE TABLE owner (user_id INTEGER NOT NULL)",
    "CREATE TABLE draft (number INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, random_id INTEGER NOT NULL,"
    " drawn INTEGER NOT NULL, text TEXT NOT NULL)",
    f"PRAGMA application_id = {_MARK}",
)
_INSERT = "INSERT INTO draft (user_id, random_id, drawn, text) VALUES (?, ?, ?, ?)"


class OutboxFile:
    """A database of SQLite with the drafts of one user, in use by one program at a time.

    Raises OutboxError, from its opening on, when the file can't be read or written, or is somebody else's.
    """

    def __init__(self, path: Path, owner: int) -> None:
        self._path = path
        with self._explained():
            path.touch(mode=0o600)  # what is written in it is nobody's business
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            with self._explained():
                self._open(owner)
        except BaseException:
            self.close()
            raise

    def keep(self, draft: Draft) -> None:
        """Write a draft down and give it its number; it is on the disk when this returns."""
        row = (draft.user_id, draft.random_id, draft.drawn, draft.text)
        with self._explained():
            self._db.execute("PRAGMA synchronous = FULL")
            draft.number = self._db.execute(_INSERT, row).lastrowid

    def renumber(self, draft: Draft, random_id: int) -> None:
        """Write down another `random_id` for a draft."""
        with self._explained():
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("UPDATE draft SET random_id = ? WHERE number = ?", (random_id, draft.number))

    def forget(self, draft: Draft) -> None:
        """Strike a draft out. The disk may learn of it later: at worst it is sent again, under its `random_id`."""
        with self._explained():
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("DELETE FROM draft WHERE number = ?", (draft.number,))

    def read(self) -> list[Draft]:
        """Return all drafts, in the order in which they were written."""
        with self._explained():
            rows = self._db.execute("SELECT user_id, text, random_id, drawn, number FROM draft ORDER BY number")
            return [
                Draft(user_id, text, random_id, drawn=bool(drawn), number=number)
                for user_id, text, random_id, drawn, number in rows
            ]

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _open(self, owner: int) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        is_new = self._is_new()
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA secure_delete = ON")
        with self._transaction():
            for statement in _TABLES if is_new else ():
                self._db.execute(statement)
            self._claim(owner)

    def _is_new(self) -> bool:
        [mark] = self._db.execute("PRAGMA application_id").fetchone()
        [tables] = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != _MARK and (mark or tables):
            raise OutboxError(f"{self._path} is something else than an outbox.")
        return not tables

    def _claim(self, owner: int) -> None:
        first = self._db.execute("SELECT user_id FROM owner").fetchone()
        if first is None:
            self._db.execute("INSERT INTO owner (user_id) VALUES (?)", (owner,))
        elif first != (owner,):
            raise OutboxError(f"{self._path} is the outbox of user {first[0]}; this is user {owner}.")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutboxError(f"{self._path} cannot be an outbox: {error.strerror}.") from error
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise OutboxError(f"{self._path} is in use by another client.") from error
            raise OutboxError(f"{self._path} cannot be an outbox: {error}.") from error

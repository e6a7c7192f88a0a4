"""People: accounts and sessions as they would be, written straight into the tables."""

import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pymysql
from argon2 import PasswordHasher

from server.clock import Clock
from server.config import Password
from server.outside.tokens import Tokens
from server.wire.pushes import Notice
from sql.bulk import Bulk, Rows
from sql.database import connect_options

KEY = secrets.token_urlsafe(48)
PASSWORD = "seven green teapots"
_FIRST = 1_000_000
_DAYS = 30


class Person(NamedTuple):
    """Somebody with an account and a session."""

    id: int
    login: str
    token: str


class People:
    """Whoever is in the database; more are made when more are asked for."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        self._tokens = Tokens([KEY], Clock(), session_days=_DAYS, link_hours=1, reset_minutes=1)
        self._hash = _hash()
        self._there: list[Person] = []

    def take(self, count: int) -> list[Person]:
        """Return so many people, always the same first ones."""
        numbers = range(len(self._there), count)
        sessions = [(_FIRST + number, secrets.token_urlsafe(16)) for number in numbers]
        if sessions:
            with Bulk(self._url) as bulk:
                bulk.insert(self._rows(numbers))
            self._begin(sessions)
        self._there += [Person(id, _login(id), self._tokens.session(id, session)) for id, session in sessions]
        return self._there[:count]

    def pairs(self, count: int) -> list[list[dict[str, Any]]]:
        """Return so many times two who like each other, always the same ones, each with what they sign in with."""
        people = self.take(2 * count)
        two = list(zip(people[::2], people[1::2], strict=True))
        self.connect(two)
        return [[{"id": one.id, "auth": {"token": one.token}} for one in pair] for pair in two]

    def connect(self, pairs: Sequence[tuple[Person, Person]]) -> None:
        """Let these two and two like each other."""
        ordered = [sorted((one.id, other.id)) for one, other in pairs]
        self._write(
            "INSERT IGNORE INTO pair (low_id, high_id, connected, connected_at, active_at, low_liked_at, high_liked_at)"
            " VALUES (%s, %s, 1, %s, %s, %s, %s)",
            [(low, high, *[self._now] * 4) for low, high in ordered],
        )

    def write_each_other(self, pairs: Sequence[tuple[Person, Person]]) -> None:
        """Let these two and two be connected, and the first of them have one unread message of the second."""
        self.connect(pairs)
        keys = [(*sorted((reader.id, writer.id)), writer.id) for reader, writer in pairs]
        self._write(
            "INSERT INTO message (low_id, high_id, seq, sender_id, random_id, body, sent_at)"
            " VALUES (%s, %s, 1, %s, 1, 'hello', %s)",
            [(*key, self._now) for key in keys],
        )
        self._write(
            "INSERT INTO notification (user_id, kind, other_id) VALUES (%s, %s, %s)",
            [(reader.id, int(Notice.MESSAGE), writer.id) for reader, writer in pairs],
        )
        self._write(
            "UPDATE pair SET last_seq = 1, low_unread = low_id <> %s, high_unread = high_id <> %s"
            " WHERE low_id = %s AND high_id = %s",
            [(writer_id, writer_id, low_id, high_id) for low_id, high_id, writer_id in keys],
        )

    def forget(self) -> None:
        """Undo all that people have done to each other."""
        for table in ("pair", "message", "notification", "visit", "quota"):
            self._write(f"DELETE FROM {table} WHERE %s", [(1,)])

    def _begin(self, sessions: list[tuple[int, str]]) -> None:
        self._write(
            "INSERT INTO session (user_id, id, started_at, last_seen_at, expires_at, agent)"
            " VALUES (%s, %s, %s, %s, %s, 'bench')",
            [(*session, self._now, self._now, self._now + timedelta(days=_DAYS)) for session in sessions],
        )

    def _write(self, text: str, rows: list[tuple[object, ...]]) -> None:
        connection = pymysql.connect(**connect_options(self._url), charset="utf8mb4")
        with connection, connection.cursor() as cursor:
            cursor.executemany(text, rows)
            connection.commit()

    def _rows(self, numbers: range) -> Rows:
        ids = [_FIRST + number for number in numbers]
        born, place = date(1990, 1, 1), (None, None, None, None, None)
        wish = (None, None, None)
        return Rows(
            account=[
                (id, _login(id), f"{_login(id)}@example.org", f"{_login(id)}@example.org", self._hash, "en", self._now)
                for id in ids
            ],
            profile=[(id, "Bench", "Example", 0, 0, born, None, *wish, *place, 0, self._now) for id in ids],
            profile_tag=[],
            photo=[(id, f"bench{id:017}", 0, "none", b"", self._now) for id in ids],
            user_stream=[(id,) for id in ids],
        )


def _login(id: int) -> str:
    return f"bench{id}"


def _hash() -> str:
    options = Password()
    return PasswordHasher(options.time_cost, options.memory_kib, options.parallelism).hash(PASSWORD)

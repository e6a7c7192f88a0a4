"""Populations: as many invented people as a figure wants, made once and kept, as that takes minutes."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pymysql

from bench.ground import Ground
from bench.machine import ROOT
from bench.people import KEY
from handlers.matching.cells import Cell
from server.clock import Clock
from server.embedded import PrivateServers
from server.outside.tokens import Tokens
from sql import candidate
from sql.database import connect_options

_LEAST_POOL, _POOL = 2048, 1200
"""MiB that a machine has to spare for the people there are: at least, and for each million of them."""
_DAYS = 30
_OTHERS = 5000
"""So many meet the viewers."""
_MET, _CONNECTED = 64, range(28, 54)
"""So many each of them, and which of these are connected; more than a page in each list."""
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_METROPOLIS = 19.4326, -99.1332
_MOVE = "UPDATE profile SET cell = %s, x = %s, y = %s, z = %s WHERE MOD(user_id, %s) = %s"
_LIST_BY_CHANCE = "SELECT user_id FROM candidate FORCE INDEX (slot) ORDER BY slot LIMIT %s"
_INSERT_PAIR = """INSERT IGNORE INTO pair (low_id, high_id, connected, connected_at, active_at, last_seq,
    low_liked_at, high_liked_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
_INSERT_MESSAGE = """INSERT IGNORE INTO message (low_id, high_id, seq, sender_id, random_id, body, sent_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""
_INSERT_VISIT = "INSERT IGNORE INTO visit (user_id, visitor_id, visited_at) VALUES (%s, %s, %s)"
_PATIENCE = 7200.0
# What matcha projects do: the distance to everybody, then the nearest.
_FULL_SCAN = """SELECT user_id FROM profile WHERE found = 1 AND gender = %s ORDER BY 2 * 6371 * ASIN(SQRT(
    POW(SIN((ASIN(z) - %s) / 2), 2) + COS(ASIN(z)) * COS(%s) * POW(SIN((ATAN2(y, x) - %s) / 2), 2))) LIMIT 20"""


class Population:
    """Invented people whose databases run."""

    def __init__(self, ground: Ground, database_url: str, pids: dict[str, int], buffer_pool: int) -> None:
        """`buffer_pool`: of the database, in MiB."""
        self.ground = ground
        self.pids = pids
        self.buffer_pool = buffer_pool
        self._url = database_url

    def auths(self, count: int) -> list[dict[str, str]]:
        """Return what so many of them sign in with, drawn by chance: where more live, more are drawn."""
        tokens = Tokens([KEY], Clock(), session_days=_DAYS, link_hours=1, reset_minutes=1)
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        with self._cursor() as cursor:
            cursor.execute(_LIST_BY_CHANCE, (count + _OTHERS,))
            ids = [user_id for (user_id,) in cursor.fetchall()]
            begun = [(user_id, secrets.token_urlsafe(16)) for user_id in ids[:count]]
            _relate(cursor, ids[:count], ids[count:] or ids)
            cursor.executemany(
                "INSERT INTO session (user_id, id, started_at, last_seen_at, expires_at, agent)"
                " VALUES (%s, %s, %s, %s, %s, 'bench')",
                [(*session, now, now, now + timedelta(days=_DAYS)) for session in begun],
            )
        return [{"token": tokens.session(*session)} for session in begun]

    def move_together(self) -> None:
        """Let all live within three kilometres, in nine cells, as in the heart of a metropolis."""
        middle = Cell.at(*_METROPOLIS)
        cells = [Cell(1, middle.row + row, middle.column + column) for row in range(3) for column in range(3)]
        with self._cursor() as cursor:
            for number, cell in enumerate(cells):
                cursor.execute(_MOVE, (cell.id, *cell.vector, len(cells), number))
            text, values = candidate.WRITE.bind({"first": 0, "last": 2**63, **candidate.CONSTANTS})
            cursor.execute(text, values)

    def full_scan(self, times: int) -> float:
        """Return the milliseconds of a search that looks at everybody."""
        took = []
        with self._cursor() as cursor:
            for _ in range(times + 1):
                begun = perf_counter()
                cursor.execute(_FULL_SCAN, (2, 0.8527, 0.8527, 0.0408))
                took.append(1000 * (perf_counter() - begun))
        return median(took[1:])

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        connection = pymysql.connect(**connect_options(self._url), charset="utf8mb4", autocommit=True)
        with connection, connection.cursor() as cursor:
            yield cursor


def _relate(cursor: Any, viewers: list[int], others: list[int]) -> None:
    """Give viewers likers, visitors, connections, and people whom they like; those of before stay as they are."""
    met = [
        (viewer, other, place)
        for number, viewer in enumerate(viewers)
        for place in range(_MET)
        if (other := others[(number * _MET + place) % len(others)]) != viewer
    ]
    pairs = [_pair(*one) for one in met]
    cursor.executemany(_INSERT_PAIR, pairs)
    talking = [pair for pair in pairs if pair[2]]
    cursor.executemany(_INSERT_MESSAGE, [(low, high, 1, low, 1, "Hello!", at) for low, high, _, at, *_ in talking])
    cursor.executemany(_INSERT_VISIT, [(viewer, other, _at(place)) for viewer, other, place in met])


def _pair(viewer: int, other: int, place: int) -> tuple[Any, ...]:
    """Return a row: some like the viewer, the next are connected, the last ones the viewer likes."""
    is_connected, at = place in _CONNECTED, _at(place)
    mine = at if place >= _CONNECTED.start else None
    theirs = at if place < _CONNECTED.stop else None
    moment = at if is_connected else None
    sides = (mine, theirs) if viewer < other else (theirs, mine)
    return min(viewer, other), max(viewer, other), is_connected, moment, moment, int(is_connected), *sides


def _at(place: int) -> datetime:
    return _MOMENT - timedelta(minutes=place)


def folder_of(name: str) -> Path:
    """Return where some people are kept: in BENCH_CACHE, or beside other programs' caches."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BENCH_CACHE") or Path(cache) / "matcha-bench") / name


@contextmanager
def metropolis(ground: Ground, users: int) -> Iterator[Population]:
    """Let so many people live in one place."""
    folder = folder_of(f"metropolis-{users}")
    with _kept(ground, folder, users) as people:
        moved = folder / "moved"
        if not moved.exists():
            people.move_together()
            moved.touch()
        yield people


@contextmanager
def population(ground: Ground, users: int) -> Iterator[Population]:
    """Let so many people be there, all over the world."""
    with _kept(ground, folder_of(f"people-{users}"), users) as people:
        yield people


@contextmanager
def _kept(ground: Ground, folder: Path, users: int) -> Iterator[Population]:
    """Let people be there; the first time they are made, in a process of their own, which takes minutes."""
    buffer_pool = max(_LEAST_POOL, _POOL * users // 1_000_000)
    _make(folder, users, buffer_pool)
    servers = PrivateServers()
    urls = servers.start(folder, database=True, redis=True, durable=True, buffer_pool=buffer_pool)
    try:
        assert urls.database_url
        pids = {child.name: child.pid for child in servers.children if child.pid}
        yield Population(Ground(ground.folder, urls, ground.cores, pids), urls.database_url, pids, buffer_pool)
    finally:
        servers.stop()


def _make(folder: Path, users: int, buffer_pool: int) -> None:
    """Make those who are missing, and bring the schema up to date, unless that was done."""
    made, schema = folder / "made", max(path.name for path in (ROOT / "sql" / "schema").glob("*.sql"))
    if made.exists() and made.read_text() == schema:
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = ("MATCHA_DEMO_PORTRAITS",)
    clean = {name: value for name, value in os.environ.items() if name in kept or not name.startswith("MATCHA_")}
    clean |= {"MATCHA_SERVER_DATA": str(folder), "MATCHA_DATABASE_BUFFER_POOL": str(buffer_pool)}
    command = (sys.executable, "-m", "server", "demo", "--users", str(users))
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"the people could not be made: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    made.write_text(schema)

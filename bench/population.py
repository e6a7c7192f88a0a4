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
from server.clock import Clock
from server.embedded import PrivateServers
from server.outside.tokens import Tokens
from sql.database import connect_options

BUFFER_POOL = 2048
"""MiB: what a machine for a million people has to spare."""
_DAYS = 30
_PATIENCE = 7200.0
# What matcha projects do: the distance to everybody, then the nearest.
_FULL_SCAN = """SELECT user_id FROM profile WHERE found = 1 AND gender = %s ORDER BY 2 * 6371 * ASIN(SQRT(
    POW(SIN((ASIN(z) - %s) / 2), 2) + COS(ASIN(z)) * COS(%s) * POW(SIN((ATAN2(y, x) - %s) / 2), 2))) LIMIT 20"""


class Population:
    """Invented people whose databases run."""

    def __init__(self, ground: Ground, database_url: str, pids: dict[str, int]) -> None:
        self.ground = ground
        self.pids = pids
        self._url = database_url

    def auths(self, count: int) -> list[dict[str, str]]:
        """Return what so many of them sign in with, drawn by chance: where more live, more are drawn."""
        tokens = Tokens([KEY], Clock(), session_days=_DAYS, link_hours=1, reset_minutes=1)
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        with self._cursor() as cursor:
            cursor.execute("SELECT user_id FROM candidate FORCE INDEX (slot) ORDER BY slot LIMIT %s", (count,))
            begun = [(user_id, secrets.token_urlsafe(16)) for (user_id,) in cursor.fetchall()]
            cursor.executemany(
                "INSERT INTO session (user_id, id, started_at, last_seen_at, expires_at, agent)"
                " VALUES (%s, %s, %s, %s, %s, 'bench')",
                [(*session, now, now, now + timedelta(days=_DAYS)) for session in begun],
            )
        return [{"token": tokens.session(*session)} for session in begun]

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


def folder_of(users: int) -> Path:
    """Return where so many people are kept: in BENCH_CACHE, or beside other programs' caches."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BENCH_CACHE") or Path(cache) / "matcha-bench") / f"people-{users}"


@contextmanager
def population(ground: Ground, users: int) -> Iterator[Population]:
    """Let so many people be there; the first time they are made, in a process of their own, which takes minutes."""
    folder = folder_of(users)
    _make(folder, users)
    servers = PrivateServers()
    urls = servers.start(folder, database=True, redis=True, durable=True, buffer_pool=BUFFER_POOL)
    try:
        assert urls.database_url
        pids = {child.name: child.pid for child in servers.children if child.pid}
        yield Population(Ground(ground.folder, urls, ground.cores, pids), urls.database_url, pids)
    finally:
        servers.stop()


def _make(folder: Path, users: int) -> None:
    """Make those who are missing, and bring the schema up to date; it takes no time if all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = ("MATCHA_DEMO_PORTRAITS",)
    clean = {name: value for name, value in os.environ.items() if name in kept or not name.startswith("MATCHA_")}
    clean |= {"MATCHA_SERVER_DATA": str(folder), "MATCHA_DATABASE_BUFFER_POOL": str(BUFFER_POOL)}
    command = (sys.executable, "-m", "server", "demo", "--users", str(users))
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"the people could not be made: {done.stdout[-1000:]}{done.stderr[-1000:]}")

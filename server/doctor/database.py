"""The database: its clock, its settings, its tables."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from server.clock import Clock
from server.doctor.findings import Finding, Level, Look, Unseen
from sql import doctor
from sql.database import DatabaseDown
from sql.migration import newest
from sql.tables import NAMES

_SPARE: Final = 5
"""Connections for commands, backups and the operator."""
_LEAST_PACKET: Final = 4 << 20
_COLLATION: Final = "utf8mb4_bin"
_STRICT: Final = {"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES"}
_SETTINGS: Final = [
    "sql_mode",
    "innodb_flush_log_at_trx_commit",
    "innodb_buffer_pool_size",
    "max_connections",
    "max_allowed_packet",
    "read_only",
    "log_bin",
    "binlog_format",
]
_OWN: Final = ["sql_mode", "time_zone", "tx_isolation", "transaction_isolation", "character_set_client"]


async def reached(look: Look) -> AsyncIterator[Finding]:
    """It is reached, and its clock is ours."""
    try:
        there = await look.ask(doctor.get_time)
    except DatabaseDown as fault:
        yield Finding(
            "database.reached",
            f"The database cannot be reached: {fault}",
            "Nothing works without it: every event answers `unavailable`.",
            "Start it, or correct database.url (MATCHA_DATABASE_URL)."
            if look.config.database.url
            else f"See {look.data / 'log' / 'mariadb.log'} (docs/operating.md, “MariaDB does not start”).",
        )
        return
    if abs(there - Clock().now()) > timedelta(seconds=look.bounds.skew_seconds):
        yield Finding(
            "database.clock",
            f"The database's clock says {there:%Y-%m-%d %H:%M:%S} UTC, this machine's {Clock().now():%H:%M:%S}.",
            "Leases of migrations go by the database's clock; and one of the two is wrong.",
            "Let NTP set both clocks: timedatectl set-ntp true",
        )


async def settings(look: Look) -> AsyncIterator[Finding]:
    """The server is set to keep what it confirms."""
    found = await look.ask(partial(doctor.list_settings, names=_SETTINGS))
    pool = look.config.database.pool
    if found.get("innodb_flush_log_at_trx_commit") != "1":
        yield Finding(
            "database.durable",
            f"innodb_flush_log_at_trx_commit is {found.get('innodb_flush_log_at_trx_commit')}, not 1.",
            "A power cut loses the last second of what was answered with code 200.",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1, and the same in the database's configuration.",
        )
    if not _STRICT & set(found.get("sql_mode", "").split(",")):
        yield Finding(
            "database.sql_mode",
            f"sql_mode is not strict: {found.get('sql_mode') or 'empty'}.",
            "The server sets it for its own connections, but what is typed or loaded by hand is cut off silently.",
            "SET GLOBAL sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', and the same in its configuration.",
        )
    if int(found.get("max_connections", 0)) < pool + _SPARE:
        yield Finding(
            "database.connections",
            f"It lets {found.get('max_connections')} in; each server process opens up to {pool} (database.pool).",
            "When all are taken, events answer `unavailable`, and no command gets in either.",
            "Raise max_connections to the pools of all processes and some more, or lower database.pool.",
        )
    if int(found.get("max_allowed_packet", _LEAST_PACKET)) < _LEAST_PACKET:
        yield Finding(
            "database.packet",
            f"max_allowed_packet is {found['max_allowed_packet']} bytes.",
            "Large statements, such as those of a restore, are refused.",
            "SET GLOBAL max_allowed_packet = 16777216, and the same in its configuration.",
        )
    if found.get("read_only", "OFF") not in ("OFF", "0", "NO_LOCK"):
        yield Finding(
            "database.read_only",
            "It is read-only.",
            "Nothing can be stored: every event that writes fails.",
            "Name the primary in database.url, or SET GLOBAL read_only = 0.",
        )
    if found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT":
        yield Finding(
            "database.binlog",
            "It logs statements (binlog_format = STATEMENT).",
            "InnoDB refuses to write at READ COMMITTED then, which is how the server works.",
            "SET GLOBAL binlog_format = 'ROW', and the same in its configuration.",
        )


async def sessions(look: Look) -> AsyncIterator[Finding]:
    """Our connections are given what every statement relies on; something in between may not pass it on."""
    for finding in unexpected(await look.ask(partial(doctor.list_settings, names=_OWN, own=True))):
        yield finding


def unexpected(own: dict[str, str]) -> list[Finding]:
    """Return what is not as the server has set it for a connection of its own."""
    isolation = own.get("tx_isolation") or own.get("transaction_isolation")
    wrong = [
        ("time zone", own.get("time_zone"), own.get("time_zone") == "+00:00"),
        ("isolation", isolation, isolation == "READ-COMMITTED"),
        ("character set", own.get("character_set_client"), own.get("character_set_client") == "utf8mb4"),
        ("SQL mode", own.get("sql_mode"), bool(_STRICT & set((own.get("sql_mode") or "").split(",")))),
    ]
    return [
        Finding(
            "database.session",
            f"The {name} of our connections is {value or 'not known'}.",
            "The server sets it when it connects, and relies on it: texts, times or locks go wrong.",
            "Connect to the database itself: a proxy in between does not pass on what is set.",
        )
        for name, value, good in wrong
        if not good
    ]


async def memory(look: Look) -> AsyncIterator[Finding]:
    """What is in use fits into the memory that the database has, and that into the machine's."""
    found = await look.ask(partial(doctor.list_settings, names=_SETTINGS))
    pool, size = int(found["innodb_buffer_pool_size"]), await look.ask(doctor.get_size)
    if size > pool:
        yield Finding(
            "database.buffer_pool",
            f"Tables and indexes take {size / 2**20:.0f} MiB, InnoDB's buffer pool has {pool / 2**20:.0f}.",
            "Searches read from the disk and become slow as the community grows.",
            "Raise database.buffer_pool (MATCHA_DATABASE_BUFFER_POOL, in MiB) and start the server again."
            if look.config.database.url is None
            else "Raise innodb_buffer_pool_size in the database's configuration.",
            Level.ADVICE,
        )
    if look.config.database.url is None and pool > (most := _memory() * look.bounds.memory_share):
        yield Finding(
            "database.memory",
            f"InnoDB's buffer pool has {pool / 2**20:.0f} MiB, of which this machine can spare {most / 2**20:.0f}.",
            "When it fills, the machine swaps, or the kernel kills the database.",
            "Lower database.buffer_pool (MATCHA_DATABASE_BUFFER_POOL, in MiB).",
        )


def _memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise Unseen("how much memory the machine has is not known")


async def schema(look: Look) -> AsyncIterator[Finding]:
    """The tables are those that this program knows."""
    tables = await look.ask(doctor.list_tables)
    versions = await look.ask(doctor.list_versions) if any(table.name == "migration" for table in tables) else []
    if versions and versions[-1] > newest():
        yield Finding(
            "database.migrations",
            f"The schema is at version {versions[-1]}, this program knows {newest()}.",
            "A newer program has been here; this one is not started on it.",
            "Run the newer program, or restore a backup of the time before it.",
        )
    elif versions != list(range(1, newest() + 1)):
        yield Finding(
            "database.migrations",
            f"The schema is at version {versions[-1] if versions else 0} of {newest()}, or lacks one in between.",
            "The server brings it up to date when it starts; until then what is new does not work.",
            "Start the server anew, or: python -m server migrate",
        )
    elif missing := sorted(set(NAMES) - {table.name for table in tables}):
        yield Finding(
            "database.tables",
            f"Tables are missing: {', '.join(missing)}.",
            "Somebody has dropped them, or a restore was cut off; what needs them answers `internal`.",
            "Restore a backup (docs/operating.md).",
        )
    for table in tables:
        if table.name in NAMES and (table.engine != "InnoDB" or table.collation != _COLLATION):
            yield Finding(
                "database.tables",
                f"The table {table.name} is {table.engine} with {table.collation}, not InnoDB with {_COLLATION}.",
                "Other engines know no transactions; other collations take different texts for the same.",
                f"ALTER TABLE {table.name} ENGINE = InnoDB, CONVERT TO CHARACTER SET utf8mb4 COLLATE {_COLLATION}",
            )

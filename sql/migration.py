"""Migrations: the numbered files of `sql/schema`, applied once, one process at a time."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomysql
import pymysql
from pymysql.constants import ER

from sql.database import connect_options

SCHEMA = Path(__file__).parent / "schema"

_TABLES = (
    "CREATE TABLE IF NOT EXISTS migration (version INT UNSIGNED NOT NULL, name VARCHAR(64) NOT NULL,"
    " PRIMARY KEY (version)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS migration_lease (id TINYINT UNSIGNED NOT NULL, holder BIGINT UNSIGNED NOT NULL,"
    " until DATETIME NOT NULL, PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "INSERT IGNORE INTO migration_lease (id, holder, until) VALUES (1, 0, '2000-01-01')",
)
_LEASE_SECONDS = 60
_DONE_BEFORE = {ER.DUP_FIELDNAME, ER.DUP_KEYNAME}
"""What an ALTER says that was cut off after it had worked: MySQL has no IF NOT EXISTS there."""


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says what to do."""


def _files() -> dict[int, Path]:
    return {int(path.name[:4]): path for path in sorted(SCHEMA.glob("[0-9][0-9][0-9][0-9]_*.sql"))}


def newest() -> int:
    """Return the version that this code needs."""
    return max(_files())


async def migrate(url: str, *, say: Callable[[str], None] = lambda text: None) -> None:
    """Bring the schema up to date. Every statement may be repeated, so a run that was cut off is simply run again.

    Raises MigrationError when the database is newer than this code, or cannot be reached.
    """
    options = connect_options(url)
    try:
        connection = await _connect(options)
    except (OSError, pymysql.err.Error) as fault:
        raise MigrationError(f"The database cannot be reached: {fault.args[-1]}") from fault
    try:
        await _migrate(connection.query, connection, say)
    finally:
        connection.close()


async def _connect(options: dict[str, object]) -> aiomysql.Connection:
    """Connect, making the database itself where there is none yet."""
    try:
        return await aiomysql.connect(**options, charset="utf8mb4", autocommit=True, connect_timeout=5)
    except pymysql.err.OperationalError as fault:
        if fault.args[0] != ER.BAD_DB_ERROR:
            raise
    name = str(options["db"])
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise MigrationError(f"The database's name may have letters, digits and _ only: {name!r}")
    bare = await aiomysql.connect(**(options | {"db": None}), charset="utf8mb4", autocommit=True, connect_timeout=5)
    await bare.query(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    bare.close()
    return await aiomysql.connect(**options, charset="utf8mb4", autocommit=True, connect_timeout=5)


async def _migrate(
    run: Callable[[str], Awaitable[int]], connection: aiomysql.Connection, say: Callable[[str], None]
) -> None:
    files = _files()
    if await current(connection) == max(files):
        return
    for statement in _TABLES:
        await run(statement)
    holder = secrets.randbits(63)
    await _take_lease(run, holder, say)
    applied = await current(connection)
    if applied > max(files):
        raise MigrationError(
            f"The database is at version {applied}, this program knows {max(files)}: run the newer program."
        )
    for version, path in files.items():
        if version > applied:
            say(f"schema: {path.name}")
            for statement in path.read_text().split(";\n"):
                if statement.strip():
                    await _apply(run, statement)
            await run(f"INSERT IGNORE INTO migration (version, name) VALUES ({version}, '{path.stem}')")
    await run(f"UPDATE migration_lease SET until = '2000-01-01' WHERE id = 1 AND holder = {holder}")


async def _apply(run: Callable[[str], Awaitable[int]], statement: str) -> None:
    try:
        await run(statement)
    except pymysql.err.Error as fault:
        if fault.args[0] not in _DONE_BEFORE:
            raise


async def _take_lease(run: Callable[[str], Awaitable[int]], holder: int, say: Callable[[str], None]) -> None:
    while not await run(
        f"UPDATE migration_lease SET holder = {holder}, until = UTC_TIMESTAMP() + INTERVAL {_LEASE_SECONDS} SECOND"
        " WHERE id = 1 AND until < UTC_TIMESTAMP()"
    ):
        say("schema: another process is bringing it up to date, waiting")
        await asyncio.sleep(0.5)


async def current(connection: aiomysql.Connection) -> int:
    """Return the version of the schema, 0 where there is none."""
    async with connection.cursor() as cursor:
        try:
            await cursor.execute("SELECT MAX(version) FROM migration")
        except pymysql.err.ProgrammingError as fault:
            if fault.args[0] != ER.NO_SUCH_TABLE:
                raise
            return 0
        row = await cursor.fetchone()
        return int(row[0] or 0)

"""The driver of the pool reads and writes what aiomysql's own does, only faster."""

import random
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum

import aiomysql
import pymysql
import pytest

from sql.database import Database, connect_options


class Colour(IntEnum):
    RED = 3


VALUES = [
    0,
    -(2**63),
    2**63 - 1,
    True,
    False,
    None,
    1.5,
    -2e-300,
    "",
    'it\'s \\ "quoted" %s %(x)s \x00 \n \u2028 🍵',
    b"",
    b"\x00\xff'\\\"",
    date(2026, 2, 28),
    datetime.fromisoformat("2026-02-28T23:59:59.999"),
    datetime.fromisoformat("2026-02-28"),
    Decimal("12345678901234567890.123"),
    "x" * 250,
    "x" * 251,
    "x" * 70_000,
    "ß" * 300_000,
]
COLUMNS = (
    "i BIGINT, u BIGINT UNSIGNED, t TINYINT, d DOUBLE, f FLOAT, n DECIMAL(20,3), s TEXT, l LONGTEXT, b VARBINARY(300),"
    " a VARCHAR(9) CHARACTER SET ascii, at DATETIME(3), day DATE, c CHAR(3), y YEAR, tm TIME, bits BIT(8)"
)


@pytest.fixture
async def both(empty_world):
    """Ours, and a plain connection."""
    database = Database(empty_world.migrate_url, timeout=20)
    plain = await aiomysql.connect(**connect_options(empty_world.migrate_url), charset="utf8mb4", autocommit=True)
    yield database, plain
    plain.close()
    database.close()


async def told(plain, text, *values):
    async with plain.cursor() as cursor:
        await cursor.execute(text, values)
        return list(await cursor.fetchall())


async def test_values_arrive_as_they_left(both):
    database, plain = both
    for value in VALUES:
        [(ours,)] = await database.fetch("SELECT %s", value)
        [(theirs,)] = await told(plain, "SELECT %s", value)
        assert (ours, type(ours)) == (theirs, type(theirs)), value
    assert await database.fetch("SELECT %s", Colour.RED) == [(3,)]


async def test_rows_of_every_type_and_any_number_are_those_that_aiomysql_reads(both):
    database, plain = both
    chance = random.Random(1)
    await database.fetch(f"CREATE OR REPLACE TABLE of_all_types ({COLUMNS})")
    try:
        for number in range(300):
            row = [
                (chance.randrange(-(2**63), 2**63), chance.randrange(2**64), chance.randrange(-128, 128)),
                (chance.random(), chance.random(), Decimal(chance.randrange(10**9)) / 1000),
                ("é" * chance.randrange(100), "z" * chance.choice([0, 250, 251, 70_000]), chance.randbytes(200)),
                (
                    "abc",
                    datetime.fromisoformat("2026-01-01T01:02:03.004"),
                    date(1999, 12, 31),
                    "äöü",
                    2026,
                    "11:22:33",
                    b"\x07",
                ),
            ]
            values = [None if chance.random() < 0.1 else value for part in row for value in part]
            await database.fetch(f"INSERT INTO of_all_types VALUES ({','.join(['%s'] * len(values))})", *values)
            if number in (0, 7, 299):
                ours = await database.fetch("SELECT * FROM of_all_types")
                assert ours == await told(plain, "SELECT * FROM of_all_types")
                assert len(ours) == number + 1
        for text in (
            "SELECT SUM(i), AVG(d), COUNT(*), MAX(at), MIN(day) FROM of_all_types",
            "SELECT 1 FROM DUAL WHERE 0",
        ):
            assert await database.fetch(text) == await told(plain, text)
    finally:
        await database.fetch("DROP TABLE of_all_types")


async def test_what_the_database_says_is_wrong_is_said_and_the_connection_goes_on(both):
    database, _ = both
    connection = await database.acquire()
    for text, fault in (("SELECT nonsense", pymysql.err.OperationalError), ("SELEC", pymysql.err.ProgrammingError)):
        with pytest.raises(fault):
            await connection.run(text, [])
        assert await connection.run("SELECT 7", []) == (1, ((7,),))
    with pytest.raises(pymysql.err.OperationalError, match="Subquery returns more than"):
        await connection.run("SELECT n, (SELECT 1 UNION SELECT n) FROM (SELECT 1 n UNION SELECT 2) x", [])
    assert await connection.run("SELECT 7", []) == (1, ((7,),))
    database.release(connection)

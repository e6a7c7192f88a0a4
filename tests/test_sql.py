"""SQL: a closed set of texts, kept in a snapshot; plans that use their indexes."""

import importlib
import os
import pkgutil
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import sql
from sql import block, chat, message, notification, relation, reminder, visit
from sql.database import Database
from sql.migration import MigrationError, migrate, newest
from sql.statement import STATEMENTS, compile_

SNAPSHOT = Path(__file__).parent / "snapshots" / "queries.sql"


def all_texts() -> str:
    for module in pkgutil.iter_modules(sql.__path__, "sql."):
        importlib.import_module(module.name)
    return "\n".join(sorted({statement.snapshot() for statement in STATEMENTS})) + "\n"


def test_every_statement_stands_in_the_snapshot():
    """UPDATE_SNAPSHOTS=1 writes it anew; the change is then read in the diff."""
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(all_texts())
    assert SNAPSHOT.read_text() == all_texts()


def test_no_statement_has_a_literal():
    for text in all_texts().splitlines():
        bare = re.sub(r"`[^`]*`", "", text)
        assert not re.search(r"['\"#;\\]|--|/\*|(?<![\w%])\d", bare), text


def test_lists_are_padded_to_powers_of_two_so_that_texts_are_few():
    statement = compile_("SELECT a FROM t WHERE a IN %(ids*)s AND b=%(b)s")
    texts = {statement.bind({"ids": list(range(n)), "b": 1})[0] for n in range(1, 129)}
    assert len(texts) == 8
    text, values = statement.bind({"ids": [1, 2, 3], "b": 9})
    assert (text, values) == ("SELECT a FROM t WHERE a IN (%s,%s,%s,%s) AND b=%s", [1, 2, 3, 3, 9])
    with pytest.raises(ValueError, match="empty"):
        statement.bind({"ids": [], "b": 9})


def test_pieces_are_left_out_or_repeated_as_the_values_say():
    statement = compile_(
        "SELECT a FROM t WHERE b=%(b)s{low? AND a>%(low)s}{tags* AND FIND_IN_SET(%(tags)s,c)} LIMIT %(n)s"
    )
    bind = statement.bind
    assert bind({"b": 1, "low": None, "tags": [], "n": 9}) == ("SELECT a FROM t WHERE b=%s LIMIT %s", [1, 9])
    text, values = bind({"b": 1, "low": 0, "tags": ["x", "y"], "n": 9})
    assert text == "SELECT a FROM t WHERE b=%s AND a>%s AND FIND_IN_SET(%s,c) AND FIND_IN_SET(%s,c) LIMIT %s"
    assert values == [1, 0, "x", "y", 9]
    assert "[AND a>%s] [AND FIND_IN_SET(%s,c)]×n" in statement.snapshot()


@pytest.fixture
async def database(empty_world):
    database = Database(empty_world.database_url, timeout=30)
    yield database
    database.close()


async def plan(database, statement, **values):
    text, bound = statement.bind(values)
    return await database.fetch(f"EXPLAIN {text}", *bound)


async def test_the_busy_statements_read_by_index_and_few_rows(database):
    now = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    for start in range(0, 4000, 500):
        rows = ",".join(f"({n % 40 + 1},{n + 1000},1,'2026-01-01')" for n in range(start, start + 500))
        await database.fetch(f"INSERT INTO pair (low_id,high_id,connected,active_at) VALUES {rows}")
        rows = ",".join(f"({n % 40 + 1},1000,{n},1,{n},'x','2026-01-01')" for n in range(start, start + 500))
        await database.fetch(f"INSERT INTO message VALUES {rows}")
        rows = ",".join(f"({n % 40 + 1},{n + 1000},'2025-12-01')" for n in range(start, start + 500))
        await database.fetch(f"INSERT INTO visit VALUES {rows}")
        rows = ",".join(f"({n % 40 + 1},{n + 1000},'x','2025-12-01')" for n in range(start, start + 500))
        await database.fetch(f"INSERT INTO block VALUES {rows}")
    await database.fetch("ANALYZE TABLE pair, message, visit, block")
    keys = [(1, 1000), (2, 1001), (3, 1002), (4, 1003)]
    plans = [
        await plan(database, relation._LOCK, low_id=1, high_id=1000),
        await plan(database, relation._LIST, keys=keys),
        await plan(database, message._LIST_BEFORE, low_id=1, high_id=1000, before=90, limit=20),
        await plan(database, message._LIST_BY_KEY, keys=[(*key, 3) for key in keys]),
        await plan(database, message._LIST_BY_RANDOM_ID, keys=[(*key, 1, 4) for key in keys]),
        await plan(database, chat._LOCK_ALL, keys=keys),
        await plan(database, relation._LIST_CONNECTED, user_id=1, yes=True, at=now, other_id=2**52, limit=20),
        await plan(database, relation._LIST_LIKERS, user_id=2000, no=False, at=now, other_id=2**52, limit=20),
        await plan(database, visit._LIST, user_id=1, at=now, other_id=2**52, limit=20),
        await plan(database, block._LIST, user_id=1, at=now, other_id=2**52, limit=20),
    ]
    for rows in plans:
        for row in rows:
            kind, table, rows_read = row[3], row[2], row[8]
            if table in ("pair", "message", "visit", "block"):
                assert kind in ("const", "range", "ref"), row
                assert int(rows_read) <= 210, row


async def test_what_waits_is_counted_by_index_whoever_else_has_something_waiting(database):
    now = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    for user_id in range(1, 41):
        rows = ",".join(f"({user_id},6,{n},{n},'2026-01-01',{n % 10 != 0})" for n in range(1000, 1100))
        await database.fetch(f"INSERT INTO notification (user_id,kind,other_id,seq,at,is_read) VALUES {rows}")
        rows = ",".join(f"({user_id},{n},1,'2026-01-01',{n % 10 == 0})" for n in range(1000, 1100))
        await database.fetch(f"INSERT INTO pair (low_id,high_id,connected,active_at,low_unread) VALUES {rows}")
    for start in range(1000, 3000, 500):
        rows = ",".join(f"({n},'u{n}','x',1,'en','2026-01-01')" for n in range(start, start + 500))
        await database.fetch(f"INSERT INTO account (id,login,password_hash,state,language,created_at) VALUES {rows}")
    rows = ",".join(f"({n},{'NULL' if n % 50 else repr('2025-12-31')})" for n in range(1000))
    await database.fetch(f"INSERT INTO reminder (user_id,due_at) VALUES {rows}")
    await database.fetch("ANALYZE TABLE pair, notification, account, reminder")
    mine = {"user_id": 1, "active": 1, "nobody": 0, "no": False}
    plans = [
        await plan(database, notification._COUNT_UNREAD, **mine),
        await plan(database, notification._LIST_WAITING, **mine),
        await plan(database, notification._LIST_BEFORE, **mine, before=2**62, limit=21),
        await plan(database, notification._LOCK_UNREAD, no=False, keys=[(n, 6, 1000) for n in range(1, 17)]),
        await plan(database, notification._MARK_READ, **mine, yes=True, up_to=2000),
        await plan(database, relation._SUM_UNREAD, **mine, yes=True, none=0),
        await plan(database, reminder._LIST_DUE, now=now, limit=50),
        await plan(database, reminder._CLAIM, lease=1, until=now, now=now, user_ids=list(range(0, 1000, 50))),
    ]
    for rows in plans:
        for row in rows:
            kind, table, rows_read = row[3], row[2], row[8]
            assert kind in ("const", "range", "ref", "eq_ref") or table.startswith("<"), row
            assert int(rows_read) <= 210, row


async def test_a_database_with_people_and_towns_is_brought_up_to_date(empty_world):
    """As it was before version 5; and once more, as after a run that was cut off at its end."""
    url = empty_world.migrate_url.replace("/matcha?", "/older?")
    await migrate(url)
    database = Database(url, timeout=30)
    try:
        await database.fetch("DROP TABLE tag_use")
        await database.fetch("ALTER TABLE town_name DROP KEY initial, DROP COLUMN initial")
        columns = "id,login,password_hash,state,language,created_at"
        await database.fetch(f"INSERT INTO account ({columns}) SELECT seq,seq,'',seq<8,'en',NOW() FROM seq_1_to_9")
        await database.fetch("INSERT INTO profile_tag SELECT id,'tea',0 FROM account")
        await database.fetch("INSERT INTO profile_tag SELECT id,'чай',1 FROM account WHERE id > 6")
        await database.fetch("INSERT INTO profile_tag SELECT id,'golf',1 FROM account WHERE id > 7")
        await database.fetch("INSERT INTO town_name VALUES ('moscow', 1, 9), ('москва', 1, 9)")
        for _ in range(2):
            await database.fetch("DELETE FROM migration WHERE version >= 5")
            await migrate(url)
            used = await database.fetch("SELECT tag, initial, people FROM tag_use ORDER BY tag")
            assert used == [("tea", "t", 7), ("чай", "ч", 1)]
            names = await database.fetch("SELECT name, initial, population FROM town_name ORDER BY name")
            assert names == [("moscow", "m", 9), ("москва", "м", 9)]
    finally:
        await database.fetch("DROP DATABASE older")
        database.close()


async def test_migrations_are_applied_once_and_a_newer_database_is_refused(empty_world):
    await migrate(empty_world.migrate_url)
    database = Database(empty_world.migrate_url)
    try:
        await database.fetch("INSERT INTO migration (version, name) VALUES (%s, %s)", newest() + 1, "from the future")
        with pytest.raises(MigrationError, match="newer"):
            await migrate(empty_world.migrate_url)
    finally:
        await database.fetch("DELETE FROM migration WHERE version = %s", newest() + 1)
        database.close()

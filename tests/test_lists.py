"""Lists of people: each page reads what it shows, however long the list is and however far one has turned."""

from datetime import UTC, datetime, timedelta

import pytest

from sql import relation, visit
from sql.database import Database
from sql.transaction import Budget, Tx
from tests.ground.recorders import SqlRecorder

ME = 1_000_000
MANY = 6000
NEWEST = datetime(2026, 1, 1)  # noqa: DTZ001  (as the database keeps it)


@pytest.fixture
async def popular(empty_world):
    """Somebody whom thousands like and visit, and who is connected with thousands: half with lower ids, half higher."""
    database = Database(empty_world.database_url, size=1, timeout=30)
    other = f"IF(MOD(seq,2), {ME}-seq, {ME}+seq)"
    sides = f"LEAST({other},{ME}) low_id, GREATEST({other},{ME}) high_id"
    at = f"'{NEWEST}' - INTERVAL seq DIV 3 SECOND"
    await database.fetch(
        "INSERT INTO pair (low_id,high_id,connected,active_at,connected_at,low_liked_at,high_liked_at)"
        f" SELECT {sides}, seq>{MANY}, IF(seq>{MANY},{at},NULL), IF(seq>{MANY},{at},NULL),"
        f" IF(seq>{MANY} OR {other}<{ME},{at},NULL), IF(seq>{MANY} OR {other}>{ME},{at},NULL)"
        f" FROM seq_1_to_{2 * MANY}"
    )
    await database.fetch(f"INSERT INTO visit SELECT {ME}, {other}, {at} FROM seq_1_to_{MANY}")
    await database.fetch("ANALYZE TABLE pair, visit")
    yield database
    database.close()


@pytest.mark.parametrize("list_before", [relation.list_likers, relation.list_connected, visit.list_before])
async def test_a_page_reads_what_it_shows(popular, list_before):
    tx = Tx(popular, now=datetime.now(UTC), budget=Budget(60))
    at, other_id, listed, read = NEWEST + timedelta(days=1), 0, [], []
    for _ in range(MANY // 20):
        before = await rows_read(popular)
        page = await list_before(tx, user_id=ME, at=at, other_id=other_id, limit=20)
        read.append(await rows_read(popular) - before)
        listed += page
        at, other_id = page[-1].at, page[-1].other_id
    assert max(read) < 200, max(read)
    assert len({one.other_id for one in listed}) == MANY, "nobody twice, nobody left out"
    order = [(one.at, one.other_id) for one in listed]
    assert order == sorted(order, reverse=True)


async def test_many_who_may_not_be_seen_are_passed_over_in_a_few_steps(server, people):
    """One who likes was here before hundreds who are gone."""
    bob, alice = await people("bob"), await people("alice")
    await alice.relation.like(bob.id)
    at = "NOW() + INTERVAL 1 DAY"
    await server.database.fetch(
        "INSERT INTO pair (low_id,high_id,low_liked_at,high_liked_at) SELECT LEAST(%s,seq*7),GREATEST(%s,seq*7),"
        f"IF(%s>seq*7,{at},NULL),IF(%s>seq*7,NULL,{at}) FROM seq_1_to_600",
        *[bob.id] * 4,
    )
    with SqlRecorder() as recorder:
        page = await bob.call("user/likes")
    assert [like["user"]["user_id"] for like in page["likes"]] == [alice.id]
    assert len([one for one in recorder.statements if not one.in_background]) < 24


async def rows_read(database):
    counters = await database.fetch("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(count) for _, count in counters)

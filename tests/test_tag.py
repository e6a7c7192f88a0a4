"""Tags: which ones people use, of those that enough people use, and how many do."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from random import Random

import pytest

from client_sdk import InvalidPayload
from server.app import SERVICES
from sql import account, profile, tag
from sql.account import State as Standing
from sql.database import Database
from sql.transaction import Budget, Tx
from tests.ground.accounts import State, set_state, verification
from tests.ground.server import PASSWORD
from tests.ground.waiting import until


@pytest.fixture
async def crowd(people):
    """Seven people: all like tea, six like trains, five like театр, four like tennis."""
    return [
        await people(
            f"person{number}",
            tags=["tea", *["trains"] * (number < 6), *["театр"] * (number < 5), *["tennis"] * (number < 4)],
        )
        for number in range(7)
    ]


async def used(person, prefix):
    return [(line.tag, line.count) for line in await person.tag.complete(prefix)]


async def test_tags_are_found_by_how_they_begin_most_used_first(crowd):
    assert await used(crowd[0], "t") == [("tea", 7), ("trains", 6)]
    assert await used(crowd[0], "TR") == [("trains", 6)]
    assert await used(crowd[0], "ТЕ") == [("театр", 5)]
    assert await used(crowd[0], "tea") == [("tea", 7)]
    assert await used(crowd[0], "teas") == []


async def test_a_tag_that_fewer_than_five_use_is_not_told(server, crowd):
    assert await used(crowd[0], "tennis") == []
    await crowd[4].profile.save(tags=["tennis"])
    assert await used(crowd[0], "tennis") == [("tennis", 5)]
    await set_state(server, crowd[1], State.BANNED)
    assert await used(crowd[0], "tennis") == []
    await crowd[5].profile.save(tags=["tennis"])
    await set_state(server, crowd[2], State.DELETED)
    assert await used(crowd[0], "tennis") == [], "who is gone does not count"


async def test_wildcards_are_letters_and_no_tag_has_them(crowd):
    """R54."""
    for prefix in ("%", "_", "\\", "t%", "t_a", "%a%a%a%a", "\\%", "#tea", "te a"):
        assert await used(crowd[0], prefix) == [], prefix


async def test_a_prefix_is_one_to_64_characters(alice):
    for prefix in ("", " ", "x" * 65, "a\0"):
        with pytest.raises(InvalidPayload):
            await alice.tag.complete(prefix)


async def test_twenty_at_most(server, alice):
    for number in range(30):
        await server.database.fetch("INSERT INTO tag_use VALUES (%s, 't', 5)", f"tag{number:02}")
    first = [(f"tag{number:02}", 5) for number in range(20)]
    assert await used(alice, "tag") == await used(alice, "t") == first


# -- how many use them -------------------------------------------------------------------------------------------------


async def kept(server):
    return dict(await server.database.fetch("SELECT tag, people FROM tag_use"))


async def counted(server):
    """By hand: the tags of all who are active."""
    rows = await server.database.fetch(
        "SELECT t.tag, COUNT(*) FROM profile_tag t JOIN account a ON a.id = t.user_id WHERE a.state = 1 GROUP BY t.tag"
    )
    return dict(rows)


async def change(server, user_id, work):
    """Do something to somebody as an event does: with the account held."""

    async def act(tx):
        await account.lock(tx, id=user_id)
        await work(tx)

    await server.app[SERVICES].transact(act)


def stand(user_id, state):
    return partial(account.update_state, id=user_id, state=state)


def say(user_id, tags):
    return partial(profile.replace_tags, user_id=user_id, tags=tags)


async def test_each_act_is_counted_at_once(server, people):
    alice, bob = await people("alice", tags=["tea", "jazz"]), await people("bob", tags=["tea"])
    assert await kept(server) == {"tea": 2, "jazz": 1}
    await bob.profile.save(tags=["jazz", "tea"])
    assert await kept(server) == {"tea": 2, "jazz": 2}
    await bob.profile.save(tags=["tea", "jazz"])
    await bob.profile.save(first_name="Robert")
    assert await kept(server) == {"tea": 2, "jazz": 2}, "nothing has changed"
    await alice.profile.save(tags=["chess"])
    assert await kept(server) == {"tea": 1, "jazz": 1, "chess": 1}
    for state, still in ((Standing.BANNED, {}), (Standing.ACTIVE, {"chess": 1}), (Standing.DELETED, {})):
        await change(server, alice.id, stand(alice.id, state))
        assert await kept(server) == {"tea": 1, "jazz": 1} | still
    await change(server, bob.id, partial(profile.delete, user_id=bob.id))
    assert await kept(server) == {}, "what nobody uses any more is forgotten"


async def test_who_has_not_confirmed_the_address_is_not_counted(server, alice):
    before = await kept(server)
    names = {"first_name": "Dave", "last_name": "Example"}
    await alice.account.register("dave", "dave@example.org", PASSWORD, **names, tags=["tea", "golf"])
    assert await kept(server) == before
    await alice.account.verify(**verification(await server.mails.wait_for("dave@example.org")))
    assert await kept(server) == before | {"tea": before["tea"] + 1, "golf": 1}


async def test_two_who_change_the_same_tags_are_not_in_each_others_way(server, people):
    """Both are halted halfway: they have taken the tags in one order, whichever they leave and whichever they take."""
    alice, bob = await people("alice", tags=["books", "music"]), await people("bob", tags=["art", "music"])
    holder = await server.database.acquire()
    await holder.run_within(("SELECT people FROM tag_use WHERE tag = %s FOR UPDATE", ["music"]))
    both = asyncio.gather(alice.profile.save(tags=["art"]), bob.profile.save(tags=["books"]))
    await until(lambda: are_waiting(server, 2))
    await holder.command("ROLLBACK")
    server.database.release(holder)
    await both
    assert await kept(server) == {"art": 1, "books": 1}
    assert not server.database.retries


async def are_waiting(server, number):
    found = await server.database.fetch("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
    return found == [("Innodb_row_lock_current_waits", str(number))]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_people_do_at_once_the_count_is_as_if_it_was_counted_now(server, seed):
    draw = Random(seed)
    for person in range(1, 7):
        await server.database.fetch(
            "INSERT INTO account (id,login,password_hash,state,language,created_at) VALUES (%s,%s,'',0,'en',NOW())",
            person,
            f"x{person}",
        )

    def act(person):
        if draw.random() < 0.3:
            return stand(person, draw.choice(list(Standing)))
        if draw.random() < 0.1:
            return partial(profile.delete, user_id=person)
        return say(person, draw.sample(["tea", "jazz", "чай", "chess", "x-1"], draw.randint(0, 5)))

    for _ in range(40):
        acting = [draw.randint(1, 6) for _ in range(4)]
        await asyncio.gather(*(change(server, person, act(person)) for person in acting))
        assert await kept(server) == await counted(server)


# -- plans -------------------------------------------------------------------------------------------------------------

MANY = 30_000


@pytest.fixture
async def dictionary(empty_world):
    """Many tags that begin with one letter, of which a third are used by enough people."""
    database = Database(empty_world.database_url, size=1, timeout=30)
    await database.fetch(
        f"INSERT INTO tag_use SELECT CONCAT('t', LPAD(MOD(seq*7919,{MANY}),6,'0')), 't',"
        f" IF(MOD(seq,3)=0,5+MOD(seq*37,5000),4) FROM seq_1_to_{MANY}"
    )
    await database.fetch("INSERT INTO tag_use VALUES ('u', 'u', 9)")
    await database.fetch("ANALYZE TABLE tag_use")
    yield database
    database.close()


async def test_every_statement_goes_by_its_index(dictionary):
    used = {"fewest": 5, "limit": 20}
    for statement, values, key in (
        (tag._LIST_BY_INITIAL, {"prefix": "t"}, "initial"),
        (tag._LIST_BY_PREFIX, {"prefix": "t001", "last": "t001\U0010ffff"}, "PRIMARY"),
        (tag._FORGET, {"tag": "t000001", "nobody": 0}, "PRIMARY"),
    ):
        text, bound = statement.bind(used | values)
        [(*_, kind, _, chosen, _, _, rows, extra)] = await dictionary.fetch(f"EXPLAIN {text}", *bound)
        assert (kind, chosen) == ("range", key), extra
        assert "filesort" not in extra if key == "initial" else int(rows) <= 1100, (rows, extra)


async def test_no_beginning_looks_at_many_tags_however_many_there_are(dictionary):
    everything = await dictionary.fetch("SELECT tag, people FROM tag_use WHERE people >= 5")
    best = sorted(everything, key=lambda row: (-row[1], row[0]))
    tx = Tx(dictionary, now=datetime.now(UTC), budget=Budget(60))
    for prefix, most in (("t", 20), ("t001", 1001), ("t0012", 101), ("u", 2), ("v", 1)):
        before = await rows_read(dictionary)
        found = await tag.list_by_prefix(tx, prefix=prefix, fewest=5, limit=20)
        assert await rows_read(dictionary) - before <= most, prefix
        assert found == [row for row in best if row[0].startswith(prefix)][:20]


async def rows_read(database):
    return sum(int(count) for _, count in await database.fetch("SHOW SESSION STATUS LIKE 'Handler_read%%'"))

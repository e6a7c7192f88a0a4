"""Attacks by data: on the database account, on text, on Redis keys, on the log, on the age of majority."""

import asyncio
import logging
import re
import unicodedata
from datetime import date, timedelta
from typing import Any

import pymysql
import pytest
from redis.asyncio import Redis

from sql.database import Database
from tests.ground.answers import ok, refused
from tests.ground.strategies import SAMPLES

# R55: what an account that serves can do to the database at worst

BEYOND_ROWS = [
    "DROP TABLE message",
    "CREATE TABLE t (a INT)",
    "ALTER TABLE account ADD COLUMN a INT",
    "TRUNCATE TABLE message",
    "CREATE USER eve@localhost",
    "GRANT ALL ON *.* TO matcha@localhost",
    "SELECT 1 INTO OUTFILE '/tmp/matcha-out'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE outbox",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE outbox",
    "SELECT user FROM mysql.user",
    "SET GLOBAL general_log = 1",
    "CREATE PROCEDURE p() SELECT 1",
    "SHUTDOWN",
]


@pytest.mark.parametrize("statement", BEYOND_ROWS)
async def test_the_account_that_serves_can_do_nothing_but_read_and_write_rows(server: Any, statement: str) -> None:
    """R55."""
    with pytest.raises((pymysql.err.Error, RuntimeError)):
        await server.database.fetch(statement)


async def test_no_file_is_read_by_a_statement(server: Any) -> None:
    """R55."""
    assert await server.database.fetch("SELECT LOAD_FILE('/etc/passwd')") == [(None,)]


async def test_one_text_is_one_statement(server: Any, alice: Any) -> None:
    """R55: even text that slipped in could not be followed by a statement of its own."""
    with pytest.raises(pymysql.err.ProgrammingError):
        await server.database.fetch("SELECT 1; DELETE FROM account")
    database = Database(server.config.database.url)
    try:
        with pytest.raises(pymysql.err.ProgrammingError):
            await database.fetch("SELECT 1; SELECT 2")
    finally:
        database.close()
    assert await server.database.fetch("SELECT login FROM account") == [("alice",)]


# R57: text

NO_NAME = {
    "blank": [" ", "\u00a0\u2003", "\u200b", "\u200d\u200c", "\u2060\ufeff", "\u0301\u0301"],
    "control": ["Ann\u202egnp.exe", "\u2067Ann", "Ann\u2028Orlova", "Ann\nOrlova", "Ann\x00", "\x1b[2JAnn", "Ann\x85"],
    "max_length": ["x" * 65, "\N{GRINNING FACE}" * 65, "e" + "\u0301" * 10_000],
}
NAMES = ["Zoë", "Ольга", "李雷", "O’Neill-Çelik", "أحمد", "👩‍🚀 Ann", "नेहा"]


async def test_a_name_is_one_visible_line(dial: Any, mallory: Any) -> None:
    """R57."""
    socket = await dial(mallory)
    for code, names in NO_NAME.items():
        for name in names:
            answer = await socket.call("user/save_profile", {"first_name": name})
            assert refused(answer, 400, "invalid_payload")["fields"]["first_name"]["code"] == code, (name, answer)
    for name in NAMES:
        assert ok(await socket.call("user/save_profile", {"first_name": name}))["first_name"] == name


async def test_text_is_stored_composed_and_whole_or_not_at_all(dial: Any, connected: Any) -> None:
    """R57: limits count what is stored, in characters; nothing is cut off in silence."""
    alice, bob = connected
    socket, target = await dial(alice), {"target_user_id": bob.id}
    decomposed = "e\u0301" * 4000  # 8000 characters that are 4000 once composed
    ok(await socket.call("message/send", target | {"random_id": 1, "message": decomposed}))
    ok(await socket.call("message/send", target | {"random_id": 2, "message": "\N{GRINNING FACE}" * 4000}))
    for text in ("\N{GRINNING FACE}" * 4001, "\U0001d160" * 2000, ""):  # the second grows when it is composed
        refused(await socket.call("message/send", target | {"random_id": 3, "message": text}), 400, "invalid_payload")
    newest, first = ok(await socket.call("message/history", target))["messages"]
    assert first["message"] == unicodedata.normalize("NFC", decomposed)
    assert newest["message"] == "\N{GRINNING FACE}" * 4000


async def test_tags_are_folded_counted_once_and_limited(dial: Any, mallory: Any) -> None:
    """R57."""
    socket = await dial(mallory)
    saved = ok(await socket.call("user/save_profile", {"tags": ["Tea", "TEA", "Straße", "STRASSE", "cafe\u0301"]}))
    assert saved["tags"] == ["tea", "strasse", "caf\u00e9"]
    for tags in ([f"t{n}" for n in range(21)], ["t"] * 10_000, ["#tea"], ["a b"], ["\u200b"], ["x" * 33], [""]):
        refused(await socket.call("user/save_profile", {"tags": tags}), 400, "invalid_payload")


# R58: only what the server makes up stands in the keys of Redis


async def test_no_text_of_a_client_stands_in_a_key(server: Any, dial: Any, mallory: Any, bob: Any) -> None:
    """R58: a marker that is put into every text of every event turns up in no key."""
    marker = "zQx7"
    socket, anonymous = await dial(mallory), await dial()
    for event, sample in SAMPLES.items():
        if event.startswith("user/log"):
            continue
        for name, value in (sample.required | sample.optional).items():
            texts = [f"{marker}:*", f"presence:{marker}", f"{marker}\r\n", f"[{marker}]?", marker]
            for text in texts if isinstance(value, str) else ():
                payload = sample.required | {name: text}
                await (socket if event not in PUBLIC else anonymous).call(event, payload)
    for login in (f"{marker}:*", f"{marker}@example.org"):
        await anonymous.call("user/login", {"login": login, "password": f"{marker} wrong"})
    async with Redis.from_url(server.redis_url, decode_responses=True) as redis:
        keys = await redis.keys()
    assert keys, "nothing was counted: the test tells nothing"
    assert [key for key in keys if marker.lower() in key.lower()] == []


PUBLIC = {"user/registr", "user/verification", "user/forgot_pass", "user/resend_verification", "user/reset_pass"}

# R59: what is logged of a client stays within its record


async def test_nothing_from_outside_begins_a_line_of_its_own(server: Any, dial: Any, mallory: Any) -> None:
    """R59."""
    poison = '\r\n2026-01-01 CRITICAL admin logged in\x1b[2J%n%s\u2028"}'
    socket = await dial(mallory, headers={"User-Agent": "evil %s %n"})
    for event in (poison, f"user/me{poison}", "%(message)s"):
        refused(await socket.call(event, {}), 400, "unknown_event")
    await socket.call("user/login", {"login": poison, "password": poison})
    await socket.call("profile", {poison: 1})
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET /socket.io/?EIO=4&transport=websocket&sid=%0d%0a{'%1b'}[2J HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.read(200)
    writer.close()
    [handler] = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    for record in server.log:
        line = handler.format(record)
        assert line.isprintable(), line
        assert not re.search(r"^2026-01-01", line, re.MULTILINE)


# R83: nobody under 18


async def test_nobody_is_younger_than_eighteen(server: Any, dial: Any, mallory: Any) -> None:
    """R83: the day of the birthday itself is the first, in UTC."""
    socket = await dial(mallory)
    today = server.clock.now().date()
    eighteen = date(today.year - 18, today.month, today.day)
    ok(await socket.call("user/save_profile", {"birth_date": eighteen.isoformat()}))
    for born in (eighteen + timedelta(days=1), today, today + timedelta(days=1)):
        answer = await socket.call("user/save_profile", {"birth_date": born.isoformat()})
        assert "birth_date" in refused(answer, 400, "invalid_payload")["fields"]
    for age in (17, 0, -1, 121, 18.0, "18", True, 10**20):
        answer = await socket.call("user/save_profile", {"age": age})
        assert "age" in refused(answer, 400, "invalid_payload")["fields"], age
    for born in ("2000-02-30", "2001-02-29", "01.02.2000", "2000-1-2", 946684800, "1880-01-01"):
        answer = await socket.call("user/save_profile", {"birth_date": born})
        assert "birth_date" in refused(answer, 400, "invalid_payload")["fields"], born
    assert ok(await socket.call("user/me", {}))["birth_date"] == eighteen.isoformat()


async def test_no_filter_finds_the_underaged(dial: Any, mallory: Any) -> None:
    """R83."""
    socket = await dial(mallory)
    for fields in ({"age_min": 17}, {"age_min": 0}, {"age_max": 17}, {"age_min": -1}, {"age_min": 30, "age_max": 20}):
        refused(await socket.call("research", fields), 400, "invalid_payload")
    refused(await socket.call("user/save_profile", {"wish": {"age_min": 13}}), 400, "invalid_payload")


async def test_nobody_registers_under_eighteen(dial: Any, server: Any) -> None:
    """R83."""
    socket = await dial()
    sample = SAMPLES["user/registr"].required
    young = server.clock.now().date() - timedelta(days=365 * 17)
    for fields in ({"age": 17}, {"birth_date": young.isoformat()}):
        refused(await socket.call("user/registr", sample | fields), 400, "invalid_payload")

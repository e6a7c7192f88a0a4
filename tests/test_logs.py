"""What is logged is one line for each record, and never what belongs to others."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pymysql
import pytest
import structlog

from server import logs
from server.config import Log
from server.logs import Seldom, configure
from server.wire.events import registry
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket, Refused
from tests.ground.strategies import SAMPLES, aim
from tests.ground.waiting import until_mailed

SECRET = "kanarie42"
ADDRESS = "alice@example.org"
POSITION = 48.123457
FORGED = "mallory\r\n2026-01-01T00:00:00Z info forged\x1b[2J\u2028\u202e\x85"

Lines = Callable[[], list[str]]


@pytest.fixture(params=["console", "json"])
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", written := io.StringIO())
    configure(Log(format=request.param))
    yield lambda: written.getvalue().split("\n")[:-1]
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


def test_text_can_not_pretend_to_be_another_record(lines: Lines):
    structlog.get_logger("test").warning(FORGED, login=FORGED, nested={"login": FORGED})
    logging.getLogger("library").error("%s", FORGED, extra={"more": FORGED})
    logged = lines()
    assert len(logged) == 2
    assert all(line.isprintable() for line in logged)


def test_a_traceback_is_one_line(lines: Lines):
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("test").exception("failed")
    (line,) = lines()
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert line.isprintable()


def test_levels_are_kept_and_libraries_that_log_payloads_are_silent(lines: Lines):
    structlog.get_logger("test").debug("quiet")
    for name in ("socketio.server", "engineio.server", "aiohttp.access", "aiomysql"):
        logging.getLogger(name).info("a payload")
        logging.getLogger(name).warning("a fault of %s", name)
    logged = lines()
    assert len(logged) == 4
    assert all("a fault of" in line for line in logged)


def test_json_is_json_and_a_console_line_is_read_by_people(lines: Lines):
    structlog.get_logger("test.it").info("served", count=3, name="Мария И", empty="")
    (line,) = lines()
    if line.startswith("{"):
        record = json.loads(line)
        assert record.pop("timestamp").endswith("Z")
        assert record == {
            "event": "served", "level": "info", "logger": "test.it", "count": 3, "name": "Мария И", "empty": "",
        }  # fmt: skip
    else:
        assert line.split(" ", 1)[1] == 'info     served [test.it] count=3 name="Мария И" empty=""'


def test_what_an_exception_quotes_is_not_written(lines: Lines):
    try:
        try:
            raise pymysql.IntegrityError(1062, f"Duplicate entry '{ADDRESS}' for key 'mail'")
        except pymysql.IntegrityError as fault:
            raise ValueError(f"invalid literal: {SECRET!r}") from fault
    except ValueError:
        structlog.get_logger("test").exception("failed")
        logging.getLogger("library").exception("failed too")
    logged = lines()
    assert len(logged) == 2
    for line in logged:
        assert "IntegrityError" in line and "invalid literal: " in line and "test_logs.py" in line
        assert SECRET not in line and ADDRESS not in line


def test_what_an_exception_says_of_the_code_is_written_whole(lines: Lines):
    try:
        None.nothing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError:
        structlog.get_logger("test").exception("failed")
    assert "has no attribute 'nothing'" in lines()[0]


def test_a_trace_is_not_longer_than_twenty_steps(lines: Lines):
    def down(steps: int) -> None:
        if steps < 0:
            raise ValueError
        and_down(steps - 1)

    def and_down(steps: int) -> None:
        down(steps - 1)

    try:
        down(200)
    except ValueError:
        structlog.get_logger("test").exception("failed")
    assert lines()[0].count("test_logs.py") == 20


def test_of_what_others_bring_about_there_is_a_line_a_second_and_the_number_of_the_others():
    now = 100.0
    seldom = Seldom(time=lambda: now)
    passed = [seldom.passes("flood") for _ in range(50)]
    assert passed == [0] + [None] * 49
    assert seldom.passes("something else") == 0
    now += 1
    assert seldom.passes("flood") == 49
    now += 10
    assert seldom.passes("flood") == 0


def test_a_line_that_asks_for_it_is_seldom(lines: Lines):
    logs.seldom.forget()
    for _ in range(5):
        structlog.get_logger("test").warning("flood", seldom=True)
        structlog.get_logger("test").warning("flood", seldom="of another kind")
        structlog.get_logger("test").warning("as always")
    logged = lines()
    assert len([line for line in logged if "flood" in line]) == 2
    assert len([line for line in logged if "as always" in line]) == 5
    assert "seldom" not in "".join(logged)


# -- events ------------------------------------------------------------------------------------------------------------

Said = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def said(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """`said(event="…")` returns the lines of this process so far that have this, at level info or as parametrized."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", written := io.StringIO())
    configure(Log(format="json", level=getattr(request, "param", "info")))

    def lines(**fields: Any) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in written.getvalue().splitlines()]
        ours = [record for record in records if not record["logger"].startswith("client")]
        return [record for record in ours if fields.items() <= record.items()]

    yield lines
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


async def open_as(person: Any) -> RawSocket:
    return await RawSocket.open(person.url, auth={"token": person.token})


async def test_with_the_default_options_what_went_well_is_not_said(server: Any, talking: Any, said: Said):
    alice, bob = talking
    before = len(said())
    await alice.message.send(bob.id, "hello")
    await alice.profile.me()
    async with await open_as(alice) as socket:
        refused(await socket.call("profile", {"target_user_id": 1}), "not_found")
    assert said()[before:] == []


@pytest.mark.parametrize("said", ["debug"], indirect=True)
async def test_the_line_of_an_event_says_what_who_and_how_long(server: Any, alice: Any, said: Said):
    async with await open_as(alice) as socket:
        ok(await socket.call("user/me"))
        refused(await socket.call("profile", {"target_user_id": 1}), "not_found")
        sid = json.loads(str(socket.frames[0])[1:])["sid"]
    (line,) = said(event="event", event_name="user/me", socket=sid)
    assert line.pop("timestamp") and 0 < line.pop("ms") < 5000
    assert line == {
        "event": "event", "level": "debug", "logger": "event",
        "event_name": "user/me", "code": 200, "user_id": alice.id, "socket": sid,
    }  # fmt: skip
    (line,) = said(event="event", event_name="profile")
    assert (line["code"], line["error"], line["user_id"], line["socket"]) == (400, "not_found", alice.id, sid)


@pytest.mark.config(log={"events": "info"})
async def test_every_event_can_be_said_at_level_info(server: Any, alice: Any, said: Said):
    await alice.profile.me()
    (line,) = said(event="event", event_name="user/me")
    assert (line["level"], line["code"]) == ("info", 200)


@pytest.mark.config(log={"events": "info"})
async def test_lines_of_one_request_bear_the_same_id_and_of_another_another(server: Any, alice: Any, said: Said):
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {alice.token}"}) as http:
        for _ in range(2):
            await http.get(f"{server.url}/api/user/me")
    one, other = said(event_name="user/me")
    assert one["request"] != other["request"] and "socket" not in one
    assert one["user_id"] == alice.id


@pytest.mark.parametrize("addresses", [False, True])
async def test_addresses_are_said_only_where_that_is_wanted(start_server: Any, said: Said, addresses: bool):
    server = await start_server(log={"events": "info", "addresses": addresses})
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/me"), "unauthorized")
    (line,) = said(event_name="user/me")
    assert line.get("address") == ("127.0.0.1" if addresses else None)
    assert addresses or "127.0.0.1" not in json.dumps(said())


async def test_what_concerns_security_is_said_at_level_info(server: Any, alice: Any, said: Said):
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/login", {"login": "alice", "password": "wrong"}), "invalid_credentials")
        ok(await socket.call("user/login", {"login": "alice", "password": alice.password}))
        ok(await socket.call("user/logout"))
    (wrong, right) = said(event="event", event_name="user/login")[-2:]
    assert (wrong["level"], wrong["error"], wrong["user_id"]) == ("info", "invalid_credentials", None)
    assert (right["level"], right["code"], right["user_id"]) == ("info", 200, alice.id)
    assert said(event_name="user/logout")[0]["user_id"] == alice.id


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100})
async def test_a_flood_is_said_once_with_the_limit_and_its_number_is_not_lost(server: Any, alice: Any, said: Said):
    logs.seldom.forget()
    async with await open_as(alice) as socket:
        for number in range(1, 301):
            await socket.emit("user/settings", {}, ack=number)
        answers = [await socket.answer(number) for number in range(1, 301)]
        limited = sum(answer["code"] == 429 for answer in answers)
        lines = said(event="event.limited")
        assert limited > 200 and 1 <= len(lines) <= 3
        assert (lines[0]["limit"], lines[0]["user_id"]) == ("socket_rate", alice.id)
        logs.seldom._kinds = {kind: (0.0, held_back) for kind, (_, held_back) in logs.seldom._kinds.items()}  # later
        for number in range(301, 401):
            await socket.emit("user/settings", {}, ack=number)
        await socket.answer(400)
    lines = said(event="event.limited")
    assert sum(line.get("suppressed", 0) + 1 for line in lines) >= limited + 1


@pytest.mark.config(limits={"profiles_day": 0})
async def test_who_reads_too_many_profiles_is_said_by_name_of_the_limit(server: Any, alice: Any, bob: Any, said: Said):
    async with await open_as(alice) as socket:
        refused(await socket.call("profile", {"target_user_id": bob.id}), "rate_limited")
    (line,) = said(event="event.limited")
    assert (line["level"], line["limit"], line["user_id"], line["event_name"]) == (
        "info", "profiles_day", alice.id, "profile",
    )  # fmt: skip


@pytest.mark.config(limits={"mails_mailbox": 0})
async def test_a_mail_that_is_left_out_silently_is_said_to_the_operator(server: Any, said: Said):
    logs.seldom.forget()
    async with await RawSocket.open(server.url) as socket:
        assert ok(await socket.call("user/forgot_pass", {"mail": f"{SECRET}@example.org"})) == {}
    (line,) = said(event="mails.limited")
    assert line["limit"] == "mails_mailbox" and SECRET not in json.dumps(line)


@pytest.mark.config(log={"slow": 0.000001})
async def test_a_slow_event_is_a_warning(server: Any, alice: Any, said: Said):
    await alice.profile.me()
    (line,) = said(event="event.slow", event_name="user/me")
    assert (line["level"], line["code"], line["user_id"]) == ("warning", 200, alice.id)


async def test_a_fault_is_said_with_its_id_always_and_with_its_trace_once_a_second(
    server: Any, alice: Any, said: Said, monkeypatch: pytest.MonkeyPatch
):
    async def fail(ctx: Any) -> None:
        raise ValueError(f"not a number: {SECRET!r}")

    monkeypatch.setitem(registry, "user/me", replace(registry["user/me"], handler=fail))
    async with await open_as(alice) as socket:
        errors = [refused(await socket.call("user/me"), "internal") for _ in range(3)]
    lines = said(event="event.failed")
    assert [line["error_id"] for line in lines] == [error["error_id"] for error in errors]
    assert [line["level"] for line in lines] == ["error"] * 3
    assert [line["fault"] for line in lines] == ["ValueError"] * 3
    assert ["exception" in line for line in lines] == [True, False, False]
    assert "test_logs.py" in lines[0]["exception"]
    assert SECRET not in json.dumps(lines)


@pytest.mark.config(database={"timeout": 0.3})
async def test_while_the_database_is_down_a_line_a_second_says_so(server: Any, alice: Any, said: Said):
    async with await open_as(alice) as socket, server.database_down():
        for number in range(1, 9):
            await socket.emit("user/sessions", {}, ack=number)
        for number in range(1, 9):
            refused(await socket.answer(number), "unavailable")
    lines = said(event="event.unavailable")
    assert 1 <= len(lines) <= 3
    assert (lines[0]["level"], lines[0]["user_id"]) == ("warning", alice.id)
    assert lines[0]["reason"] == "the database did not answer in time"


def marked(value: Any) -> Any:
    """Return a payload with a mark in each text, of the same shape, so that most of it still is what is asked for."""
    if isinstance(value, dict):
        return {name: marked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [marked(part) for part in value]
    if isinstance(value, float):
        return POSITION
    if not isinstance(value, str) or value in KEPT:
        return value
    return value.replace("@", f"{SECRET}@") if "@" in value else value[:30] + SECRET


KEPT = {"male", "female", "en", "desc", "1990-05-17"}


@pytest.mark.parametrize("said", ["debug"], indirect=True)
async def test_nothing_that_people_write_stands_in_the_log(
    server: Any, people: Any, said: Said, monkeypatch: pytest.MonkeyPatch
):
    """R88: names, mails, passwords, tokens, texts, tags, searches and positions, right and wrong, in every event."""
    profile = {"first_name": f"A{SECRET}", "description": SECRET, "tags": [SECRET], "gps": {"lat": POSITION, "lon": 2}}
    alice, bob = await people(f"a{SECRET}", **profile), await people(f"b{SECRET}", **profile)
    await alice.relation.like(bob.id)
    await bob.relation.like(alice.id)
    await alice.message.send(bob.id, f"hello {SECRET}")
    agent = {"User-Agent": SECRET, "X-Forwarded-For": SECRET, "X-Request-ID": SECRET}
    async with (
        await open_as(alice) as socket,
        await RawSocket.open(server.url, headers=agent) as anonymous,
        aiohttp.ClientSession(headers=agent) as http,
    ):
        for name, sample in SAMPLES.items():
            payload = aim(sample.required | sample.optional, target_id=bob.id, target_login=bob.login)
            for given in (payload, marked(payload), dict.fromkeys(payload, SECRET), {SECRET: SECRET}, SECRET):
                for caller in (socket, anonymous):
                    await caller.call(name, given)
            await http.get(f"{server.url}/api/{name}", params={"token": SECRET, SECRET: SECRET})
            await http.post(f"{server.url}/api/{name}", json=marked(payload) | {"token": alice.token})
            if socket_is_signed_out(await socket.call("user/me")):
                await alice.session.login(alice.login, alice.password)
                ok(await socket.call("user/login", {"login": alice.login, "password": alice.password}))
        await socket.call(SECRET, SECRET)
        await socket.call_raw(f'["message/send",{{"message":"{SECRET}')
        await anonymous.send(f'42["{SECRET}')
        await fail_everywhere(socket, monkeypatch)
    for auth in ({"token": SECRET}, {"token": alice.token + SECRET}, SECRET, {SECRET: 1}):
        with pytest.raises(Refused):
            await RawSocket.open(server.url, auth=auth)
    async with await open_as(alice) as broken:
        await broken.send_while_open(f"4{SECRET}")
        await broken.closed()
    await until_mailed(server)
    text = json.dumps(said()).lower()
    assert len(said()) > 500
    assert {"event", "event.failed", "mail.sent", "socket.refused"} <= {line["event"] for line in said()}
    marks = (SECRET, alice.password, alice.token, bob.token, str(POSITION), "127.0.0.1", "@example.org")
    assert [mark for mark in marks if mark.lower() in text] == []


def socket_is_signed_out(answer: dict[str, Any]) -> bool:
    return bool(answer["code"] == 401)


async def fail_everywhere(socket: RawSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an event end in faults that quote what they were given."""
    faults: list[Exception] = [
        KeyError(SECRET),
        ValueError(f"bad: {SECRET!r}"),
        UnicodeEncodeError("ascii", SECRET, 0, 1, "…"),
        pymysql.DataError(1406, f"Data too long: '{SECRET}'"),
        pymysql.ProgrammingError(1064, f"near '{SECRET}'"),
        pymysql.IntegrityError(1062, f"Duplicate entry '{SECRET}' for key 'x'"),
    ]

    async def fail(ctx: Any) -> None:
        raise faults.pop()

    for name in ("user/me", "user/sessions", "user/set_online", "user/set_offline", "user/settings", "user/likes"):
        monkeypatch.setitem(registry, name, replace(registry[name], handler=fail))
        refused(await socket.call(name), "internal")
    monkeypatch.undo()

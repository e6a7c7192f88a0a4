"""Attacks through the database: nothing that a client says becomes SQL."""

import json
import re
import time
import unicodedata
from typing import Any

from sql.statement import STATEMENTS
from tests.ground.answers import check, ok, refused
from tests.ground.healthy import HealthyPair
from tests.ground.raw import RawSocket
from tests.ground.recorders import SqlRecorder, Statement

PAYLOADS = """
    ' " ` % %s %(x)s %% %d%n {0} {x} ${x} {{7*7}} VALUES(n) 0x27 ? /* */ # ; ＇ ʼ NULL null 1 true b'x' _binary'' 😀
    ё' <script> _
""".split()
PAYLOADS += [
    "\\",
    "\\\\",
    "\\'",
    "\\' OR 1=1 -- ",
    "\\' OR SLEEP(3) -- ",
    "'; DELETE FROM account; -- ",
    " OR SLEEP(3)-- ",
    "/*!50000 SLEEP(3)*/",
    "-- ",
    "' 'x",
    "\\%",
    "a\nb",
]
CONTROL = ["\x00", "\x1a", "a\0b", "\x08", "\x1b[2J", "\r\n", "\x7f", "\x85"]
QUOTED = re.compile(r"['\"]|--|/\*|;|#")
NUMBER = re.compile(r"(?<![\w`])\d+(?![\w`])")
HARMLESS_NUMBERS = {"0", "1"}  # NULLs, steps and flags that stand in the text itself
ROWS = re.compile(r"\((?:%s,?)+\)(?:,\((?:%s,?)+\))*")


def _to(person: Any, **fields: Any) -> dict[str, Any]:
    return {"target_user_id": person.id} | fields


async def _whole_slice(server: Any, settle: Any, dial: Any, suffix: str, text: str, number: int) -> None:
    """Two people do everything there is, with data of their own."""
    gps = {"lat": 40.0 + number / 7, "lon": 30.0 + number / 3}
    one = await settle(
        f"one{suffix}", first_name=f"One {text}", gender="female", sex=["male"], age=20 + number, gps=gps
    )
    two = await settle(
        f"two{suffix}", first_name=f"Two {text}", gender="male", sex=["female"], tags=[f"t{suffix}"], gps=gps
    )
    hers, his = await dial(one), await dial(two)
    login = {"login": one.login, "password": one.password}
    tags, wish = [f"x{suffix}", "chess"], {"age_min": 18 + number, "age_max": 90, "distance_max": 100}
    for event, payload in [
        ("user/login", login),
        ("user/me", {}),
        ("user/save_profile", {"description": text, "tags": tags, "wish": wish, "birth_date": "1990-01-02"}),
        ("user/save_profile", {"description": None, "tags": [], "wish": None}),
        ("research", {}),
        ("research", {"sort_by": 1, "limit": 2}),
        ("profile", _to(two)),
        ("user/like", _to(two)),
        ("user/unlike", _to(two)),
        ("user/connect", {"target_id": two.login}),
    ]:
        ok(await hers.call(event, payload))
    ok(await his.call("user/like", _to(one)))
    for at in range(number):
        ok(await his.call("message/send", _to(one, random_id=at * number, message=f"{text} {at}")))
    for event, payload in [
        ("message/history", _to(two)),
        ("message/history", _to(two, before=number)),
        ("message/history", _to(two, after=number, limit=number)),
        ("message/read", _to(two, seq=number)),
        ("user/connections", {}),
        ("user/connections", {"limit": number}),
        ("sync", {"cursor": 0}),
        ("sync", {"cursor": None}),
        ("user/disconnect", _to(two)),
        ("user/block", _to(two)),
        ("user/unblock", _to(two)),
        ("user/logout", login),
    ]:
        ok(await hers.call(event, payload))


# R51: no literal reaches the driver


async def test_no_literal_ever_reaches_the_driver(server: Any, settle: Any, dial: Any) -> None:
    """R51: the text of every statement is free of quotes, comments and numbers, and each place has its value."""
    with SqlRecorder() as recorder:
        await _whole_slice(server, settle, dial, "-first", "plain words", 3)
    assert len(recorder.statements) > 50
    for statement in recorder.statements:
        assert not QUOTED.search(statement.sql), statement.sql
        assert set(NUMBER.findall(statement.sql)) <= HARMLESS_NUMBERS, statement.sql
        assert _places(statement) == _values(statement), statement


def _places(statement: Statement) -> int:
    return statement.sql.replace("%%", "").count("%s")


def _values(statement: Statement) -> int:
    return len(statement.args)


async def test_sql_does_not_depend_on_the_data(server: Any, settle: Any, dial: Any) -> None:
    """R51: other people, other texts, other numbers, other lengths of lists: the same set of statements."""
    with SqlRecorder() as first:
        await _whole_slice(server, settle, dial, "-one", "plain words", 2)
    with SqlRecorder() as second:
        await _whole_slice(server, settle, dial, "-other", "\\' OR 1=1 -- %s {0}", 5)
    assert _shapes(first) == _shapes(second)


def _shapes(recorder: SqlRecorder) -> set[str]:
    """The distinct texts; on a new connection's own settings, and on the server's own loops, no client has a say."""
    return {_shape(one.sql) for one in recorder.statements if not one.in_background} - {_SETTINGS}


def _shape(sql: str) -> str:
    """The text with rows and IN lists of any length written as one."""
    return ROWS.sub("(…)", sql.replace("×n", ""))


_SETTINGS = "SET SESSION time_zone = %s, innodb_lock_wait_timeout = %s"


async def test_what_runs_is_what_the_snapshot_holds(server: Any, settle: Any, dial: Any) -> None:
    """R51: no statement was ever made on the way: each stands, as a whole, among those compiled at import."""
    with SqlRecorder() as recorder:
        await _whole_slice(server, settle, dial, "-some", "words", 4)
    texts = {kept.text for statement in STATEMENTS for kept in statement._texts.values()}
    assert _shapes(recorder) <= {_shape(text) for text in texts}


# R52: what looks like SQL is text


async def test_text_that_looks_like_sql_comes_back_as_it_was(
    server: Any, dial: Any, connected: Any, settle: Any
) -> None:
    """R52: in every free text, also split over two fields; at once, and nobody else's row changes."""
    alice, bob = connected
    hers, his = await dial(alice), await dial(bob)
    bobs = await server.database.fetch("SELECT * FROM profile WHERE user_id = %s", bob.id)
    accounts = await server.database.fetch("SELECT COUNT(*) FROM account")
    started = time.monotonic()
    for number, text in enumerate(PAYLOADS):
        visible = unicodedata.normalize("NFC", text)
        if text.strip() == text and "\n" not in text:
            ok(await hers.call("user/save_profile", {"first_name": text, "last_name": text}))
            assert [ok(await hers.call("user/me"))[name] for name in ("first_name", "last_name")] == [visible] * 2
        ok(await hers.call("user/save_profile", {"description": text, "last_name": "\\"}))
        profile = ok(await his.call("profile", _to(alice)))
        assert (profile["description"], profile["last_name"]) == (visible, "\\")
        ok(await hers.call("message/send", _to(bob, random_id=number, message=text)))
        pushed = await his.until(
            lambda push, seq=number + 1: push.event == "message/new" and push.data["message"]["seq"] == seq
        )
        assert pushed.data["message"]["message"] == visible
    history = ok(await his.call("message/history", _to(alice, after=0, limit=100)))["messages"]
    assert [message["message"] for message in history] == [unicodedata.normalize("NFC", text) for text in PAYLOADS]
    assert time.monotonic() - started < 0.1 * len(PAYLOADS), "something slept"
    assert await server.database.fetch("SELECT * FROM profile WHERE user_id = %s", bob.id) == bobs
    assert await server.database.fetch("SELECT COUNT(*) FROM account") == accounts


async def test_text_that_looks_like_sql_is_no_login_tag_mail_or_link(
    dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R52: where the alphabet is narrow it is refused, where anything may stand it finds nobody."""
    socket, anonymous = await dial(mallory), await dial()
    newcomer = {"login": "newcomer", "mail": "new@example.org", "password": "correct horse battery"}
    newcomer |= {"first_name": "New", "last_name": "Comer"}
    started = time.monotonic()
    for text in [text for text in PAYLOADS + CONTROL if not text.isalnum()]:
        for login in (text, mallory.login + text, text + mallory.login):
            credentials = {"login": login, "password": mallory.password}
            answer = await anonymous.call("user/login", credentials)
            refused(answer, "invalid_credentials", "invalid_payload")
        refused(await anonymous.call("user/verification", {"ver_id": text, "login": mallory.login}), *_LINK)
        if text != "_":
            refused(await anonymous.call("user/registr", newcomer | {"login": "abc" + text}), "invalid_payload")
        if text not in ("'", "`", "#", "%", "%%", "{x}", "?", "_", "*/", "/*", "%s"):  # those are good in an address
            refused(await anonymous.call("user/registr", newcomer | {"mail": f"a{text}@example"}), "invalid_payload")
        refused(await socket.call("user/connect", {"target_id": mallory.login + text}), "not_found", "invalid_payload")
        refused(await socket.call("user/save_profile", {"tags": [text]}), "invalid_payload")
        refused(await socket.call("user/connections", {"cursor": text}), "invalid_payload")
        refused(await socket.call("research", {"cursor": text}), "invalid_payload")
    assert time.monotonic() - started < 30
    assert ok(await socket.call("user/me"))["tags"] == ok(await socket.call("user/me"))["tags"]


_LINK = ("invalid_link", "invalid_payload")


async def test_control_characters_are_refused_in_every_text(
    dial: Any, healthy: HealthyPair, mallory: Any, bob: Any
) -> None:
    """R52: no control character but a line break, anywhere."""
    socket = await dial(mallory)
    for control in CONTROL:
        for field in ("first_name", "last_name", "description"):
            for text in (control, f"a{control}b"):
                refused(await socket.call("user/save_profile", {field: text}), "invalid_payload")
        refused(await socket.call("message/send", _to(bob, random_id=1, message=f"a{control}b")), "invalid_payload")


async def test_a_password_may_be_anything_and_is_compared_exactly(server: Any, dial: Any) -> None:
    """R52: quotes, backslashes and controls in passwords are characters like any other."""
    socket = await dial()
    for number, password in enumerate(
        ["\\' OR 1=1 -- x", '"; DROP TABLE account', "%s%s%s%s%s %(x)s", "tab\there\0null"]
    ):
        login = f"quoted-{number}"
        fields = {"login": login, "mail": f"{login}@example.org", "first_name": "A", "last_name": "B"}
        ok(await socket.call("user/registr", fields | {"password": password}))
        refused(await socket.call("user/login", {"login": login, "password": password}), "not_verified")
        for wrong in (password[:-1], password + " ", password.swapcase(), "' OR ''='"):
            refused(await socket.call("user/login", {"login": login, "password": wrong}), "invalid_credentials")


# R53: paging, sorting and filters are typed


async def test_paging_sorting_and_filters_take_no_sql(dial: Any, healthy: HealthyPair, mallory: Any, bob: Any) -> None:
    """R53: limits, orders and sorts are numbers and words of a closed list."""
    socket = await dial(mallory)
    sql = [
        "1 UNION SELECT 1",
        "1; DROP TABLE account",
        "age; DROP TABLE",
        "age` DESC, (SELECT SLEEP(3))",
        "ASC, 1",
        "mail",
        "gps",
    ]
    numbers: list[Any] = [-1, 10**12, 2**63, True, [1], {"$gt": 0}, 1.5, "1", None]
    for value in [*sql, *numbers, 0, 51]:
        refused(await socket.call("research", {"limit": value}), "invalid_payload")
        refused(await socket.call("user/connections", {"limit": value}), "invalid_payload")
    for value in [*sql, *numbers, 5, 99]:
        refused(await socket.call("research", {"sort_by": value}), "invalid_payload")
    for value in [*sql, "DESC", "asc ", "", 1, True, ["asc"], {"asc": 1}]:
        refused(await socket.call("research", {"order": value}), "invalid_payload")
    for name in ("offset", "page", "columns", "fields", "where", "having", "sort", "group_by", "order_by"):
        refused(await socket.call("research", {name: 1}), "invalid_payload")
    for name in ("before", "after", "limit"):
        for value in [*sql, -1, True, [1], 1.5, "1"]:
            refused(await socket.call("message/history", _to(bob, **{name: value})), "invalid_payload")


async def test_cursors_are_opaque_and_bound_to_their_list(dial: Any, settle: Any) -> None:
    """R53: a cursor that was changed, or comes from another list, filter or person, is refused."""
    viewer = await settle("viewer", gender="male", sex=["female"])
    for number in range(3):
        await settle(f"woman-{number}", gender="female", sex=["male"])
    stranger = await settle("stranger", gender="male", sex=["female"])
    his, other = await dial(viewer), await dial(stranger)
    cursor = ok(await his.call("research", {"limit": 1}))["cursor"]
    assert isinstance(cursor, str)
    assert viewer.login not in cursor and str(viewer.id) not in cursor
    ok(await his.call("research", {"limit": 1, "cursor": cursor}))
    changed = [cursor[:-1], cursor + "x", "x" + cursor, cursor[::-1], cursor.swapcase(), cursor[: len(cursor) // 2]]
    for text in changed:
        refused(await his.call("research", {"limit": 1, "cursor": text}), "invalid_payload")
    refused(await his.call("research", {"limit": 1, "sort_by": 1, "cursor": cursor}), "invalid_payload")
    refused(await his.call("user/connections", {"cursor": cursor}), "invalid_payload")
    refused(await other.call("research", {"limit": 1, "cursor": cursor}), "invalid_payload")


async def test_private_columns_are_no_order(dial: Any, settle: Any) -> None:
    """R53: the answer of a search is ordered by what cards show; a private wish or mail does not move anyone."""
    viewer = await settle("viewer", gender="male", sex=["female"], gps={"lat": 55.75, "lon": 37.62})
    same = {"gender": "female", "sex": ["male"], "age": 30, "gps": {"lat": 55.75, "lon": 37.62}}
    women = [await settle(f"woman-{number}", **same) for number in range(3)]
    socket = await dial(viewer)
    before = [await _found(socket, sort_by) for sort_by in (0, 1)]
    for number, woman in enumerate(women):
        wish = {"wish": {"age_min": 40 + number, "age_max": 50, "distance_max": 1}}
        ok(await (await dial(woman)).call("user/save_profile", wish))
    assert [await _found(socket, sort_by) for sort_by in (0, 1)] == before


async def _found(socket: RawSocket, sort_by: int) -> str:
    answer = await socket.call("research", {"sort_by": sort_by})
    check(answer)
    return json.dumps(ok(answer)["users"], sort_keys=True)

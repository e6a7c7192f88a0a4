"""Accounts: registering, and the link that wakes an account."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio

from client_sdk import AlreadyExists, Client, InvalidCredentials, InvalidLink, InvalidPayload, NotFound, NotVerified
from server.app import SERVICES
from tests.ground.accounts import State, set_state, text_of, verification
from tests.ground.answers import ok
from tests.ground.photos import give_photo, image
from tests.ground.raw import RawSocket
from tests.ground.server import PASSWORD, Person, RunningServer
from tests.ground.waiting import until_mailed

HOUR, DAY = 3600, 86_400
ALICE: dict[str, Any] = {
    "login": "alice",
    "mail": "alice@example.org",
    "password": PASSWORD,
    "first_name": "Alice",
    "last_name": "Example",
}


@pytest_asyncio.fixture
async def nobody(server: RunningServer) -> AsyncIterator[Client]:
    """An anonymous client."""
    async with Client(server.url) as client:
        yield client


def named(login: str) -> dict[str, Any]:
    """What somebody else registers with."""
    return ALICE | {"login": login, "mail": f"{login}@example.org", "first_name": login.capitalize()}


async def link_to(server: RunningServer, address: str) -> dict[str, str]:
    return verification(await server.mails.wait_for(address))


async def all_at_once(server: RunningServer, event: str, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send each payload over an anonymous socket of its own, all at the same moment."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(await RawSocket.open(server.url)) for _ in payloads]
        calls = [socket.call(event, payload) for socket, payload in zip(sockets, payloads, strict=True)]
        return list(await asyncio.gather(*calls))


async def shape(server: RunningServer, event: str, payload: dict[str, Any]) -> str:
    """Return the answer as it stands on the wire, but for ids."""
    async with await RawSocket.open(server.url) as socket:
        await socket.call(event, payload)
        return re.sub(r"\d{6,}", "<id>", str(socket.frames[-1]))


async def world(server: RunningServer) -> dict[str, Any]:
    """Return every row of every table."""
    run = server.database.fetch
    return {table: await run(f"SELECT * FROM `{table}`") for (table,) in await run("SHOW TABLES")}


# -- what is told ------------------------------------------------------------------------------------------------------


async def test_a_registration_keeps_all_that_was_told(server, nobody):
    user_id = await nobody.account.register(
        **ALICE,
        gender="female",
        birth_date=date(1997, 5, 17),
        description="I like\ntrains",
        sex=["male", "nonbinary"],
        tags=["Tea", "books"],
        gps={"lat": 48.8566, "lon": 2.3522},
        wish={"age_min": 25, "age_max": 40, "distance_max": 50},
        language="fr",
    )
    await nobody.account.verify(**await link_to(server, "alice@example.org"))
    await nobody.session.login("alice", PASSWORD)
    me = await nobody.profile.me()
    assert (me.user_id, me.login, me.mail, me.first_name, me.last_name) == (
        user_id,
        "alice",
        "alice@example.org",
        "Alice",
        "Example",
    )
    assert (me.gender, me.birth_date, me.age, me.description) == ("female", date(1997, 5, 17), 28, "I like\ntrains")
    assert (me.sex, me.tags, me.settings.language) == (("male", "nonbinary"), ("tea", "books"), "fr")
    assert (me.wish.age_min, me.wish.age_max, me.wish.distance_max) == (25, 40, 50)
    assert abs(me.gps.lat - 48.8566) < 0.01 and abs(me.gps.lon - 2.3522) < 0.02


async def test_what_is_not_told_is_not_known(people):
    me = await (await people("alice", age=None, gender=None, tags=None, gps=None)).profile.me()
    assert (me.gender, me.birth_date, me.age, me.description, me.gps, me.wish) == (None,) * 6
    assert (me.sex, me.tags, me.settings.language) == ((), (), "en")


@pytest.mark.parametrize("missing", ALICE)
async def test_five_fields_are_needed(server, missing):
    async with await RawSocket.open(server.url) as socket:
        answer = await socket.call("user/registr", {name: ALICE[name] for name in ALICE if name != missing})
    assert {field: fault["code"] for field, fault in answer["error"]["fields"].items()} == {missing: "required"}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("login", "al", "format"),
        ("login", "a" * 33, "format"),
        ("login", "al ice", "format"),
        ("login", "alice@home", "format"),
        ("login", "аlice", "format"),  # a Cyrillic а
        ("login", "admin", "reserved"),
        ("login", "Ad.Min-42", "reserved"),
        ("login", "_support_", "reserved"),
        ("login", "Moderator1", "reserved"),
        ("mail", "alice", "format"),
        ("mail", "alice@example.org, bob@example.org", "format"),
        ("mail", "alice@example.org\r\nBcc: mallory@example.org", "format"),
        ("first_name", " ", "blank"),
        ("first_name", "a" * 65, "max_length"),
        ("last_name", "a\0b", "control"),
        ("description", "a" * 4001, "max_length"),
        ("gender", "Female", "choice"),
        ("tags", [f"t{n}" for n in range(21)], "max_items"),
        ("language", "de", "choice"),
    ],
)
async def test_what_may_not_be_told_is_refused_by_name(server, nobody, field, value, code):
    before = await world(server)
    with pytest.raises(InvalidPayload) as refusal:
        await nobody.account.register(**ALICE | {field: value})
    assert refusal.value.fields[field]["code"] == code
    assert await world(server) == before


# -- the login ---------------------------------------------------------------------------------------------------------


async def test_a_login_is_kept_in_small_letters(server, nobody):
    await nobody.account.register(**ALICE | {"login": "ALice"})
    link = await link_to(server, "alice@example.org")
    assert link["login"] == "alice"
    await nobody.account.verify(link["ver_id"], "ALICE")
    await nobody.session.login("aLICE", PASSWORD)
    assert (await nobody.profile.me()).login == "alice"


@pytest.mark.parametrize("login", ["alice", "ALICE", "Alice"])
async def test_a_taken_login_is_refused_in_any_case_and_leaves_nothing(server, alice, nobody, login):
    before = await world(server)
    with pytest.raises(AlreadyExists):
        await nobody.account.register(**ALICE | {"login": login, "mail": "mallory@example.org"})
    assert await world(server) == before
    assert server.mails.unread() == []


@pytest.mark.config(password={"queue": 100})
async def test_of_20_who_want_one_login_at_once_one_gets_it(server):
    payloads = [ALICE | {"mail": f"alice{n}@example.org"} for n in range(20)]
    answers = await all_at_once(server, "user/registr", payloads)
    assert sorted(answer["code"] for answer in answers) == [200] + [400] * 19
    assert {answer["error"]["name"] for answer in answers if answer["code"] == 400} == {"already_exists"}
    rows = await world(server)
    assert [len(rows[table]) for table in ("account", "profile", "user_stream", "link")] == [1, 1, 1, 1]


# -- the address -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mail", ["alice@example.org", "Alice@Example.ORG"])
async def test_a_taken_address_is_answered_like_a_new_one(server, alice, mail):
    new = await shape(server, "user/registr", named("bob"))
    assert await shape(server, "user/registr", named("mallory") | {"mail": mail}) == new
    assert new == '431[{"code":200,"data":{"user_id":<id>}}]'


async def test_a_phantom_acts_like_any_account_that_is_not_confirmed(server, alice, nobody):
    phantom = named("mallory") | {"mail": alice.mail}
    await nobody.account.register(**named("bob"))
    await nobody.account.register(**phantom)
    for login in ("bob", "mallory"):
        with pytest.raises(NotVerified):
            await nobody.session.login(login, PASSWORD)
        with pytest.raises(InvalidCredentials):
            await nobody.session.login(login, "wrong horse battery")
        with pytest.raises(AlreadyExists):
            await nobody.account.register(**named("carol") | {"login": login})


async def test_a_phantom_never_wakes(server, people, nobody):
    await nobody.account.register(**ALICE)
    link = await link_to(server, "alice@example.org")
    phantom_id = await nobody.account.register(**named("mallory") | {"mail": "alice@example.org"})
    with pytest.raises(InvalidLink):
        await nobody.account.verify(link["ver_id"], "mallory")
    await nobody.account.verify(**link)
    with pytest.raises(InvalidLink):
        await nobody.account.verify(link["ver_id"], "mallory")
    with pytest.raises(NotVerified):
        await nobody.session.login("mallory", PASSWORD)
    bob = await people("bob")
    with pytest.raises(NotFound):
        await bob.profile.get(phantom_id)


async def test_the_owner_of_a_taken_address_is_told_and_nothing_else_is(server, alice, nobody):
    await nobody.account.register(**named("mallory") | {"mail": "ALICE@example.org", "password": "mallory's own words"})
    mail = await server.mails.wait_for(alice.mail)
    assert mail["Subject"] == "You already have an account"
    text = mail.as_string()
    assert "sign in as alice" in text
    assert not [secret for secret in ("ver_id", "mallory", PASSWORD) if secret in text.lower()]
    await until_mailed(server)
    assert server.mails.unread() == []


async def test_a_phantom_keeps_no_address(server, alice, nobody):
    user_id = await nobody.account.register(**named("mallory") | {"mail": alice.mail})
    await until_mailed(server)
    rows = await world(server)
    mentioning = [(table, row[0]) for table in rows for row in rows[table] if alice.mail in str(row)]
    assert mentioning == [("account", alice.id)]
    assert user_id in [row[0] for row in rows["account"]]


@pytest.mark.config(password={"queue": 100})
async def test_of_20_who_give_one_address_at_once_one_is_real(server):
    payloads = [ALICE | {"login": f"alice{n}"} for n in range(20)]
    answers = await all_at_once(server, "user/registr", payloads)
    assert [answer["code"] for answer in answers] == [200] * 20
    await until_mailed(server)
    subjects = sorted(mail["Subject"] for mail in server.mails.unread("alice@example.org"))
    assert subjects == ["Confirm your mail address"] + ["You already have an account"] * 19
    [(owner,)] = await server.database.fetch("SELECT login FROM account WHERE mail IS NOT NULL")
    [link] = [verification(mail) for mail in server.mails.unread() if mail["Subject"].startswith("Confirm")]
    assert link["login"] == owner


# -- the password ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("123456789", "min_length"),
        ("a b c d e f " * 21 + "12345", "max_length"),
        ("1234567890", "weak"),
        ("password123", "weak"),
        ("Basketball!", "weak"),
        ("MATCHA42-42", "weak"),
        ("xylo.phon1990!", "weak"),  # the login
        ("LookingGlass1", "weak"),  # the name before the @
        ("lookingglass@example.org", "weak"),
        ("..Zorblatt..", "weak"),
        ("quxanne99!", "weak"),
    ],
)
async def test_a_password_that_is_guessed_first_is_refused(nobody, password, code):
    told = {"login": "Xylo-phon", "mail": "lookingglass@example.org", "first_name": "Quxanne", "last_name": "Zorblatt"}
    with pytest.raises(InvalidPayload) as refusal:
        await nobody.account.register(**ALICE | told | {"password": password})
    assert {field: fault["code"] for field, fault in refusal.value.fields.items()} == {"password": code}


@pytest.mark.parametrize(
    "password", ["tea & 10 trains", "x9" * 128, "чай без сахара", "🍵 with lemon", " leading and\ttab "]
)
async def test_any_other_password_will_do_and_is_taken_as_it_is(server, nobody, password):
    await nobody.account.register(**ALICE | {"password": password})
    await nobody.account.verify(**await link_to(server, "alice@example.org"))
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("alice", password[:-1])
    await nobody.session.login("alice", password)


async def test_a_password_is_nowhere_to_be_read(server, people):
    await people("alice")
    await until_mailed(server)
    [(password_hash,)] = await server.database.fetch("SELECT password_hash FROM account")
    assert password_hash.startswith("$argon2id$")
    assert PASSWORD not in str(await world(server))
    assert PASSWORD not in "\n".join(record.getMessage() for record in server.log)


# -- the age -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"age": 17}, "min"),
        ({"age": 121}, "max"),
        ({"birth_date": "2008-01-16"}, "min_age"),  # 18 tomorrow
        ({"birth_date": "2026-01-16"}, "min_age"),
        ({"birth_date": "1905-01-15"}, "max_age"),  # 121 today
        ({"birth_date": "2007-02-29"}, "format"),
        ({"age": 30, "birth_date": "1995-06-01"}, "conflict"),
    ],
)
async def test_people_are_18_to_120(nobody, told, code):
    with pytest.raises(InvalidPayload) as refusal:
        await nobody.account.register(**ALICE, **told)
    [fault] = refusal.value.fields.values()
    assert fault["code"] == code


@pytest.mark.parametrize(
    ("told", "age"),
    [
        ({"age": 18}, 18),
        ({"age": 120}, 120),
        ({"birth_date": "2008-01-15"}, 18),  # today
        ({"birth_date": "1905-01-16"}, 120),  # 121 tomorrow
    ],
)
async def test_on_the_edge_of_the_ages_one_is_in(people, told, age):
    alice = await people("alice", **{"age": None} | told)
    assert (await alice.profile.me()).age == age


async def test_who_was_born_on_29_february_is_18_on_1_march(server, nobody):
    born = {"birth_date": "2008-02-29"}
    server.clock.advance(44 * DAY + 11 * HOUR)  # 28 February, 23:00
    with pytest.raises(InvalidPayload):
        await nobody.account.register(**ALICE, **born)
    server.clock.advance(HOUR)
    await nobody.account.register(**ALICE, **born)


# -- the link ----------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def link(server: RunningServer, nobody: Client) -> dict[str, str]:
    """What the link says that alice was mailed."""
    await nobody.account.register(**ALICE, gender="female", age=28)
    return await link_to(server, "alice@example.org")


async def test_the_mailed_link_wakes_the_account(nobody, link):
    with pytest.raises(NotVerified):
        await nobody.session.login("alice", PASSWORD)
    user_id = await nobody.account.verify(**link)
    assert (await nobody.session.login("alice", PASSWORD)).user_id == user_id


async def test_a_link_is_good_once(nobody, link):
    await nobody.account.verify(**link)
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**link)


async def test_a_link_is_good_for_its_own_login_only_and_a_wrong_try_costs_nothing(people, nobody, link):
    await people("bob")
    for login in ("bob", "nobody-here", "alice@example.org"):
        with pytest.raises(InvalidLink):
            await nobody.account.verify(link["ver_id"], login)
    await nobody.account.verify(**link)


@pytest.mark.parametrize(("hours", "good"), [(23.99, True), (24, False), (24 * 365, False)])
async def test_a_link_is_good_for_a_day(server, nobody, link, hours, good):
    server.clock.advance(hours * HOUR)
    if good:
        await nobody.account.verify(**link)
    else:
        with pytest.raises(InvalidLink):
            await nobody.account.verify(**link)


async def test_a_link_signed_for_something_else_confirms_nothing(server, nobody, link):
    body = link["ver_id"].split(".")[0]
    user_id, nonce = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    tokens = server.app[SERVICES].tokens
    others = [tokens.link("mail", user_id, nonce), tokens.link("reset", user_id, nonce)]
    for ver_id in [*others, tokens.session(user_id, nonce), tokens.link("verify", user_id, "another nonce"), "x.y.z"]:
        with pytest.raises(InvalidLink):
            await nobody.account.verify(ver_id, "alice")
    await nobody.account.verify(tokens.link("verify", user_id, nonce), "alice")  # so only the purpose was wrong


async def test_of_20_uses_of_one_link_at_once_one_succeeds(server, link):
    answers = await all_at_once(server, "user/verification", [link] * 20)
    assert sorted(answer["code"] for answer in answers) == [200] + [400] * 19
    assert {answer["error"]["name"] for answer in answers if answer["code"] == 400} == {"invalid_link"}


async def test_who_is_not_confirmed_is_not_there_for_others(server, nobody, bob: Person, link):
    async with await RawSocket.open(server.url, auth={"token": bob.token}) as socket:
        [(alice_id,)] = await server.database.fetch("SELECT id FROM account WHERE login = %s", "alice")
        await give_photo(server, alice_id)
        for event in ("profile", "user/like", "user/block", "message/history"):
            answer = await socket.call(event, {"target_user_id": alice_id})
            assert answer["error"]["name"] == "not_found", event
        answer = await socket.call("user/connect", {"target_id": "alice"})
        assert answer["error"]["name"] == "not_found"
        assert ok(await socket.call("research"))["users"] == []
        await nobody.account.verify(**link)
        ok(await socket.call("profile", {"target_user_id": alice_id}))
        assert [user["login"] for user in ok(await socket.call("research"))["users"]] == ["alice"]


# -- the link again ----------------------------------------------------------------------------------------------------


async def test_the_link_is_mailed_again_and_the_older_one_is_void(server, nobody, link):
    await nobody.account.resend_verification("ALICE@example.org")
    newer = await link_to(server, "alice@example.org")
    assert newer["login"] == "alice"
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**link)
    await nobody.account.verify(**newer)
    await nobody.account.resend_verification("alice@example.org")
    await until_mailed(server)
    assert server.mails.unread() == [], "there is nothing left to confirm"


async def test_a_phantom_is_mailed_nothing_again(server, alice, nobody):
    await nobody.account.register(**named("phantom") | {"mail": alice.mail})
    await until_mailed(server)
    server.mails.forget()
    await nobody.account.resend_verification(alice.mail)
    await until_mailed(server)
    assert server.mails.unread() == []


async def test_a_link_that_is_mailed_late_is_good_for_as_long_as_the_account_waits(server, nobody, link):
    server.clock.advance(47 * HOUR - 60)
    await nobody.account.resend_verification("alice@example.org")
    mail = await server.mails.wait_for("alice@example.org")
    assert "good for 1 h" in text_of(mail)
    server.clock.advance(HOUR - 60)
    await nobody.account.verify(**verification(mail))


# -- what nobody confirms ----------------------------------------------------------------------------------------------


@pytest.mark.config(links={"sweep": 0.05})
@pytest.mark.parametrize("kind", ["unconfirmed", "phantom"])
async def test_an_account_that_nobody_confirms_is_erased_whole(server, people, nobody, kind):
    bob = await people("bob")
    mail = bob.mail if kind == "phantom" else "alice@example.org"
    told = {"tags": ["tea"], "description": "x", "gps": {"lat": 1, "lon": 2}, "image": [image()]}
    user_id = await nobody.account.register(**ALICE | {"mail": mail}, **told)
    await until_mailed(server)

    async def mentioning() -> list[str]:
        rows = await world(server)
        return [table for table in rows for row in rows[table] if user_id in row]

    assert {"account", "profile", "profile_tag", "link", "photo", "user_stream"} <= {*await mentioning()}
    server.clock.advance(48 * HOUR - 60)
    await asyncio.sleep(0.2)  # for three looks
    assert await mentioning()
    server.clock.advance(61)
    async with asyncio.timeout(5):
        while await mentioning():
            await asyncio.sleep(0.005)
    server.mails.forget()
    await nobody.account.register(**ALICE)
    await nobody.account.verify(**await link_to(server, "alice@example.org"))
    assert (await bob.profile.me()).login == "bob"


@pytest.mark.config(links={"sweep": 0.05})
async def test_who_has_confirmed_or_is_banned_is_not_erased(server, people, nobody, link):
    await nobody.account.verify(**link)
    banned = await people("bob")
    await set_state(server, banned, State.BANNED)
    server.clock.advance(30 * DAY)
    await nobody.account.register(**named("carol"))
    server.clock.advance(49 * HOUR)
    async with asyncio.timeout(5):
        while len(await server.database.fetch("SELECT id FROM account")) > 2:
            await asyncio.sleep(0.005)
    assert {login for (login,) in await server.database.fetch("SELECT login FROM account")} == {"alice", "bob"}


@pytest.mark.config(links={"sweep": 0.01})
async def test_many_are_erased_by_two_servers_at_once(start_server):
    first, second = await start_server(), await start_server()
    made_at = first.clock.now() - timedelta(hours=48)
    for start in range(0, 250, 50):
        rows = ",".join(
            f"({n}, 'login{n}', NULL, NULL, '', 0, 'en', '{made_at}')" for n in range(start + 1, start + 51)
        )
        columns = "id, login, mail, mail_key, password_hash, state, language, created_at"
        await first.database.fetch(f"INSERT INTO account ({columns}) VALUES {rows}")
    async with asyncio.timeout(10):
        while await second.database.fetch("SELECT id FROM account LIMIT 1"):
            await asyncio.sleep(0.01)
    assert not [record for record in first.log if "failed" in record.getMessage()]

"""Registration, the mailed links, login and logout, passwords, sessions."""

import asyncio
from typing import Any

import pytest

from tests.contract.client import matching, picture
from tests.contract.events import PASSWORD
from tests.contract.shapes import Maybe, flag, number, opaque, text, time, user_id
from tests.contract.world import PARIS, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEW_PASSWORD = "four blue lanterns"


def form(person: Person, **fields: Any) -> dict[str, Any]:
    names = {"first_name": "Anna", "last_name": "Orlova"}
    return {"login": person.login, "mail": person.mail, "password": person.password} | names | fields


async def caller(world: World, way: str) -> Any:
    return world.http if way == "http" else await world.open()


# registration


async def test_registration_takes_all_of_a_profile_and_mails_a_link(world: World, way: str) -> None:
    person, client = world.stranger(), await caller(world, way)
    profile = {"gender": "female", "age": 30, "description": "Trains.", "sex": ["male"], "tags": ["trains"]}
    given = form(person, **profile, gps=PARIS, image=[picture(world.number())], wish={"age_min": 25}, language="fr")
    answer = matching(await client.ok("user/registr", **given), {"user_id": user_id})
    link = await world.verify_link(person.mail)
    assert link["login"] == person.login
    assert await client.ok("user/verification", **link) == answer
    session = matching(
        await client.ok("user/login", login=person.login, password=person.password),
        {"token": opaque, "user_id": user_id, "expires_at": time, "cursor": number},
    )
    assert session["expires_at"].startswith("2026-02-14T12:")  # the clock here began at noon, 30 days before
    me = await client.ok("user/me", token=session["token"])
    assert {name: me[name] for name in profile} == profile
    assert len(me["photos"]) == 1
    assert me["settings"]["language"] == "fr"
    assert me["wish"]["age_min"] == 25


async def test_a_taken_login_is_refused_in_any_case_of_letters(world: World, somebody: Person, way: str) -> None:
    client, person = await caller(world, way), world.stranger()
    await client.refused(400, "already_exists", "user/registr", **form(person, login=somebody.login))
    answer = await client.answer("user/registr", **form(person, login=somebody.login.upper()))
    assert answer["error"]["name"] in ("already_exists", "invalid_payload")
    unverified = await world.register(world.stranger(), photo=False)
    await client.refused(400, "already_exists", "user/registr", **form(person, login=unverified.login))


@pytest.mark.parametrize(
    "login", ["ab", "x" * 33, "two words", "a@b", "анна", "admin", "support", "moderator", "staff", "root", "", "a/b"]
)
async def test_a_login_has_its_rules(world: World, login: str) -> None:
    assert await world.http.faults("user/registr", **form(world.stranger(), login=login)) == {"login"}


@pytest.mark.parametrize("login", ["a-1", "a_b.c-d", "x" * 32])
async def test_a_login_may_have_signs(world: World, login: str) -> None:
    matching(await world.http.ok("user/registr", **form(world.stranger(), login=login)), {"user_id": user_id})


@pytest.mark.parametrize("mail", ["", "no", "a@b@c.org", "a@c.org\nBcc: b@c.org", "a b@c.org", "x" * 320 + "@c.org"])
async def test_a_mail_address_has_its_rules(world: World, mail: str) -> None:
    assert await world.http.faults("user/registr", **form(world.stranger(), mail=mail)) == {"mail"}


@pytest.mark.parametrize(
    "password",
    [
        "x" * 9,
        "x" * 257,
        "password1234",
        "1234567890",
        "qwertyuiop",
        "extraordinary",
        "Pass-Word-42!!",
        "annabelle77",
        "annabelle77@example.org",
        "Belle-Orlova-1",
        "M.a.t.c.h.a 4 2!!",
    ],
)
async def test_a_password_that_is_guessed_first_is_refused(world: World, password: str) -> None:
    person = Person(world, "annabelle77", "annabelle77@example.org", password)
    names = {"first_name": "Belle-Orlova", "last_name": "Orlova"}
    assert await world.http.faults("user/registr", **form(person) | names) == {"password"}


@pytest.mark.parametrize("password", ["  spaces around  ", "пароль из слов", "🦊🦊🦊 and a fence", "x7#" * 85])
async def test_a_password_has_characters_of_any_kind(world: World, password: str) -> None:
    person = world.stranger()
    person.password = password
    await world.register(person, photo=False)
    await world.http.ok("user/verification", **await world.verify_link(person.mail))
    assert (await world.http.ok("user/login", login=person.login, password=password))["user_id"] == person.id
    await world.http.refused(400, "invalid_credentials", "user/login", login=person.login, password=password[:-1])


async def test_a_taken_mail_makes_a_phantom_and_tells_the_owner(world: World, way: str) -> None:
    client, owner = await caller(world, way), await world.join(photo=False)
    phantom = Person(world, f"phantom{world.number()}", owner.mail.upper(), PASSWORD)
    answer = matching(await client.ok("user/registr", **form(phantom)), {"user_id": user_id})
    assert answer["user_id"] != owner.id
    told = await world.mail(owner.mail)
    assert "ver_id" not in told
    await client.refused(400, "not_verified", "user/login", login=phantom.login, password=PASSWORD)
    await client.refused(400, "invalid_credentials", "user/login", login=phantom.login, password="wrong password")
    await client.refused(400, "already_exists", "user/registr", **form(world.stranger(), login=phantom.login))
    assert (await client.ok("user/login", login=owner.mail, password=PASSWORD))["user_id"] == owner.id


# verification


async def test_a_link_counts_once(world: World, way: str) -> None:
    client, person = await caller(world, way), await world.register(world.stranger(), photo=False)
    link = await world.verify_link(person.mail)
    other = await world.register(world.stranger(), photo=False)
    await client.refused(400, "invalid_link", "user/verification", ver_id=link["ver_id"], login=other.login)
    await client.refused(400, "invalid_link", "user/verification", ver_id=link["ver_id"] + "x", login=person.login)
    assert await client.ok("user/verification", **link) == {"user_id": person.id}
    await client.refused(400, "invalid_link", "user/verification", **link)


async def test_an_account_that_nobody_verified_cannot_be_used_nor_seen(world: World, somebody: Person) -> None:
    person = await world.register(world.stranger())
    await world.http.refused(400, "not_verified", "user/login", login=person.login, password=PASSWORD)
    await somebody.refused(400, "not_found", "profile", **person.target)
    await somebody.refused(400, "not_found", "user/connect", target_id=person.login)


async def test_a_second_verification_mail_brings_a_link_that_works(world: World, way: str) -> None:
    client, person = await caller(world, way), await world.register(world.stranger(), photo=False)
    await world.verify_link(person.mail)
    assert await client.ok("user/resend_verification", mail=person.mail) == {}
    assert await client.ok("user/verification", **await world.verify_link(person.mail)) == {"user_id": person.id}


async def test_to_ask_for_a_mail_tells_nothing(world: World, somebody: Person, way: str) -> None:
    client, unverified = await caller(world, way), await world.register(world.stranger(), photo=False)
    for event in ("user/resend_verification", "user/forgot_pass"):
        answers = [
            await client.answer(event, mail=mail)
            for mail in ("nobody@example.org", unverified.mail, somebody.mail, somebody.mail.upper())
        ]
        assert answers == [{"code": 200, "data": {}}] * 4
        assert await client.faults(event, mail="no address") == {"mail"}


# login and logout


async def test_login_by_login_or_mail_in_any_case(world: World, somebody: Person, way: str) -> None:
    client = await caller(world, way)
    for name in (somebody.login, somebody.login.upper(), somebody.mail, somebody.mail.upper()):
        assert (await client.ok("user/login", login=name, password=PASSWORD))["user_id"] == somebody.id


async def test_whose_login_is_wrong_and_whose_password_hear_the_same(world: World, somebody: Person, way: str) -> None:
    client, unverified = await caller(world, way), await world.register(world.stranger(), photo=False)
    answers = [
        await client.answer("user/login", login=login, password="not the password")
        for login in ("nobody-here", "nobody@example.org", somebody.login, somebody.mail, unverified.login)
    ]
    assert answers == [answers[0]] * 5
    assert answers[0]["error"]["name"] == "invalid_credentials" and answers[0]["code"] == 400
    await client.refused(400, "not_verified", "user/login", login=unverified.login, password=PASSWORD)


async def test_logout_ends_this_session(world: World, way: str) -> None:
    person = await world.join(photo=False)
    other = await person.login_again()
    socket = await person.open()
    leaving = socket if way == "socket" else person.http
    assert await leaving.ok("user/logout") == {}
    assert await socket.closed() == "server disconnect"
    assert [goodbye["reason"] for goodbye in socket.seen("goodbye")] == ["session_ended"]
    await person.http.refused(401, "session_ended", "user/me")
    assert (await other.http.ok("user/me"))["user_id"] == person.id


async def test_logout_by_login_and_password_ends_all_sessions(world: World, way: str) -> None:
    client, person = await caller(world, way), await world.join(photo=False)
    sockets = [await person.open(), await (await person.login_again()).open()]
    await client.refused(400, "invalid_credentials", "user/logout", login=person.login, password="not the password")
    await client.refused(400, "invalid_credentials", "user/logout", login="nobody-here", password="not the password")
    assert await client.ok("user/logout", login=person.login, password=PASSWORD) == {}
    assert [await socket.closed() for socket in sockets] == ["server disconnect"] * 2
    await person.http.refused(401, "session_ended", "user/me")
    assert await client.faults("user/logout", login=person.login) == {"password"}


async def test_logout_of_nobody_is_refused(world: World, way: str) -> None:
    answer = await (await caller(world, way)).answer("user/logout")
    assert (answer["code"], answer["error"]["name"]) in ((401, "unauthorized"), (400, "invalid_payload"))


# passwords


async def test_a_forgotten_password_is_made_new_by_a_link(world: World, way: str) -> None:
    client, person = await caller(world, way), await world.join(photo=False)
    socket = await person.open()
    assert await client.ok("user/forgot_pass", mail=person.mail) == {}
    link = await world.reset_link(person.mail)
    assert await client.faults("user/reset_pass", **link, new_pass="short") == {"new_pass"}
    assert await client.ok("user/reset_pass", **link, new_pass=NEW_PASSWORD) == {}
    assert await socket.closed() == "server disconnect"
    await client.refused(400, "invalid_link", "user/reset_pass", **link, new_pass=NEW_PASSWORD)
    await client.refused(400, "invalid_credentials", "user/login", login=person.login, password=PASSWORD)
    assert (await client.ok("user/login", login=person.login, password=NEW_PASSWORD))["user_id"] == person.id


async def test_a_password_is_changed_with_the_old_one(world: World, way: str) -> None:
    person = await world.join(photo=False)
    other = await (await person.login_again()).open()
    me = await person.over(way)
    await me.refused(400, "invalid_credentials", "user/reset_pass", old_pass="not the password", new_pass=NEW_PASSWORD)
    assert await me.faults("user/reset_pass", old_pass=PASSWORD, new_pass="password1234") == {"new_pass"}
    assert await me.faults("user/reset_pass", old_pass=PASSWORD, new_pass=person.login + "99999") == {"new_pass"}
    assert await me.ok("user/reset_pass", old_pass=PASSWORD, new_pass=NEW_PASSWORD) == {}
    assert await other.closed() == "server disconnect"
    assert (await me.ok("user/me"))["user_id"] == person.id
    await world.http.ok("user/login", login=person.login, password=NEW_PASSWORD)
    await world.http.refused(401, "unauthorized", "user/reset_pass", old_pass=NEW_PASSWORD, new_pass=PASSWORD)


async def test_a_new_password_needs_a_link_or_the_old_one(world: World, somebody: Person, way: str) -> None:
    assert await (await somebody.over(way)).faults("user/reset_pass", new_pass=NEW_PASSWORD)
    both = {"reset_id": "x", "old_pass": PASSWORD, "new_pass": NEW_PASSWORD}
    assert (await (await somebody.over(way)).answer("user/reset_pass", **both))["code"] == 400


# sessions

SESSION = {"session_id": opaque, "started_at": time, "last_seen": time, "agent": Maybe(text), "current": flag}


async def test_sessions_are_listed_and_ended(world: World, way: str) -> None:
    person = await world.join(photo=False)
    other = await person.login_again()
    socket, me = await other.open(), await person.over(way)
    sessions = matching(await me.ok("user/sessions"), {"sessions": [SESSION]})["sessions"]
    assert len(sessions) == 2
    assert [session["current"] for session in sessions].count(True) == 1
    [theirs] = [session["session_id"] for session in sessions if not session["current"]]
    assert await me.ok("user/end_session", session_id=theirs) == {}
    assert await socket.closed() == "server disconnect"
    assert [goodbye["reason"] for goodbye in socket.seen("goodbye")] == ["session_ended"]
    await other.http.refused(401, "session_ended", "user/me")
    [left] = (await me.ok("user/sessions"))["sessions"]
    assert left["current"]


async def test_sessions_of_others_cannot_be_ended(world: World, way: str) -> None:
    me, other = await world.crowd({"photo": False}, {"photo": False})
    [session] = (await other.http.ok("user/sessions"))["sessions"]
    mine = await me.over(way)
    unknown = await mine.answer("user/end_session", session_id="no-such-session")
    assert await mine.answer("user/end_session", session_id=session["session_id"]) == unknown
    assert (await other.http.ok("user/me"))["user_id"] == other.id


async def test_two_who_want_one_login_do_not_both_get_it(world: World) -> None:
    login = f"wanted{world.number()}"
    forms = [form(Person(world, login, f"{login}-{n}@example.org", PASSWORD)) for n in range(4)]
    answers = await asyncio.gather(*(world.http.answer("user/registr", **given) for given in forms))
    assert sorted(answer["code"] for answer in answers) == [200, 400, 400, 400]
    assert {answer["error"]["name"] for answer in answers if answer["code"] == 400} == {"already_exists"}


async def test_people_of_one_address_may_register_with_photos_at_once(world: World) -> None:
    people = await asyncio.gather(*(world.register(world.stranger()) for _ in range(5)))
    assert len({person.id for person in people}) == 5

"""Attacks on accounts: taken over by links, guesses and races; found out by answers and by what is done for them."""

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from server.app import SERVICES
from server.config import Config
from server.outside.mail import Mailer
from server.wire.events import registry
from tests.ground.accounts import State, reset_id, set_state, text_of, verification
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket, Refused
from tests.ground.recorders import SqlRecorder
from tests.ground.server import PASSWORD
from tests.ground.strategies import SAMPLES, aim
from tests.ground.waiting import until_mailed

NEW, WRONG = "horse battery staple", "wrong horse battery"
HOUR = 3600


def _newcomer(login: str, /, **fields: Any) -> dict[str, Any]:
    told = {"login": login, "mail": f"{login}@example.org", "password": PASSWORD}
    return told | {"first_name": "New", "last_name": "Comer"} | fields


async def _log_in(socket: RawSocket, login: str, password: str = PASSWORD) -> dict[str, Any]:
    return await socket.call("user/login", {"login": login, "password": password})


# R21, R22: passwords


def test_by_default_passwords_are_hashed_as_dearly_as_is_due() -> None:
    """R21: Argon2id, at least 19 MiB and two passes; that a weaker hash is made anew is tested with the sessions."""
    password = Config().password
    assert password.memory_kib >= 19 * 1024 and password.time_cost >= 2


async def test_every_character_of_a_password_counts(server: Any, dial: Any, people: Any) -> None:
    """R22: two of a hundred characters that differ at the 73rd; blanks at the ends; NUL; case; composed or not."""
    anna = await people("anna")
    socket = await dial(anna)
    current = PASSWORD
    for new, almost in (
        ("x" * 72 + "y" + "x" * 27, "x" * 72 + "z" + "x" * 27),
        (" blanks around it ", "blanks around it"),
        ("a\0b c d e f g h", "a"),
        ("Straße und Haus 7", "STRASSE UND HAUS 7"),
        ("cafe\N{COMBINING ACUTE ACCENT} au lait 7", "caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait 7"),
    ):
        ok(await socket.call("user/reset_pass", {"old_pass": current, "new_pass": new}))
        fresh = await dial()
        refused(await _log_in(fresh, "anna", almost), "invalid_credentials")
        ok(await _log_in(fresh, "anna", new))
        current = new


# R23: each kind of token is good at its own place only


async def test_each_kind_of_token_opens_its_own_door_only(server: Any, dial: Any, people: Any) -> None:
    """R23: seven kinds of signed things at seven places; what does not belong is refused alike."""
    anna, boris, clara = await people("anna"), await people("boris"), await people("clara")
    socket, anonymous, tokens = await dial(boris), await dial(), server.app[SERVICES].tokens
    ok(await anonymous.call("user/registr", _newcomer("dave")))
    verify = verification(await server.mails.wait_for("dave@example.org"))
    await anna.profile.save(new_mail="anya@example.org", old_pass=PASSWORD)
    move = verification(await server.mails.wait_for("anya@example.org"))
    ok(await anonymous.call("user/forgot_pass", {"mail": clara.mail}))
    photo = (await boris.profile.get(anna.id)).photo
    assert photo
    kinds = {
        "session": anna.token,
        "verify": verify["ver_id"],
        "mail": move["ver_id"],
        "reset": reset_id(await server.mails.wait_for(clara.mail)),
        "unsubscribe": tokens.unsubscribe(anna.id),
        "cursor": tokens.page(f"blocks.{boris.id}", [0, 1]),
        "photo": photo.url["small"].split("/")[-2],
    }

    async with aiohttp.ClientSession(server.url) as http:

        async def handshake(token: str) -> Any:
            try:
                async with await RawSocket.open(server.url, auth={"token": token}) as opened:
                    return await opened.call("user/sessions")
            except Refused as refusal:
                return refusal.error

        async def bearer(token: str) -> Any:
            async with http.get("/api/user/sessions", headers={"Authorization": f"Bearer {token}"}) as reply:
                return await reply.json()

        async def confirm(token: str) -> Any:
            login = {kinds["mail"]: "anna"}.get(token, "dave")
            return await anonymous.call("user/verification", {"ver_id": token, "login": login})

        async def unsubscribe(token: str) -> Any:
            async with http.post("/unsubscribe", params={"token": token}) as page:
                return page.status, await page.text()

        async def show(token: str) -> Any:
            async with http.get(f"/photo/{token}/small") as reply:
                return reply.status, await reply.read()

        doors: dict[str, Callable[[str], Awaitable[Any]]] = {
            "handshake": handshake,
            "payload": lambda token: anonymous.call("user/sessions", {"token": token}),
            "bearer": bearer,
            "ver_id": confirm,
            "reset_id": lambda token: anonymous.call("user/reset_pass", {"reset_id": token, "new_pass": NEW}),
            "unsubscribe": unsubscribe,
            "cursor": lambda token: socket.call("user/blocks", {"cursor": token}),
            "photo": show,
        }
        own_door = {"session": {"handshake", "payload", "bearer"}, "verify": {"ver_id"}, "mail": {"ver_id"}}
        own_door |= {"reset": {"reset_id"}} | {kind: {kind} for kind in ("unsubscribe", "cursor", "photo")}
        for door, knock in doors.items():
            answers = {repr(await knock(token)) for kind, token in kinds.items() if door not in own_door[kind]}
            assert len(answers) == 1, (door, answers)
            assert re.search("unauthorized|invalid_link|invalid_payload|4\\d\\d", answers.pop()), door
        for kind in ("session", "verify", "mail", "unsubscribe", "cursor", "photo", "reset"):
            for door in own_door[kind]:
                answer = repr(await doors[door](kinds[kind]))
                assert re.match(r"\{'code': 200|\(200", answer), (kind, door, answer)


async def test_links_are_for_one_person(server: Any, dial: Any, people: Any) -> None:
    """R24: the secret of one person's link, signed for another, opens nothing."""
    anna, boris = await people("anna"), await people("boris")
    socket, tokens = await dial(), server.app[SERVICES].tokens
    for person in (anna, boris):
        ok(await socket.call("user/forgot_pass", {"mail": person.mail}))
    secrets = [reset_id(await server.mails.wait_for(person.mail)) for person in (anna, boris)]
    nonces = [tokens.read_link(("reset",), secret)[2] for secret in secrets]
    for user_id, nonce in ((boris.id, nonces[0]), (anna.id, nonces[1]), (anna.id, ""), (1, nonces[0])):
        forged = tokens.link("reset", user_id, nonce)
        refused(await socket.call("user/reset_pass", {"reset_id": forged, "new_pass": NEW}), "invalid_link")
    ok(await socket.call("user/reset_pass", {"reset_id": secrets[0], "new_pass": NEW}))
    ok(await _log_in(await dial(), "boris"))


# R28: a new password ends what the old one began


@pytest.mark.config(password={"queue": 100})
async def test_who_signs_in_while_the_password_changes_is_in_or_out_but_never_both(
    server: Any, dial: Any, people: Any
) -> None:
    """R28, R85 (i): no session of the old password outlives the new one, however close they come."""
    anna = await people("anna")
    own = await dial(anna)
    sockets = [await dial() for _ in range(12)]
    logins = [asyncio.ensure_future(_log_in(socket, "anna")) for socket in sockets]
    ok(await own.call("user/reset_pass", {"old_pass": PASSWORD, "new_pass": NEW}))
    answers = await asyncio.gather(*logins)
    fresh = await dial()
    for answer in answers:
        if answer["code"] == 200:
            refused(await fresh.call("user/me", {"token": answer["data"]["token"]}), "session_ended")
        else:
            refused(answer, "invalid_credentials", "unavailable")
    assert ok(await own.call("user/me"))["user_id"] == anna.id
    assert len(ok(await own.call("user/sessions"))["sessions"]) == 1


# R29: a closed account has no way back


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name.lower())
async def test_no_link_opens_a_closed_account(server: Any, dial: Any, people: Any, state: State) -> None:
    """R29: neither the link that was mailed before, to confirm, to move or to reset, nor a new one."""
    anna, socket = await people("anna"), await dial()
    ok(await socket.call("user/registr", _newcomer("dave")))
    verify = verification(await server.mails.wait_for("dave@example.org"))
    await anna.profile.save(new_mail="anya@example.org", old_pass=PASSWORD)
    move = verification(await server.mails.wait_for("anya@example.org"))
    await server.database.fetch("UPDATE account SET state = %s", int(state))
    await until_mailed(server)
    server.mails.forget()
    for link in (verify, move):
        refused(await socket.call("user/verification", link), "invalid_link")
    for mail in (anna.mail, "dave@example.org"):
        assert ok(await socket.call("user/forgot_pass", {"mail": mail})) == {}
        assert ok(await socket.call("user/resend_verification", {"mail": mail})) == {}
    await until_mailed(server)
    assert server.mails.unread() == []
    assert {row[0] for row in await server.database.fetch("SELECT state FROM account")} == {int(state)}


# R33: one name is one person


@pytest.mark.parametrize(
    "alike",
    [
        "Anna",
        "ANNA",
        "anna ",
        " anna",
        "ａnna",
        "anna\u200b",
        "аnna",
        "ánna",
        "a\u0301nna",
        "anna\u0000",
        "anna\u3000",
        "anna%",
    ],
)
async def test_a_name_that_looks_alike_is_the_same_or_nobody(server: Any, dial: Any, people: Any, alike: str) -> None:
    """R33: letters of either case are one name; anything else can't be registered and leads to nobody."""
    anna, boris = await people("anna"), await people("boris")
    socket, his = await dial(), await dial(boris)
    same = alike.lower() == "anna"
    taken = await socket.call("user/registr", _newcomer("x", login=alike, mail="other@example.org"))
    refused(taken, "already_exists" if same else "invalid_payload")
    found = await his.call("user/connect", {"target_id": alike})
    entered = await _log_in(socket, alike)
    if same:
        assert ok(found)["state"] == "requested" and ok(entered)["user_id"] == anna.id
    else:
        refused(found, "not_found", "invalid_payload")
        refused(entered, "invalid_credentials", "invalid_payload")


@pytest.mark.parametrize("alike", ["anna@example.org ", " anna@example.org", "аnna@example.org", "anna@example.org\0"])
async def test_an_address_that_looks_alike_leads_to_nobody(server: Any, dial: Any, people: Any, alike: str) -> None:
    """R33: signing in by something that is nearly an address."""
    await people("anna")
    refused(await _log_in(await dial(), alike), "invalid_credentials", "invalid_payload")


# R34: guessing


@pytest.mark.config(
    limits={"scale": 1, "socket_burst": 5000, "sockets_anonymous": 500}, server={"proxies": ["127.0.0.1"]}
)
async def test_guesses_come_to_an_end_whatever_name_and_way_they_take(
    server: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R34: of 120 guesses in an hour, from everywhere, by login, address, old password: 25 reach the hasher at most."""
    checked: list[str] = []
    passwords = server.app[SERVICES].passwords
    verify = passwords.verify

    async def counted(password_hash: str | None, password: str) -> bool:
        checked.append(password)
        return bool(await verify(password_hash, password))

    anna = await people("anna")
    monkeypatch.setattr(passwords, "verify", counted, raising=False)
    names = ["anna", "Anna", "anna@example.org", "ANNA@example.org", "anna ", "anna@example.org "]
    async with aiohttp.ClientSession(server.url) as http:
        for n in range(120):
            address = {"X-Forwarded-For": f"10.0.{n}.1"}
            payload = {"login": names[n % 6], "password": f"{WRONG} {n}"}
            if n % 3 == 1:
                payload = {"old_pass": f"{WRONG} {n}", "new_pass": NEW, "token": anna.token}
            event = "user/reset_pass" if n % 3 == 1 else "user/login"
            async with http.post(f"/api/{event}", json=payload, headers=address) as reply:
                refused(await reply.json(), "invalid_credentials", "rate_limited")
        hers = [guess for guess in checked if int(guess.split()[-1]) % 6 not in (4, 5)]
        assert len(hers) <= 25, "those with a blank behind the name are nobody's"
        async with http.post("/api/user/login", json={"login": "anna", "password": PASSWORD}) as reply:
            ok(await reply.json())  # from where she was signed in before


# R36: whoever only has the socket does not get the account


async def test_a_stolen_socket_is_not_an_account(server: Any, dial: Any, people: Any) -> None:
    """R36: a new login, address or password takes the current password, and the owner is told."""
    anna = await people("anna")
    stolen = await dial(anna)
    for event, payload in (
        ("user/save_profile", {"new_login": "stolen"}),
        ("user/save_profile", {"new_mail": "thief@example.org"}),
        ("user/reset_pass", {"new_pass": NEW}),
        ("user/reset_pass", {"new_pass": NEW, "old_pass": WRONG}),
        ("user/save_profile", {"new_login": "stolen", "old_pass": WRONG}),
        ("user/save_profile", {"new_mail": "thief@example.org", "old_pass": WRONG}),
        ("user/reset_pass", {"new_pass": NEW, "reset_id": anna.token}),
    ):
        refused(await stolen.call(event, payload), "invalid_payload", "invalid_credentials", "invalid_link")
    await until_mailed(server)
    assert server.mails.unread() == []
    ok(await _log_in(await dial(), "anna"))
    ok(await stolen.call("user/save_profile", {"new_mail": "anya@example.org", "old_pass": PASSWORD}))
    ok(await stolen.call("user/reset_pass", {"new_pass": NEW, "old_pass": PASSWORD}))
    await until_mailed(server)
    told = [mail["Subject"] for mail in server.mails.unread(anna.mail)]
    assert sorted(told) == ["Your mail address is being changed", "Your password was changed"]


# R37: an account that is not confirmed can do nothing


async def test_who_is_not_confirmed_can_do_nothing(server: Any, dial: Any, people: Any) -> None:
    """R37: every event, by password where there is a way, and by a session that should not be."""
    anna, boris = await people("anna"), await people("boris")
    socket, anonymous = await dial(anna), await dial()
    await server.database.fetch("UPDATE account SET state = 0 WHERE id = %s", anna.id)
    for payload in ({"login": "anna", "password": PASSWORD}, {"login": anna.mail, "password": PASSWORD}):
        for event in ("user/login", "user/logout", "user/save_profile"):
            refused(await anonymous.call(event, payload), "not_verified")
    for event, spec in registry.items():
        payload = aim(SAMPLES[event].required, target_id=boris.id, target_login=boris.login)
        if not spec.public:
            refused(await anonymous.call(event, payload | {"token": anna.token}), "session_ended")
    for payload in ({"old_pass": PASSWORD, "new_pass": NEW}, {}):
        answer = await socket.call_or_close("user/reset_pass" if payload else "user/logout", payload)
        if answer is not None and payload:
            refused(answer, "session_ended", "not_verified")
    await server.database.fetch("UPDATE account SET state = 1 WHERE id = %s", anna.id)
    ok(await _log_in(anonymous, "anna"))


# R38: sessions of others


async def test_sessions_of_others_can_be_neither_seen_nor_ended(server: Any, dial: Any, people: Any) -> None:
    """R38: not found, as one that never was; and no list holds anything that opens a session."""
    anna, boris = await people("anna"), await people("boris")
    hers, his = await dial(anna), await dial(boris)
    [line] = ok(await hers.call("user/sessions"))["sessions"]
    answers = set()
    for session_id in (line["session_id"], "a" * 22, line["session_id"][:-1], line["session_id"].swapcase()):
        answers.add(json.dumps(await his.call("user/end_session", {"session_id": session_id})))
    assert len(answers) == 1
    refused(json.loads(answers.pop()), "not_found")
    assert ok(await hers.call("user/me"))["user_id"] == anna.id
    assert anna.token not in json.dumps(line) and "10." not in line["agent"]
    tokens = server.app[SERVICES].tokens
    refused(await (await dial()).call("user/me", {"token": line["session_id"]}), "unauthorized")
    assert tokens.read_session(anna.token) == (anna.id, line["session_id"]), "an id without its signature opens nothing"


# R39: whether an address has an account


@pytest.mark.config(mail={"retry": 1000.0})
async def test_what_is_done_for_an_address_does_not_tell_whose_it_is(
    server: Any, dial: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R39: registering with, moving to, asking for links to: the same frames, and the same statements, one by one."""
    anna, boris = await people("anna"), await people("boris")
    await set_state(server, await people("banned"), State.BANNED)
    setup = await dial()
    ok(await setup.call("user/registr", _newcomer("dave")))
    await until_mailed(server)
    monkeypatch.setattr(Mailer, "wake", lambda self: None)
    mails = ["nobody@example.org", boris.mail, "dave@example.org", "banned@example.org"]

    async def seen(person: Any, event: str, payload: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
        socket = await dial(person)
        with SqlRecorder() as recorder:
            ok(await socket.call(event, payload))
        [frame] = [frame for frame in socket.frames if frame.startswith("43")]
        own = [one for one in recorder.statements if not (one.in_background or "`user_stream`.`auth" in one.sql)]
        sql = tuple((one.sql, len(one.args or ())) for one in own)
        return re.sub(r"\d{6,}", "<id>", frame), sql

    async def differing(person: Any, event: str, payloads: list[dict[str, Any]]) -> list[Any]:
        return [await seen(person, event, payload) for payload in payloads]

    registered = [_newcomer(f"newcomer{n}", mail=mail) for n, mail in enumerate(mails)]
    moved = [{"new_mail": mail, "old_pass": PASSWORD} for mail in mails]
    asked = [{"mail": mail} for mail in mails]
    for person, event, payloads in (
        (None, "user/registr", registered),
        (anna, "user/save_profile", moved),
        (None, "user/forgot_pass", asked),
        (None, "user/resend_verification", asked),
    ):
        first, *others = await differing(person, event, payloads)
        assert all(other == first for other in others), event


# R40, R41: looking for people


async def test_an_address_finds_nobody(server: Any, dial: Any, people: Any) -> None:
    """R40: mails are no search terms: what takes a login knows no address, and no answer holds one."""
    anna, boris = await people("anna"), await people("boris")
    socket = await dial(boris)
    for mail in (anna.mail, anna.mail.upper(), boris.mail):
        refused(await socket.call("user/connect", {"target_id": mail}), "not_found")
    for event in ("research", "profile", "user/connections", "user/likes", "user/history"):
        payload = aim(SAMPLES[event].required, target_id=anna.id, target_login="anna")
        assert "@" not in json.dumps(await socket.call(event, payload))


@pytest.mark.config(limits={"scale": 1})
async def test_taken_logins_are_not_listed_by_trying_to_register(server: Any, dial: Any) -> None:
    """R40: whether a login is taken is told ten times in half an hour."""
    socket = await dial()
    answers = []
    for n in range(15):
        server.clock.advance(1)
        answers.append(await socket.call("user/registr", _newcomer(f"somebody{n % 3}", mail=f"m{n}@example.org")))
    assert [answer["code"] for answer in answers].count(429) == 5
    assert {answer["error"]["name"] for answer in answers if answer["code"] == 400} == {"already_exists"}


async def test_ids_cannot_be_counted_through(server: Any, dial: Any, people: Any) -> None:
    """R41: beside an id there is nobody, ids are spread, and nobody is not told from nobody."""
    persons = [await people(f"person{n}") for n in range(4)]
    ids = sorted(person.id for person in persons)
    assert min(later - earlier for earlier, later in itertools.pairwise(ids)) > 2**20
    socket = await dial(persons[0])
    beside = [person.id + step for person in persons[1:] for step in (-2, -1, 1, 2)]
    answers = {
        json.dumps(await socket.call("profile", {"target_user_id": user_id})) for user_id in [*beside, 1, 2**53 - 1]
    }
    assert len(answers) == 1
    refused(json.loads(answers.pop()), "not_found")


# R60, R61, R62: mails


async def test_nothing_that_people_write_gets_into_a_mail(server: Any, dial: Any, people: Any) -> None:
    """R60, R61: names with markup, templates and addresses: no mail of any kind holds them, in text or HTML."""
    poison = '<img onerror="alert(1)"> {{ 999983 * 999979 }} bcc@example.org'
    socket = await dial()
    ok(await socket.call("user/registr", _newcomer("eve", first_name=poison, last_name=poison, description=poison)))
    ok(await socket.call("user/verification", verification(await server.mails.wait_for("eve@example.org"))))
    ok(await socket.call("user/registr", _newcomer("twin", mail="eve@example.org", first_name=poison)))
    ok(await socket.call("user/forgot_pass", {"mail": "eve@example.org"}))
    ok(await _log_in(socket, "eve"))
    ok(await socket.call("user/save_profile", {"new_mail": "eva@example.org", "old_pass": PASSWORD}))
    ok(await socket.call("user/reset_pass", {"new_pass": NEW, "old_pass": PASSWORD}))
    await until_mailed(server)
    mails = server.mails.unread()
    assert len(mails) == 5
    for mail in mails:
        assert len(mail.get_all("To")) == 1 and not {"Cc", "Bcc"} & {*mail.keys()}
        for text in (mail["Subject"], text_of(mail), text_of(mail, "html")):
            assert not [part for part in ("<img", "onerror", str(999983 * 999979), "999983 *", "bcc@") if part in text]


@pytest.mark.config(server={"public_url": "https://dating.example.org"})
async def test_links_lead_to_us_whoever_we_are_asked_to_be(server: Any, people: Any) -> None:
    """R62: Host, X-Forwarded-Host, Forwarded and an absolute request line: the link's host is constant."""
    anna = await people("anna")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = json.dumps({"mail": anna.mail})
    head = (
        "POST http://evil.example/api/user/forgot_pass HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example"
    )
    more = f"Forwarded: host=evil.example\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\n{more}\r\nConnection: close\r\n\r\n{body}".encode())
    await reader.read()
    writer.close()
    asked = {"json": {"mail": anna.mail}, "headers": {"Host": "evil.example"}}
    async with aiohttp.ClientSession(server.url) as http, http.post("/api/user/forgot_pass", **asked) as reply:
        ok(await reply.json())
    for mail in (await server.mails.wait_for(anna.mail), *server.mails.unread()):
        for text in (text_of(mail), text_of(mail, "html")):
            assert "evil" not in mail.as_string()
            assert set(re.findall(r"https?://[^/\s\"]+", text)) == {"https://dating.example.org"}

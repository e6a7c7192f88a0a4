"""Settings: what others may see of one, how one is told, and the link that turns mails off."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from client_sdk import InvalidPayload, SettingsChanged
from server.app import SERVICES
from tests.ground.accounts import State, set_state, unsubscribe_path
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.server import PASSWORD, Person, RunningServer

DAY = 86_400
DEFAULT = {"show_online": True, "show_distance": True, "read_receipts": True, "mail_on": True, "language": "en"}


@pytest_asyncio.fixture
async def http(server: RunningServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def settings_of(person: Person) -> Any:
    return (await person.call("user/me"))["settings"]


# -- changing ----------------------------------------------------------------------------------------------------------


async def test_at_first_all_is_shown_and_asking_changes_nothing(alice):
    assert await alice.call("user/settings") == DEFAULT
    assert await alice.call("user/settings") == await settings_of(alice)
    assert (await alice.profile.me()).cursor == 0, "nothing was pushed"


@pytest.mark.parametrize(
    "changes",
    [
        {"show_online": False},
        {"show_distance": False},
        {"read_receipts": False},
        {"mail_on": False},
        {"language": "ru"},
        {"language": "fr", "mail_on": False, "show_online": False},
        {name: False for name in DEFAULT if name != "language"},
    ],
)
async def test_only_what_is_given_changes(alice, bob, changes):
    assert await alice.call("user/settings", **changes) == DEFAULT | changes
    assert await settings_of(alice) == DEFAULT | changes
    assert await settings_of(bob) == DEFAULT
    assert await alice.call("user/settings", **{name: DEFAULT[name] for name in changes}) == DEFAULT


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"show_online": None}, "show_online", "type"),
        ({"mail_on": 0}, "mail_on", "type"),
        ({"read_receipts": "false"}, "read_receipts", "type"),
        ({"language": "de"}, "language", "choice"),
        ({"language": None}, "language", "choice"),
        ({"theme": "dark"}, "theme", "unknown"),
    ],
)
async def test_a_wrong_setting_is_named_and_nothing_is_changed(alice, changes, field, code):
    with pytest.raises(InvalidPayload) as refusal:
        await alice.call("user/settings", **{"show_distance": False} | changes)
    assert {name: fault["code"] for name, fault in refusal.value.fields.items()} == {field: code}
    assert await settings_of(alice) == DEFAULT


async def test_settings_are_ones_own(server, alice):
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/settings", {"mail_on": False}), "unauthorized")
    await set_state(server, alice, State.BANNED)
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call("user/settings", {"token": alice.token}), "session_ended")


async def test_over_http_they_are_the_same(alice, http):
    headers = {"Authorization": f"Bearer {alice.token}"}
    async with http.post("/api/user/settings", json={"language": "fr"}, headers=headers) as reply:
        assert ok(await reply.json()) == DEFAULT | {"language": "fr"}


async def test_mails_come_in_the_language_that_was_chosen(server, alice):
    await alice.settings.change(language="ru")
    await alice.account.reset_password("horse battery staple", old_pass=PASSWORD)
    assert (await server.mails.wait_for(alice.mail))["Subject"] == "Ваш пароль изменён"


# -- being told --------------------------------------------------------------------------------------------------------


async def test_ones_own_devices_are_told_at_every_server_and_nobody_else_is(start_server, server, alice, bob):
    other = await start_server()
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as here,
        await RawSocket.open(other.url, auth={"token": alice.token}) as there,
        await RawSocket.open(server.url, auth={"token": bob.token}) as bobs,
    ):
        async with alice.expecting(SettingsChanged) as told:
            changed = await alice.settings.change(mail_on=False, language="fr")
            assert (await told).settings == changed
        for socket in (here, there):
            data = await socket.push("settings/changed")
            assert {name: data[name] for name in DEFAULT} == DEFAULT | {"mail_on": False, "language": "fr"}
            assert data["seq"] == 1
        await alice.settings.change(mail_on=False)
        ok(await bobs.call("user/me"))
        assert (await alice.profile.me()).cursor == 1, "what was so already is not told"
        assert bobs.pushes == []


async def test_what_was_missed_is_told_as_it_is_now(alice):
    await alice.settings.change(mail_on=False)
    await alice.settings.change(language="ru")
    events = [push.data for push in await alice.sync.since(0)]
    assert [(data["mail_on"], data["language"]) for data in events] == [(False, "ru")] * 2


# -- the link in mails -------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def path(server: RunningServer, alice: Person) -> str:
    """Path and query of the link that alice was mailed."""
    params = json.dumps({"login": "alice", "user_id": alice.id, "count": 1, "kinds": {"like": 1}})
    await server.database.fetch(
        "INSERT INTO outbox (id, template, address, language, params, due_at) VALUES (1, 'waiting', %s, 'en', %s, %s)",
        alice.mail,
        params,
        server.clock.now(),
    )
    return unsubscribe_path(await server.mails.wait_for(alice.mail))


@pytest.mark.parametrize(
    "request_", [{"data": {"List-Unsubscribe": "One-Click"}}, {"data": {}}, {"data": b"\0" * 60_000}, {}]
)
async def test_a_click_turns_mails_off_by_whatever_program(alice, http, path, request_):
    """RFC 8058: posted without cookies or credentials, from any origin."""
    async with alice.expecting(SettingsChanged) as told:
        async with http.post(path, headers={"Origin": "https://mail.example"}, **request_) as page:
            assert page.status == 200
            assert "Done" in await page.text()
        assert (await told).settings.mail_on is False
    assert await settings_of(alice) == DEFAULT | {"mail_on": False}


async def test_opening_the_link_shows_a_button_and_changes_nothing(alice, http, path):
    async with http.get(path) as page:
        assert page.status == 200
        assert '<form method="post"><button>' in await page.text()
        assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    async with http.head(path) as page:
        assert page.status == 405
    assert await settings_of(alice) == DEFAULT


async def test_a_link_is_good_again_and_again_for_60_days(server, alice, http, path):
    for _ in range(2):
        async with http.post(path) as page:
            assert page.status == 200
    await alice.settings.change(mail_on=True)
    server.clock.advance(60 * DAY - 60)
    async with http.post(path) as page:
        assert page.status == 200
    server.clock.advance(120)
    async with http.post(path) as page:
        assert page.status == 400
        assert "does not work any more" in await page.text()


@pytest.mark.parametrize("token", ["", "x", "W10.x.y", "session", "reset", "a" * 5000, "None", "%00"])
async def test_nothing_else_turns_mails_off(server, alice, http, token):
    tokens = server.app[SERVICES].tokens
    wrong = {"session": alice.token, "reset": tokens.link("reset", alice.id, "n" * 22)}.get(token, token)
    async with http.post("/unsubscribe", params={"token": wrong}) as page:
        assert page.status == 400
    async with http.post("/unsubscribe") as page:
        assert page.status == 400
    assert await settings_of(alice) == DEFAULT


@pytest.mark.parametrize("state", State)
async def test_for_a_closed_account_there_is_nothing_to_do(server, alice, http, path, state):
    await set_state(server, alice, state)
    async with http.post(path) as page:
        assert page.status == 200
    assert await server.database.fetch("SELECT mail_on FROM profile") == [(1,)]


async def test_the_link_is_not_logged(server, http, path):
    for method in (http.get, http.post):
        async with method(path):
            pass
    token = path.partition("=")[2]
    assert token not in "\n".join(f"{record.getMessage()} {record.__dict__}" for record in server.log)


@pytest.mark.config(limits={"scale": 1, "socket_burst": 1, "socket_rate": 0.1})
async def test_links_are_not_tried_without_end(http):
    statuses = []
    for _ in range(12):
        async with http.post("/unsubscribe", params={"token": "x"}) as page:
            statuses.append(page.status)
    assert statuses == [400] * 10 + [429] * 2


async def test_without_the_database_it_says_so(server, http, path):
    async with server.database_down(), asyncio.timeout(4), http.post(path) as page:
        assert page.status == 503

"""Reminders: who is away is told by mail that something waits, after ten minutes, once a day, and of nobody who."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from client_sdk import Client
from handlers.reminder import _due_at
from server.app import SERVICES
from server.config import Config
from server.wire.pushes import Notice
from sql.notification import Waiting
from tests.ground.accounts import State, set_state
from tests.ground.recorders import SqlRecorder
from tests.ground.waiting import until

pytestmark = pytest.mark.config(notifications={"sweep": 0.02})

MINUTE, DAY = 60, 86_400


@pytest.fixture
async def away(server: Any, alice: Any, bob: Any) -> Any:
    """Bob has gone; his token is still good."""
    await leave(server, bob)
    return bob


async def leave(server: Any, person: Any) -> None:
    """Go, and wait until that is known: by the clock as it stands, which tests move."""
    await person.close()
    presence = server.app[SERVICES].presence

    async def is_known() -> bool:
        return not (await presence.list_tops([person.id]))[person.id].is_socket

    await until(is_known)


async def reminder(server: Any, person: Any) -> tuple[datetime | None, datetime | None]:
    """Return when somebody is looked at next and when they were told last, once nobody is at it."""
    async with asyncio.timeout(5):
        while True:
            rows = await server.database.fetch(
                "SELECT due_at, mailed_at, lease FROM reminder WHERE user_id = %s", person.id
            )
            [(due_at, mailed_at, lease)] = rows
            if lease is None and not (due_at and due_at <= server.clock.now()):
                return due_at, mailed_at
            await asyncio.sleep(0.005)


async def claimed(server: Any, person: Any) -> datetime:
    """Return until when somebody was taken, once they are."""
    async with asyncio.timeout(5):
        while True:
            rows = await server.database.fetch("SELECT due_at, lease FROM reminder WHERE user_id = %s", person.id)
            [(due_at, lease)] = rows
            if lease is not None:
                return due_at
            await asyncio.sleep(0.005)


async def call(server: Any, person: Any, event: str, **fields: Any) -> None:
    """Do something as somebody who is not here: over HTTP."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with (
        aiohttp.ClientSession(server.url, headers=headers) as http,
        http.post(f"/api/{event}", json=fields) as response,
    ):
        assert response.status == 200, await response.text()


async def test_who_is_away_is_told_after_ten_minutes_that_something_waits_but_not_of_whom(server, alice, away):
    await alice.notification.nudge(away.id)
    await alice.profile.get(away.id)
    server.clock.advance(10 * MINUTE - 1)
    due_at, mailed_at = await reminder(server, away)
    assert (due_at is not None, mailed_at) == (True, None)
    server.clock.advance(1)
    mail = await server.mails.wait_for(away.mail)
    body = mail.get_body(("plain",)).get_content()
    assert "nudged" in body and "looked at your profile" in body and "(2 in all)" in body
    assert "alice" not in mail.as_string().lower() and str(alice.id) not in mail.as_string()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (await reminder(server, away))[0] is None


async def read(server: Any, alice: Any, bob: Any) -> None:
    await call(server, bob, "notifications/read", seq=2**52)


async def turn_off(server: Any, alice: Any, bob: Any) -> None:
    await call(server, bob, "user/settings", mail_on=False)


async def be_banned(server: Any, alice: Any, bob: Any) -> None:
    await set_state(server, bob, State.BANNED)


async def be_blocked(server: Any, alice: Any, bob: Any) -> None:
    await alice.relation.block(bob.id)


async def have_been_here(server: Any, alice: Any, bob: Any) -> None:
    await server.database.fetch("UPDATE profile SET active_at = %s WHERE user_id = %s", server.clock.now(), bob.id)


@pytest.mark.parametrize("act", [read, turn_off, be_banned, be_blocked, have_been_here], ids=lambda act: act.__name__)
async def test_nobody_is_told_for_whom_there_is_no_reason_any_more(server, alice, away, act: Callable[..., Any]):
    await alice.notification.nudge(away.id)
    server.clock.advance(5 * MINUTE)
    await act(server, alice, away)
    server.clock.advance(DAY)
    assert await reminder(server, away) == (None, None)
    assert server.mails.unread(away.mail) == []


async def test_who_is_here_is_not_told(server, alice, away):
    await alice.notification.nudge(away.id)
    server.clock.advance(10 * MINUTE - 5)
    async with Client(server.url, token=away.token):
        server.clock.advance(5)
        assert await reminder(server, away) == (None, None)


async def test_while_nobody_knows_who_is_here_nobody_is_told(server, alice, away):
    await alice.notification.nudge(away.id)
    async with server.redis_down():
        server.clock.advance(10 * MINUTE)
        due_at = await claimed(server, away)
        assert due_at > server.clock.now()
    server.clock.advance(MINUTE)
    await server.mails.wait_for(away.mail)


async def test_one_mail_a_day_at_most_and_only_of_something_new(server, alice, carol, away):
    await alice.notification.nudge(away.id)
    server.clock.advance(10 * MINUTE)
    await server.mails.wait_for(away.mail)
    _, told_at = await reminder(server, away)
    assert told_at is not None
    server.clock.advance(60 * MINUTE)
    await carol.notification.nudge(away.id)
    server.clock.advance(10 * MINUTE)
    assert await reminder(server, away) == (told_at + timedelta(days=1), told_at)
    assert server.mails.unread(away.mail) == []
    server.clock.advance(DAY - 70 * MINUTE)
    again = await server.mails.wait_for(away.mail)
    assert "2 in all" in again.get_body(("plain",)).get_content()
    _, told_again_at = await reminder(server, away)
    assert told_again_at is not None and told_again_at >= told_at + timedelta(days=1)
    server.clock.advance(3 * DAY)
    assert await reminder(server, away) == (None, told_again_at), "what is still unread is no news"


async def test_a_further_message_in_a_conversation_that_waits_unread_is_something_new(server, connected, people):
    alice, bob = connected
    await bob.close()
    await alice.message.send(bob.id, "hello")
    server.clock.advance(10 * MINUTE)
    await server.mails.wait_for(bob.mail)
    server.clock.advance(2 * DAY)
    assert (await reminder(server, bob))[0] is None
    await alice.message.send(bob.id, "are you there?")
    server.clock.advance(10 * MINUTE - 1)
    assert server.mails.unread(bob.mail) == []
    server.clock.advance(1)
    await server.mails.wait_for(bob.mail)


async def test_several_processes_tell_once(server, start_server, people, alice):
    for _ in range(2):
        await start_server()
    absent = [await people(f"absent{number}") for number in range(8)]
    for person in absent:
        await person.close()
        await alice.notification.nudge(person.id)
    server.clock.advance(10 * MINUTE)
    for person in absent:
        await server.mails.wait_for(person.mail)
        assert (await reminder(server, person))[0] is None
    assert server.mails.unread() == []


async def test_what_a_process_took_and_left_is_taken_by_another(server, alice, away):
    await alice.notification.nudge(away.id)
    until = server.clock.now() + timedelta(seconds=60)
    await server.database.fetch("UPDATE reminder SET lease = 7, due_at = %s WHERE user_id = %s", until, away.id)
    server.clock.advance(11 * MINUTE)
    await server.mails.wait_for(away.mail)


async def test_one_who_cannot_be_told_keeps_nobody_else_from_being_told(server, alice, carol, away):
    await leave(server, carol)
    for person in (away, carol):
        await alice.notification.nudge(person.id)
    await server.database.fetch("UPDATE account SET state = 9 WHERE id = %s", away.id)
    server.clock.advance(10 * MINUTE)
    await server.mails.wait_for(carol.mail)
    await until(lambda: any("reminder.failed" in record.getMessage() for record in server.log))


async def test_what_comes_while_somebody_is_looked_at_is_not_forgotten(server, alice, carol, away):
    """The one who looks holds the row; what comes meanwhile waits for that, and sets its time afterwards."""
    await alice.notification.nudge(away.id)
    holder = await server.database.acquire()
    try:
        await holder.run_within(("SELECT * FROM reminder WHERE user_id = %s FOR UPDATE", [away.id]))
        with SqlRecorder() as recorder:
            coming = asyncio.create_task(carol.notification.nudge(away.id))
            while not any("INSERT INTO `reminder`" in sql for sql, *_ in recorder.statements):
                await asyncio.sleep(0.005)
        await holder.run_within(("UPDATE reminder SET due_at = NULL WHERE user_id = %s", [away.id]))
        await holder.command("COMMIT")
    finally:
        server.database.release(holder)
    await coming
    server.clock.advance(10 * MINUTE)
    await server.mails.wait_for(away.mail)


NOON = datetime.fromisoformat("2026-01-15T12:00:00")


@pytest.mark.parametrize(
    ("came", "counted", "seen", "mailed", "due"),
    [
        (0, 0, None, None, 10),
        (0, 5, None, None, 10),
        (0, 0, 1, None, None),
        (0, 6, 5, None, 15),
        (6, 6, 5, None, 16),
        (0, 0, -5, None, 10),
        (0, 0, None, 10, None),
        (0, 20, None, 10, 10 + 1440),
        (30, 30, 20, 10, 10 + 1440),
        (2000, 2000, None, 10, 2010),
    ],
)
def test_a_mail_goes_ten_minutes_after_something_came_unseen_and_a_day_after_the_last(
    came: int, counted: int, seen: int | None, mailed: int | None, due: int | None
) -> None:
    def at(minutes: int) -> datetime:
        return NOON + timedelta(minutes=minutes)

    class Options:
        config = Config()

    waiting = [Waiting(Notice.MESSAGE, at(came), at(counted))]
    seen_at = at(seen) if seen is not None else datetime.fromisoformat("1970-01-01")
    found = _due_at(Options, waiting, seen_at, at(mailed) if mailed is not None else None)
    assert found == (at(due) if due is not None else None)
    assert _due_at(Options, [], seen_at, None) is None

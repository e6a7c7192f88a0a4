"""Reports: any id will do, the same again is free, several hold a profile back, the staff lets it go."""

import asyncio
import os
import sys
from datetime import timedelta

import pytest

from client_sdk import InvalidPayload, Notification, RateLimited
from client_sdk.report import Reason
from tests.ground.accounts import State, set_state

DAY = timedelta(days=1).total_seconds()
UNLIMITED = {"scale": 1, "registrations": 100, "mails_address": 100}


async def stored(server, user_id=None):
    rows = await server.database.fetch(
        "SELECT user_id, reporter_id, reason, comment, aged FROM report ORDER BY comment"
    )
    return [row[1:] for row in rows if user_id in (None, row[0])]


async def found_by(person):
    return {card.login for card in await person.research.search()}


async def test_a_report_is_stored_once_and_another_comment_is_added(server, alice, bob):
    await alice.report.send(bob.id, Reason.FAKE, "a photo of an actor")
    await alice.report.send(bob.id, Reason.FAKE, "a photo of an actor")
    await alice.report.send(bob.id, Reason.FAKE, "and another one")
    await alice.report.send(bob.id, Reason.OTHER)
    assert await stored(server, bob.id) == [
        (alice.id, 6, None, 0),
        (alice.id, 1, "a photo of an actor", 0),
        (alice.id, 1, "and another one", 0),
    ]


async def test_reports_work_after_a_block_and_a_deletion_and_for_ids_of_nobody(server, alice, bob, carol):
    await bob.relation.block(alice.id)
    await alice.report.send(bob.id, Reason.HARASSMENT)
    await bob.report.send(alice.id, Reason.HARASSMENT)
    await set_state(server, carol, State.DELETED)
    await alice.report.send(carol.id, Reason.SPAM_OR_SCAM)
    assert len(await stored(server)) == 3
    newcomer = await alice.account.register("newcomer", "newcomer@example.org", alice.password, "New", "Comer")
    for user_id in (987_654_321, newcomer):
        await alice.report.send(user_id, Reason.SPAM_OR_SCAM)
        assert await stored(server, user_id) == [], "of nobody, and of whom nobody can have seen, nothing is kept"


async def test_what_is_wrong_is_refused(alice, bob):
    for refused in (
        alice.report.send(alice.id, 1),
        alice.report.send(bob.id, 0),
        alice.report.send(bob.id, 7),
        alice.report.send(bob.id, 1, "x" * 1001),
        alice.report.send(0, 1),
    ):
        with pytest.raises(InvalidPayload):
            await refused
    await alice.report.send(bob.id, 1, "x" * 1000)


@pytest.mark.config(limits=UNLIMITED | {"reports_day": 2})
@pytest.mark.parametrize("whom", ["somebody", "nobody"])
async def test_reports_are_few_a_day_whoever_they_are_about(server, alice, bob, whom):
    """Otherwise the limit would tell which ids are somebody's."""
    user_id = bob.id if whom == "somebody" else 987_654_321
    for reason in (1, 1, 2, 2, 1):
        await alice.report.send(user_id, reason)
    with pytest.raises(RateLimited) as refused:
        await alice.report.send(user_id, 3)
    await alice.report.send(user_id, 2)
    server.clock.advance(refused.value.retry_after)
    await alice.report.send(user_id, 3)


@pytest.fixture
async def crowd(server, people, alice):
    """Five people who could report alice, whose accounts are old, and a sixth who came yesterday."""
    old = [await people(f"old-{number}", gender="male") for number in range(5)]
    server.clock.advance(8 * DAY)
    return [*old, await people("newcomer", gender="male")]


@pytest.fixture
async def viewer(people):
    return await people("viewer", gender="male")


@pytest.mark.config(session={"idle_days": 100, "max_days": 100})
async def test_reports_of_five_old_accounts_hold_a_profile_back(server, alice, crowd, viewer):
    *old, newcomer = crowd
    for _ in range(3):
        await old[0].report.send(alice.id, 1, "once")
    await old[0].report.send(alice.id, 2, "and again")
    await newcomer.report.send(alice.id, 1)
    for person in old[1:4]:
        await person.report.send(alice.id, 1)
    assert alice.login in await found_by(viewer)
    async with alice.expecting(Notification) as told:
        await old[4].report.send(alice.id, 5)
        notice = await told
    assert (notice.kind, notice.user) == ("moderation", None)
    assert alice.login not in await found_by(viewer)
    assert (await viewer.profile.get(alice.id)).login == alice.login, "only search forgets"
    assert [(login, reason) for login, reason in await cases(server)] == [(alice.login, 1)]


async def cases(server):
    return await server.database.fetch(
        "SELECT login, reason FROM moderation_case JOIN account ON account.id = moderation_case.user_id"
    )


@pytest.mark.config(session={"idle_days": 100, "max_days": 100}, moderation={"hold_reports": 5})
async def test_reports_at_the_same_moment_are_all_counted(server, alice, crowd, viewer):
    await asyncio.gather(*(person.report.send(alice.id, 1) for person in crowd))
    assert alice.login not in await found_by(viewer)
    assert len(await cases(server)) == 1


@pytest.mark.config(moderation={"hold_reports": 2, "hold_age_days": 0})
async def test_how_many_and_how_old_are_options(server, alice, bob, carol, viewer):
    await bob.report.send(alice.id, 1)
    assert alice.login in await found_by(viewer)
    await carol.report.send(alice.id, 1)
    assert alice.login not in await found_by(viewer)


# -- the staff ---------------------------------------------------------------------------------------------------------


async def program(server, *command):
    """Run `python -m server …` as a process of its own, on the database of the server under test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *command),
        env=os.environ | {"MATCHA_DATABASE_URL": server.config.database.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.config(moderation={"hold_reports": 2, "hold_age_days": 0})
async def test_the_staff_sees_who_is_held_and_lets_go_and_is_not_asked_twice_by_the_same(
    server, people, alice, bob, carol, viewer
):
    assert await program(server, "held") == (0, "")
    for person in (bob, carol):
        await person.report.send(alice.id, 1)
    status, said = await program(server, "held")
    assert (status, said) == (0, f"alice\treports\t{server.clock.now():%Y-%m-%d %H:%M} UTC\n")
    status, said = await program(server, "release", "Alice")
    assert (status, said) == (0, "Search finds Alice again.\n")
    assert await program(server, "held") == (0, "")
    assert alice.login in await found_by(viewer)
    for person in (bob, carol, viewer):
        await person.report.send(alice.id, 2, "once more")
    assert alice.login in await found_by(viewer), "two of the three were judged before"
    await (await people("dave")).report.send(alice.id, 1)
    assert alice.login not in await found_by(viewer)


@pytest.mark.parametrize("login", ["nobody", "alice", "álice"])
async def test_letting_go_of_whom_nobody_holds_is_told_in_words(server, alice, login):
    status, said = await program(server, "release", login)
    assert status == 1
    assert f"Nothing was waiting for {login!r}" in said
    assert "Traceback" not in said

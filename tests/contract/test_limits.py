"""Limits, at their defaults where those are small, and else at small ones. A server of its own for each test."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.client import Http, Refused, faults, refused
from tests.contract.conftest import Build
from tests.contract.events import PASSWORD
from tests.contract.world import DAY, LYON, PARIS, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOMY = {"registrations": 1000, "mails_address": 1000}  # so that there may be people at all


@pytest_asyncio.fixture(loop_scope="module")
async def strict(build: Build) -> AsyncIterator[World]:
    """A server with the limits as they are by default, but for those on registration."""
    yield await build(limits={"scale": 1.0} | ROOMY)


def slow(answer: dict[str, Any], at_most: float = DAY) -> None:
    """An answer must say that it was too fast, and for how long."""
    error = refused(answer, 429, "rate_limited")
    assert type(error["retry_after"]) in (int, float) and 0 < error["retry_after"] <= at_most, answer


async def test_a_socket_has_a_burst_of_60(strict: World) -> None:
    person = await strict.join(photo=False)
    socket, other = await person.open(), await person.open()
    answers = await asyncio.gather(*[await socket.start("user/sessions") for _ in range(100)])
    fine = [answer for answer in answers if answer["code"] == 200]
    assert 60 <= len(fine) <= 80
    for answer in answers:
        if answer["code"] != 200:
            slow(answer, 60)
    assert (await other.answer("user/sessions"))["code"] == 200
    refused(await socket.answer("nope"), 400, "unknown_event")  # the name comes before the limit


async def test_searches_are_20_a_minute(strict: World) -> None:
    person = await strict.join()
    for _ in range(20):
        await person.http.ok("research")
    slow(await person.http.answer("research"), 60)
    assert (await person.http.answer("user/me"))["code"] == 200


async def test_a_search_costs_3(build: Build) -> None:
    world = await build(limits={"scale": 1.0, "research_minute": 1000} | ROOMY)
    person = await world.join()
    socket = await person.open()
    answers = await asyncio.gather(*[await socket.start("research") for _ in range(60)])
    assert 18 <= [answer["code"] for answer in answers].index(429) <= 27


async def test_ten_messages_may_be_unanswered(strict: World) -> None:
    me, other = await strict.couple()
    for n in range(10):
        await me.http.ok("message/send", **other.target, random_id=n, message=f"{n}")
    slow(await me.http.answer("message/send", **other.target, random_id=10, message="10"))
    assert (await me.http.ok("message/send", **other.target, random_id=3, message="3"))["seq"] == 4  # a repeat is free
    await other.http.ok("message/send", **me.target, random_id=0, message="at last")
    assert (await me.http.ok("message/send", **other.target, random_id=10, message="10"))["seq"] == 12


async def test_messages_have_a_burst_of_60(strict: World) -> None:
    me, other, third = await strict.crowd({}, {}, {})
    for person in (other, third):
        await strict.connect(me, person)
    answers = []
    for n in range(70):
        to = (other, third)[n % 2]
        answers.append(await me.http.answer("message/send", **to.target, random_id=n, message=f"{n}"))
        if n % 14 == 13:
            for person in (other, third):
                await person.http.ok("message/send", **me.target, random_id=n, message="go on")
    fine = [answer["code"] for answer in answers].index(429)
    assert 60 <= fine <= 69
    slow(answers[fine], 10)


async def test_a_like_is_taken_back_and_given_again_3_times_a_day(strict: World) -> None:
    me, other = await strict.pair()
    for _ in range(3):
        assert (await me.http.ok("user/like", **other.target))["liked"]
        assert (await me.http.ok("user/like", **other.target))["liked"]  # again costs nothing
        await me.http.ok("user/unlike", **other.target)
    answer = await me.http.answer("user/like", **other.target)
    if answer["code"] == 200:  # whether the first like begins a cycle, or the first taking back, is not said
        await me.http.ok("user/unlike", **other.target)
        answer = await me.http.answer("user/like", **other.target)
    slow(answer)
    assert await me.http.ok("user/unlike", **other.target) == {}
    strict.clock.advance(DAY)
    assert (await me.http.ok("user/like", **other.target))["liked"]


async def test_nudges_are_1_a_day_and_pair(strict: World) -> None:
    me, other, third = await strict.crowd({}, {}, {})
    for _ in range(3):
        assert await me.http.ok("notifications", user_id=other.id, random_id=1) == {}
    slow(await me.http.answer("notifications", user_id=other.id, random_id=2))
    assert await me.http.ok("notifications", user_id=other.id, random_id=1) == {}
    assert await me.http.ok("notifications", user_id=third.id, random_id=2) == {}
    strict.clock.advance(DAY)
    assert await me.http.ok("notifications", user_id=other.id, random_id=3) == {}


async def test_complaints_are_10_a_day(strict: World) -> None:
    me, *_ = await strict.pair()
    for user_id in range(1, 11):
        assert await me.http.ok("report", target_user_id=user_id, report_id=1) == {}
    slow(await me.http.answer("report", target_user_id=11, report_id=1))
    assert faults(await me.http.answer("report", target_user_id=11, report_id=9)) == {"report_id"}
    strict.clock.advance(DAY)
    assert await me.http.ok("report", target_user_id=11, report_id=1) == {}


async def test_own_moves_are_20_a_day(strict: World) -> None:
    person = await strict.join(photo=False, gps=PARIS)
    for n in range(30):
        answer = await person.http.answer("user/save_profile", gps=LYON if n % 2 else {"lat": n, "lon": n})
        if answer["code"] != 200:
            break
    slow(answer)
    assert 18 <= n <= 20
    await person.http.ok("user/save_profile", first_name="Olga")  # all else is still saved
    strict.clock.advance(DAY)
    await person.http.ok("user/save_profile", gps=PARIS)


async def test_searching_from_a_town_is_an_own_move(build: Build) -> None:
    world = await build(limits={"scale": 1.0, "moves_day": 3} | ROOMY)
    person = await world.join()
    places = (await person.http.ok("places", prefix="par"))["places"]
    answers = [await person.http.answer("research", place_id=place["place_id"]) for place in places[:8]]
    assert [answer["code"] for answer in answers].count(200) in (2, 3)
    slow(answers[-1])
    assert (await person.http.answer("research"))["code"] == 200


@pytest.mark.parametrize(
    ("option", "event", "aim"),
    [
        ("likes_day", "user/like", "target_user_id"),
        ("profiles_day", "profile", "target_user_id"),
        ("nudges_day", "notifications", "user_id"),
    ],
)
async def test_what_is_limited_by_the_day(build: Build, option: str, event: str, aim: str) -> None:
    world = await build(limits={"scale": 1.0, option: 2} | ROOMY)
    me, *others = await world.crowd(*[{}] * 4)
    more = {"random_id": 1} if event == "notifications" else {}
    for person in others[:2]:
        await me.http.ok(event, **{aim: person.id}, **more)
    slow(await me.http.answer(event, **{aim: others[2].id}, **more))
    await me.http.refused(400, "not_found", event, **{aim: 1}, **more)
    if event != "profile":
        await me.http.ok(event, **{aim: others[0].id}, **more)  # a repeat costs nothing
    world.clock.advance(DAY)
    await me.http.ok(event, **{aim: others[2].id}, **more)


async def test_the_scale_multiplies_limits(build: Build) -> None:
    world = await build(limits={"scale": 0.2} | ROOMY)
    me, _ = await world.pair()
    for user_id in (1, 2):
        await me.http.ok("report", target_user_id=user_id, report_id=1)
    slow(await me.http.answer("report", target_user_id=3, report_id=1))


async def test_registrations_are_10_in_half_an_hour_and_address(build: Build) -> None:
    world = await build(limits={"scale": 1.0, "mails_address": 1000})
    for _ in range(10):
        await world.register(world.stranger(), photo=False)
    person = world.stranger()
    form = {"login": person.login, "mail": person.mail, "password": PASSWORD, "first_name": "A", "last_name": "B"}
    slow(await world.http.answer("user/registr", **form), 1800)
    world.clock.advance(1801)
    await world.http.ok("user/registr", **form)


async def test_a_mailbox_gets_5_mails_in_half_an_hour_and_the_answer_stays_the_same(strict: World) -> None:
    person = await strict.join(photo=False)
    for _ in range(8):
        assert await strict.http.ok("user/forgot_pass", mail=person.mail) == {}
    last = await strict.join(photo=False)  # whose mail comes after all of those
    assert last.id
    assert 2 <= len(strict.server.mails.unread(person.mail)) <= 5
    strict.clock.advance(1801)
    await strict.http.ok("user/forgot_pass", mail=person.mail)


@pytest_asyncio.fixture(loop_scope="module")
async def behind_proxy(build: Build) -> AsyncIterator[World]:
    """Addresses are what the proxy says they are."""
    yield await build(limits={"scale": 1.0} | ROOMY, server={"proxies": ["127.0.0.0/8"]})


async def sign_in(world: World, address: str, login: str, password: str) -> dict[str, Any]:
    headers = {"X-Forwarded-For": address}
    fields = {"login": login, "password": password}
    return (await Http(world.url, world.session).reply("user/login", fields, headers=headers)).answer


async def test_an_address_may_fail_10_times_in_5_minutes(behind_proxy: World) -> None:
    world = behind_proxy
    people = await world.crowd(*[{"photo": False}] * 3)
    for n in range(10):
        answer = await sign_in(world, "203.0.113.9", people[n % 3].login, "not the password")
        refused(answer, 400, "invalid_credentials")
    slow(await sign_in(world, "203.0.113.9", people[0].login, PASSWORD), 300)
    slow(await sign_in(world, "203.0.113.9", "nobody-here", "not the password"), 300)
    assert (await sign_in(world, "203.0.113.77", people[0].login, PASSWORD))["code"] == 200
    world.clock.advance(301)
    assert (await sign_in(world, "203.0.113.9", people[1].login, PASSWORD))["code"] == 200


async def test_an_account_may_fail_10_times_an_hour_but_not_for_its_owners_address(behind_proxy: World) -> None:
    world = behind_proxy
    person = await world.join(photo=False)
    assert (await sign_in(world, "198.51.100.1", person.login, PASSWORD))["code"] == 200
    for n in range(10):
        answer = await sign_in(world, f"203.0.113.{n + 1}", person.login, "not the password")
        refused(answer, 400, "invalid_credentials")
    slow(await sign_in(world, "203.0.113.200", person.login, PASSWORD), 3600)
    assert (await sign_in(world, "198.51.100.1", person.login, PASSWORD))["code"] == 200
    world.clock.advance(3601)
    assert (await sign_in(world, "203.0.113.200", person.login, PASSWORD))["code"] == 200


async def test_every_event_with_a_password_counts_its_failures(behind_proxy: World) -> None:
    world = behind_proxy
    person = await world.join(photo=False)
    wrong = {"login": person.login, "password": "not the password"}
    tries: list[tuple[Person | World, str, dict[str, Any]]] = [
        (world, "user/login", wrong),
        (world, "user/logout", wrong),
        (world, "user/save_profile", wrong),
    ]
    codes = []
    for n in range(15):
        _, event, fields = tries[n % 3]
        headers = {"X-Forwarded-For": "203.0.113.50"}
        codes.append((await world.http.reply(event, fields, headers=headers)).answer["code"])
    assert 429 not in codes[:10] and set(codes[10:]) == {429}, codes


async def test_the_oldest_of_11_sockets_gives_way(strict: World) -> None:
    person = await strict.join(photo=False)
    sockets = [await person.open() for _ in range(11)]
    reason = await sockets[0].closed()
    assert reason != "server disconnect"  # the transport is closed, so that a stock client comes back
    assert [goodbye["reason"] for goodbye in sockets[0].seen("goodbye")] == ["too_many_sockets"]
    for socket in sockets[1:]:
        assert (await socket.ok("user/me"))["user_id"] == person.id


async def test_anonymous_sockets_of_an_address_are_limited(build: Build) -> None:
    world = await build(limits={"scale": 1.0, "sockets_anonymous": 3} | ROOMY)
    person = await world.join(photo=False)
    for _ in range(3):
        await world.open()
    with pytest.raises(Refused):
        await world.open()
    signed_in = await person.open()
    assert (await signed_in.ok("user/me"))["user_id"] == person.id

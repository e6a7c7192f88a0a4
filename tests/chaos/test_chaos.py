"""A short run of chaos, and that it would see what it looks for."""

import asyncio

import pytest

from client_sdk.pushes import parse
from server.embedded import PrivateServers
from sql.migration import migrate
from tests.chaos.history import Device, History, Name, judge
from tests.chaos.run import Chaos

ALICE, BOB = 1, 2
ROWS = [(ALICE, BOB, number, ALICE, 10 + number, f"{number}") for number in (1, 2, 3)]


@pytest.fixture
def own_servers(tmp_path):
    """A MariaDB and a Redis that may be killed."""
    servers = PrivateServers()
    urls = servers.start(tmp_path / "databases", database=True, redis=True, durable=True)
    asyncio.run(migrate(urls.migrate_url))
    yield servers, urls
    servers.stop()


def test_nothing_is_lost_doubled_or_out_of_order_whatever_breaks(own_servers, tmp_path):
    chaos = Chaos(tmp_path, *own_servers, seed=4, pause=0.02)
    verdict = asyncio.run(chaos.run(people=4, seconds=6.0))
    assert not any(verdict), verdict
    assert sum(chaos.history.faults.values()) > 3
    assert len(chaos.history.acked) > 20


def told(number):
    message = {"seq": number, "from_user_id": ALICE, "message": f"{number}", "sent_at": "2026-01-01T00:00:00.000Z"}
    return number, parse("message/new", {"seq": number, "user_id": ALICE, "message": message})


def history(*numbers):
    all_acked = {Name(ALICE, BOB, 10 + number): (number, f"{number}") for number in (1, 2, 3)}
    return History(sent=set(all_acked), acked=all_acked, devices=[Device(BOB, [told(number) for number in numbers])])


@pytest.mark.parametrize(
    ("numbers", "rows", "wrong"),
    [
        ((1, 2, 3), ROWS, set()),
        ((1, 2, 3), ROWS[:2], {"lost"}),
        ((1, 2, 3), [*ROWS, (ALICE, BOB, 4, ALICE, 11, "1")], {"lost", "doubled"}),
        ((1, 2, 3), [*ROWS, (ALICE, BOB, 5, ALICE, 14, "hi")], {"invented", "reordered"}),
        ((1, 2, 3), [*ROWS, (ALICE, BOB, 4, BOB, 11, "hi")], {"invented"}),
        ((1, 2), ROWS, {"unheard"}),
        ((1, 2, 2, 3), ROWS, {"doubled", "reordered"}),
        ((1, 3, 2), ROWS, {"reordered"}),
    ],
)
def test_the_verdict_names_what_went_wrong(numbers, rows, wrong):
    verdict = judge(history(*numbers), rows, {BOB: 3})
    assert {name for name, count in verdict._asdict().items() if count} == wrong


def test_a_repeat_that_is_answered_otherwise_is_noted():
    seen = history(1, 2, 3)
    seen.note(Name(ALICE, BOB, 11), 1, "1")
    assert judge(seen, ROWS, {BOB: 3}).other_answers == 0
    seen.note(Name(ALICE, BOB, 11), 2, "1")
    assert judge(seen, ROWS, {BOB: 3}).other_answers == 1

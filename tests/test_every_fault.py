"""Every event that writes, with a fault at each of its statements in turn: done once, or not at all, and never half."""

import pytest

from tests.ground.answers import ok, refused
from tests.ground.faults import CONFLICT, LOST, Breaker
from tests.ground.raw import RawSocket
from tests.ground.waiting import until

NO_TIME = TimeoutError()
LATE = "late"
"""The event's own time is up in the middle of a statement, which is cut off by that."""

EVENTS = {
    "user/like": {},
    "user/connect": {"target_id": "bob"},
    "user/unlike": {},
    "user/pass": {},
    "user/unpass": {},
    "user/block": {},
    "user/unblock": {},
    "user/disconnect": {},
    "message/read": {"seq": 1},
    "message/send": {"random_id": 5, "message": "hello"},
    "profile": {},
    "report": {"report_id": 2, "comment": "x"},
    "user/settings": {"mail_on": False},
    "user/save_profile": {"description": "new", "tags": ["tea"]},
    "notifications": {"random_id": 5},
    "notifications/read": {"seq": 2**40},
}
AIMED_BY = {"user/connect": "", "notifications": "user_id", "user/settings": "", "user/save_profile": ""}
AIMED_BY |= {"notifications/read": ""}
"""By which field, where it is not `target_user_id`, if by any."""


async def logs_are_dense(server):
    rows = await server.database.fetch(
        "SELECT s.user_id, s.last_seq, COUNT(e.seq), COALESCE(MIN(e.seq), 1) FROM user_stream s"
        " LEFT JOIN user_event e ON e.user_id = s.user_id GROUP BY s.user_id, s.last_seq"
    )
    assert all(last == count and first == 1 for _, last, count, first in rows), rows


@pytest.mark.config(delivery={"tail_interval": 600.0}, presence={"flush": 600.0}, notifications={"sweep": 600.0})
@pytest.mark.parametrize("fault", [CONFLICT, LOST, NO_TIME, LATE], ids=["deadlock", "lost", "timeout", "cancelled"])
async def test_a_fault_at_any_statement_of_any_event_leaves_nothing_half(server, talking, breaker: Breaker, fault):
    alice, bob = talking
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as hers:
        for event, fields in EVENTS.items():
            aim = AIMED_BY.get(event, "target_user_id")
            payload = fields | ({aim: bob.id} if aim else {})
            statement = 0
            while statement < 60:
                statement += 1
                await renew(server, alice, bob)
                if "random_id" in payload:
                    payload = payload | {"random_id": statement}
                arm(server, breaker, statement, fault)
                answer = await hers.call(event, payload)
                spared = breaker.is_armed
                breaker.arm(0, None)
                if answer["code"] != 200:
                    refused(answer, "unavailable")
                    ok(await hers.call(event, payload))
                if spared:
                    break
            assert 2 < statement < 60, event
            await logs_are_dense(server)
        sent = await server.database.fetch("SELECT seq, random_id FROM message WHERE sender_id = %s", alice.id)
        assert len({number for _, number in sent}) == len(sent)
        assert await server.database.fetch("SELECT COUNT(*) - MAX(random_id) FROM nudge") == [(0,)]
        numbers = await server.database.fetch("SELECT seq FROM message ORDER BY seq")
        assert [number for (number,) in numbers] == list(range(1, len(numbers) + 1))
    await until(lambda: server.database.in_use == 0)  # her leaving is taken down


def arm(server, breaker, statement, fault):
    async def miss():
        deadlines = server.gateway._dispatch._deadlines
        for deadline in list(deadlines._due):
            deadlines.remove(deadline)
            deadline.miss()

    if fault is LATE:
        breaker.arm_before(statement, miss)
    else:
        breaker.arm(statement, fault)


async def renew(server, alice, bob):
    """Bring two people back to where all of these events have something to do."""
    low, high = sorted((alice.id, bob.id))
    await server.database.fetch(
        "UPDATE pair SET connected = 1, low_liked_at = connected_at, high_liked_at = connected_at,"
        " low_blocked_at = NULL, high_blocked_at = NULL, low_passed_at = NULL, high_passed_at = NULL,"
        " low_read_seq = 0, high_read_seq = 0, low_unanswered = 0, high_unanswered = 0"
        " WHERE low_id = %s AND high_id = %s",
        low,
        high,
    )
    await server.database.fetch("DELETE FROM block")
    await server.database.fetch("DELETE FROM report")
    await server.database.fetch("DELETE FROM visit")
    await server.database.fetch("UPDATE notification SET is_read = 0")

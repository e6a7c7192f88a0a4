"""Whoever has missed something knows, once told of it by the log, what somebody knows who reads everything anew."""

import random

import pytest

from tests.ground.answers import ok
from tests.ground.raw import RawSocket
from tests.ground.replica import Replica

STEPS = 80


def acts(chance, me, other):
    """Return what one may do, most of it towards another: each kind of push comes of one of these."""
    to = {"target_user_id": other}
    return [
        ("message/send", to | {"random_id": chance.randrange(2**31), "message": f"{chance.random()}"}),
        ("message/send", to | {"random_id": chance.randrange(2**31), "message": f"{chance.random()}"}),
        ("message/read", to | {"seq": chance.randrange(1, 5)}),
        ("message/read", to | {"seq": 99}),
        ("user/like", to),
        ("user/like", to),
        ("user/unlike", to),
        ("user/pass", to),
        ("user/unpass", to),
        ("profile", to),
        ("user/save_profile", {"description": f"{chance.random()}", "tags": chance.sample(["a1", "b2", "c3"], 2)}),
        ("user/settings", {"show_distance": chance.random() < 0.5, "mail_on": chance.random() < 0.5}),
        ("notifications/read", {"seq": chance.randrange(1, 60)}),
        ("user/block", to) if chance.random() < 0.1 else ("user/unblock", to),
    ]


async def missed(socket, cursor):
    """Return what came after a place in the log, page by page."""
    while True:
        page = ok(await socket.call("sync", {"cursor": cursor}))
        for told in page["events"]:
            yield told["event"], told["data"]
        cursor = page["cursor"]
        if not page["more"]:
            return


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_missed_and_the_log_are_what_there_is(server, start_server, alice, bob, carol, seed):
    chance = random.Random(seed)
    people = [alice, bob, carol]
    elsewhere = await start_server()
    urls = [server.url, elsewhere.url]
    sockets = {one.id: [await RawSocket.open(url, auth={"token": one.token}) for url in urls] for one in people}
    others = {one.id: [other.id for other in people if other is not one] for one in people}
    stale = {one.id: await Replica.fresh(sockets[one.id][0], one.id, others[one.id]) for one in people}
    told, were_hidden = set(), {one.id: set() for one in people}
    for _ in range(4):
        for _ in range(STEPS):
            me, other = chance.sample(people, 2)
            event, fields = chance.choice(acts(chance, me.id, other.id))
            await chance.choice(sockets[me.id]).call(event, fields)
            if event == "user/block":
                were_hidden[me.id].add(other.id)
                were_hidden[other.id].add(me.id)
        fresh = {one.id: await Replica.fresh(sockets[one.id][0], one.id, others[one.id]) for one in people}
        for one in people:
            async for name, data in missed(sockets[one.id][1], stale[one.id].cursor):
                stale[one.id].apply(name, data)
                told.add(name)
            hidden = {row for id in others[one.id] for row in await blocked_between(server, one.id, id)}
            views = [replica[one.id].shown(hidden, were_hidden[one.id]) for replica in (stale, fresh)]
            assert views[0] == views[1], one.login
    assert {"message/new", "message/read", "connection", "profile/changed", "settings/changed"} <= told
    assert {"relation/changed", "notification", "notifications/read"} <= told
    for both in sockets.values():
        for socket in both:
            await socket.close()


async def blocked_between(server, me, other):
    """Return the other if a block stands between the two: nothing about them is shown any more, pushed or read."""
    low, high = sorted((me, other))
    rows = await server.database.fetch(
        "SELECT COUNT(*) FROM pair WHERE low_id = %s AND high_id = %s"
        " AND (low_blocked_at IS NOT NULL OR high_blocked_at IS NOT NULL)",
        low,
        high,
    )
    return {other} if rows[0][0] else set()

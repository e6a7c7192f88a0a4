"""What every event has in common: who may call, which fields there are, and how a wrong one is told."""

from typing import Any

import pytest

from tests.contract.client import NOTHING, faults, refused
from tests.contract.events import AIMED, EVENTS, FORGIVING, PRIVATE, SOMEBODY, aimed_at
from tests.contract.world import Person, World
from tests.ground.accounts import State, set_state

pytestmark = pytest.mark.asyncio(loop_scope="module")
WRONG: dict[type, list[Any]] = {
    str: [7, True, ["x"], {"x": "x"}],
    int: [True, "7", 1.5, [7], {}, 2**53, -(2**53)],
    bool: [0, 1, "true", []],
    list: ["x", 7, {"0": "x"}, [None], [[]], [True]],
    dict: ["x", 7, [], True, {"nope": 1}],
    type(None): [7.5, True, [], {}],
}
OUT_OF_RANGE: dict[str, list[Any]] = {
    "limit": [0, -1, 101],
    "age": [17, 121],
    "age_min": [17, 121],
    "age_max": [17, 121],
    "fame_min": [-1, 101],
    "fame_max": [-1, 101],
    "sort_by": [-1, 5],
    "order": ["up", "DESC", ""],
    "gender": ["man", "Male", ""],
    "sex": [["man"], ["Male"]],
    "tags": [["two words"], ["#x"], ["x" * 33], [""], [f"t{n}" for n in range(21)]],
    "language": ["de", "EN"],
    "random_id": [2**31, -(2**31) - 1],
    "report_id": [0, 7],
    "message": ["", "x" * 4001],
    "comment": ["x" * 1001],
    "first_name": ["x" * 65, ""],
    "last_name": ["x" * 65, ""],
    "description": ["x" * 4001],
    "cursor": ["not-a-cursor"],
    "target_user_id": [0, -1],
    "user_ids": [list(range(1, 102)), [0], ["x"]],
    "seq": [-1],
    "distance_max": [0, -1],
    "common_tags_min": [-1],
}
NESTED = [
    ("user/save_profile", {"gps": {"lat": 91, "lon": 0}}, "gps.lat"),
    ("user/save_profile", {"gps": {"lat": 0, "lon": 181}}, "gps.lon"),
    ("user/save_profile", {"gps": {"lat": "0", "lon": 0}}, "gps.lat"),
    ("user/save_profile", {"gps": {"lat": 0}}, "gps.lon"),
    ("user/save_profile", {"gps": {"lat": 0, "lon": 0, "alt": 0}}, "gps.alt"),
    ("user/save_profile", {"wish": {"age_min": 17}}, "wish.age_min"),
    ("user/save_profile", {"wish": {"distance_max": "far"}}, "wish.distance_max"),
    ("user/save_profile", {"tags": ["fine", 7]}, "tags.1"),
    ("user/save_profile", {"sex": ["male", "cat"]}, "sex.1"),
    ("user/save_profile", {"image": [7]}, "image.0"),
    ("presence/watch", {"user_ids": [SOMEBODY, "x"]}, "user_ids.1"),
]


def complete(event: str, **fields: Any) -> dict[str, Any]:
    return EVENTS[event].required | fields


@pytest.mark.parametrize("event", PRIVATE)
async def test_nobody_may_not_send_it_and_hears_nothing_of_its_fields(world: World, event: str) -> None:
    socket = await world.open()
    for payload in (complete(event), complete(event, no_such_field=1), {}):
        refused(await socket.answer(event, **payload), 401, "unauthorized")
        if event != "notifications":
            refused(await world.http.answer(event, **payload), 401, "unauthorized")
    for answer in (
        await socket.answer(event, **complete(event, token="no token")),
        await world.http.answer(event, **complete(event, token="no token")),
    ):
        refused(answer, 401, "unauthorized")


@pytest.mark.parametrize("event", EVENTS)
async def test_an_unknown_field_is_named(world: World, somebody: Person, event: str, way: str) -> None:
    caller = await somebody.over(way)
    assert await caller.faults(event, **complete(event, no_such_field=1)) == {"no_such_field"}


@pytest.mark.parametrize("event", [name for name, row in EVENTS.items() if row.required and name != "notifications"])
async def test_missing_fields_are_named_together(world: World, somebody: Person, event: str, way: str) -> None:
    caller = await somebody.over(way)
    missing = await caller.faults(event, **({"limit": 5} if "limit" in EVENTS[event].optional else {}))
    assert missing == set(EVENTS[event].required)


@pytest.mark.parametrize("event", EVENTS)
async def test_a_field_of_a_wrong_type_or_out_of_range_is_named(world: World, somebody: Person, event: str) -> None:
    caller = await somebody.over("socket")
    row = EVENTS[event]
    unnamed = []
    for name, sample in (row.required | row.optional).items():
        values = WRONG[type(sample)] + OUT_OF_RANGE.get(name, []) + ([] if name in row.nullable else [None])
        if event == "sync" and name == "cursor":
            values = ["7", True, 1.5, [], -1]
        for value in values:
            answer = await caller.answer(event, **complete(event, **{name: value}))
            told = {path.split(".")[0] for path in answer.get("error", {}).get("fields", {})}
            if answer["code"] != 400 or told != {name}:
                unnamed.append((name, str(value)[:60], answer))
    assert not unnamed, unnamed


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_number_of_json_is_wrong(world: World, somebody: Person, number: float) -> None:
    for event, fields in (
        ("user/save_profile", {"gps": {"lat": number, "lon": 0}}),
        ("user/save_profile", {"age": number}),
        ("research", {"limit": number}),
    ):
        assert await somebody.faults(event, **fields)


@pytest.mark.parametrize("event", [name for name, event in EVENTS.items() if "cursor" in event.optional])
async def test_a_page_has_1_to_50(world: World, somebody: Person, event: str, way: str) -> None:
    caller = await somebody.over(way)
    for limit in (1, 50):
        assert (await caller.ok(event, **complete(event, limit=limit)))["cursor"] is None or event == "research"
    for limit in (0, 51):
        assert await caller.faults(event, **complete(event, limit=limit)) == {"limit"}
    assert await caller.faults(event, cursor="abc.def") == {"cursor"}


@pytest.mark.parametrize(("event", "fields", "path"), NESTED)
async def test_a_fault_inside_a_field_has_its_path(
    world: World, somebody: Person, event: str, fields: dict[str, Any], path: str
) -> None:
    assert await somebody.faults(event, **fields) == {path}
    if event == "user/save_profile":
        assert await somebody.http.faults(event, **fields) == {path}


async def test_a_limit_of_a_field_is_told_in_numbers(world: World, somebody: Person, way: str) -> None:
    error = await (await somebody.over(way)).refused(400, "invalid_payload", "user/save_profile", age=12)
    assert error["fields"]["age"]["code"] == "min"
    assert error["fields"]["age"]["params"] == {"min": 18}


async def test_several_faults_are_told_at_once(world: World, somebody: Person, way: str) -> None:
    fields = {"age": 12, "gender": "cat", "gps": {"lat": 100, "lon": 0}, "nope": 1}
    told = await (await somebody.over(way)).faults("user/save_profile", **fields)
    assert told == {"age", "gender", "gps.lat", "nope"}


@pytest.mark.parametrize("payload", ["text", 7, True, [], [{}], ({}, {}), float("nan")])
async def test_a_payload_is_one_object_or_nothing(world: World, somebody: Person, payload: Any) -> None:
    socket = await somebody.open()
    faults(await socket.send("user/me", payload))
    assert (await socket.send("user/me", NOTHING))["code"] == 200
    assert (await socket.send("user/me", {}))["code"] == 200


@pytest.mark.parametrize("event", [*AIMED, *FORGIVING, "report"])
async def test_to_aim_at_oneself_is_wrong(world: World, somebody: Person, event: str, way: str) -> None:
    fields = aimed_at(event, user_id=somebody.id, login=somebody.login)
    [name] = {"target_user_id", "target_id", "user_id"} & set(fields)
    assert await (await somebody.over(way)).faults(event, **fields) == {name}


@pytest.mark.parametrize("event", FORGIVING)
async def test_to_take_back_is_right_for_any_id(world: World, somebody: Person, event: str, way: str) -> None:
    caller = await somebody.over(way)
    for user_id in (1, SOMEBODY, 2**53 - 1):
        assert await caller.ok(event, target_user_id=user_id) == {}
    assert await caller.faults(event, target_user_id=2**53) == {"target_user_id"}


@pytest.mark.parametrize("event", ["", "nope", "user", "user/", "user/me/x", "connect_error", "admin/nope", "x" * 500])
async def test_an_unknown_event_is_unknown_to_everybody(world: World, somebody: Person, event: str) -> None:
    anonymous = await world.open()
    for caller in (anonymous, await somebody.over("socket")):
        refused(await caller.send(event, {"whatever": 1}), 400, "unknown_event")
        refused(await caller.send(event, "no object"), 400, "unknown_event")


async def test_whoever_may_not_be_seen_is_not_found_all_alike(world: World, other: Person, way: str) -> None:
    """Nobody by that id, never verified, banned, erased, and who blocked me: not a byte of difference."""
    me, blocker, banned, erased = await world.crowd({}, {}, {}, {})
    unverified = await world.register(world.stranger())
    await blocker.http.ok("user/block", **me.target)
    await set_state(world.server, banned, State.BANNED)
    await set_state(world.server, erased, State.DELETED)
    caller = await me.over(way)
    for event in AIMED:
        unknown = await caller.answer(event, **aimed_at(event, user_id=SOMEBODY))
        refused(unknown, 400, "not_found")
        for person in (blocker, banned, erased, unverified):
            fields = aimed_at(event, user_id=person.id, login=person.login)
            assert await caller.answer(event, **fields) == unknown, (event, person.login)
    for event in FORGIVING:
        assert await caller.ok(event, **blocker.target) == {}


async def test_a_wrong_payload_is_told_before_any_right_is_looked_at(world: World) -> None:
    me, them = await world.pair()
    await me.ok("user/block", **them.target)
    assert await me.faults("message/send", **them.target, random_id=1, message="") == {"message"}
    await me.refused(900, "blacklisted", "message/send", **them.target, random_id=1, message="x")

"""Bad input: whatever stands in a payload, there is one error for it and nobody else notices."""

from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.wire.events import registry
from tests.ground import strategies
from tests.ground.answers import check, refused
from tests.ground.healthy import HealthyPair
from tests.ground.raw import RawSocket
from tests.ground.strategies import SAMPLES

_WINDOW = 8  # calls in flight at once, well below what one socket may have
_FUZZ = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _required(event: str, other: Any) -> dict[str, Any]:
    return strategies.aim(SAMPLES[event].required, target_id=other.id, target_login=other.login)


async def test_every_event_has_a_sample() -> None:
    """A new event must be attacked too: give it a row in the samples."""
    assert set(registry) == set(SAMPLES)
    for name, spec in registry.items():
        unknown = set(spec.model.model_fields) ^ (set(SAMPLES[name].required) | set(SAMPLES[name].optional))
        needed = {field for field, info in spec.model.model_fields.items() if info.is_required()}
        assert needed <= set(SAMPLES[name].required), f"{name}: other fields are required"
        assert not {field for field in unknown if field in spec.model.model_fields}, f"{name}: fields without sample"


async def test_samples_are_valid_payloads(dial: Any, people: Any) -> None:
    """What the attacks start from is right: else they would prove nothing."""
    anna, other = await people("anna"), await people("other")
    for event in sorted(set(SAMPLES) - {"user/logout"}):
        socket = await dial(anna)
        answer = await socket.call(event, _required(event, other))
        check(answer)
        assert answer["code"] in (200, 400) and answer.get("error", {}).get("name") != "invalid_payload", (
            event,
            answer,
        )
        for field, example in SAMPLES[event].optional.items():
            if field in registry[event].model.model_fields:
                fields = (await socket.call(event, _required(event, other) | {field: example})).get("error", {})
                assert field not in fields.get("fields", {}) or field == "cursor", (event, field, fields)


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
async def test_every_wrong_payload_is_refused_with_one_answer(
    dial: Any, healthy: HealthyPair, mallory: Any, bob: Any, public: bool
) -> None:
    """R05, R07, R32, R53, R56: every event × missing, unknown, wrong type, too long, NaN, nested 20,000 deep."""
    socket = await dial(None if public else mallory)
    wrong = []
    for event in sorted(SAMPLES):
        if registry[event].public is not public:
            continue
        bad = [*strategies.bad_payloads(_aimed(event, bob))]
        for at in range(0, len(bad), _WINDOW):
            wrong += await _misjudged(socket, event, bad[at : at + _WINDOW])
    assert not wrong, f"{len(wrong)} payloads:\n" + "\n".join(wrong[:40])
    assert not socket.answered_twice
    assert socket.is_open


def _aimed(event: str, person: Any) -> strategies.Sample:
    sample = SAMPLES[event]
    return strategies.Sample(_required(event, person), sample.optional, sample.wrong)


async def _misjudged(socket: RawSocket, event: str, bad: list[strategies.Bad]) -> list[str]:
    acks = [socket.next_id() for _ in bad]
    for ack, (_, text) in zip(acks, bad, strict=True):
        await socket.send(f'42{ack}["{event}",{text}]')
    wrong = []
    for ack, (why, _) in zip(acks, bad, strict=True):
        answer = await socket.answer(ack)
        check(answer)
        if answer["code"] != 400 or answer["error"]["name"] != "invalid_payload":
            wrong.append(f"{event}: {why}: {str(answer)[:150]}")
    return wrong


@_FUZZ
@given(data=st.data())
async def test_nothing_breaks_the_server(server: Any, mallory: Any, bob: Any, data: st.DataObject) -> None:
    """R05: any JSON in any field of any event gets one answer in the shape of the contract, never `internal`."""
    event = data.draw(st.sampled_from(sorted(set(SAMPLES) - {"user/logout"})))
    payload = data.draw(strategies.mutated(_aimed(event, bob)))
    async with await RawSocket.open(server.url, auth={"token": mallory.token}) as socket:
        answer = await socket.call_raw(f'["{event}",{payload}]')
        check(answer)
        assert answer["code"] in (200, 400, 401), answer
        assert (await socket.call("user/me"))["code"] == 200
        assert not socket.answered_twice


@_FUZZ
@given(
    event=st.one_of(st.sampled_from(sorted(set(SAMPLES) - {"user/logout"})), strategies.arbitrary_json()),
    arguments=st.lists(strategies.arbitrary_json(), max_size=5),
)
async def test_any_packet_gets_one_answer(server: Any, mallory: Any, event: Any, arguments: list[Any]) -> None:
    """R05: any event name, be it text or not, with nought to five arguments of any JSON."""
    async with await RawSocket.open(server.url, auth={"token": mallory.token}) as socket:
        answer = await socket.call_raw(strategies.text([event, *arguments]))
        check(answer)
        assert answer["code"] in (200, 400, 401), answer
        assert (await socket.call("user/me"))["code"] == 200
        assert not socket.answered_twice


async def test_events_take_one_object_and_no_more(dial: Any, healthy: HealthyPair, mallory: Any, bob: Any) -> None:
    """R05: more than one argument is refused, however right the first one is."""
    socket = await dial(mallory)
    for event in SAMPLES:
        sample = _required(event, bob)
        for more in ([{}], [sample], [None], [1, 2, 3, 4]):
            refused(await socket.call_raw(strategies.text([event, sample, *more])), "invalid_payload")
        if sample:
            refused(await socket.call(event), "invalid_payload")
    assert not socket.answered_twice


async def test_extremes_that_are_valid_are_no_fault_of_ours(dial: Any, connected: Any) -> None:
    """R56: the largest and smallest of what the contract allows never overflow a column."""
    alice, bob = connected
    socket, target = await dial(alice), {"target_user_id": bob.id}
    largest = 2**53 - 1
    for event, payload in [
        ("profile", {"target_user_id": largest}),
        ("user/like", {"target_user_id": largest}),
        ("user/unlike", {"target_user_id": largest}),
        ("user/disconnect", {"target_user_id": largest}),
        ("user/block", {"target_user_id": largest}),
        ("user/unblock", {"target_user_id": largest}),
        ("message/send", {"target_user_id": largest, "random_id": 2**31 - 1, "message": "x"}),
        ("message/send", target | {"random_id": -(2**31), "message": "\N{GRINNING FACE}" * 4000}),
        ("message/read", target | {"seq": largest}),
        ("message/history", target | {"before": largest}),
        ("message/history", target | {"after": largest}),
        ("sync", {"cursor": largest}),
        ("user/save_profile", {"description": "\N{GRINNING FACE}" * 4000, "gps": {"lat": -90, "lon": 180}}),
        ("user/save_profile", {"gps": {"lat": 90, "lon": -180}, "first_name": "ё" * 64}),
        ("user/save_profile", {"gps": {"lat": -0.0, "lon": 0}, "tags": ["ж" * 32] + [f"t{n}" for n in range(19)]}),
        ("user/connect", {"target_id": "x" * 32}),
        ("research", {"sort_by": 1, "limit": 50}),
        ("profile", {"target_user_id": 1}),
    ]:
        answer = await socket.call(event, payload)
        check(answer)
        assert answer["code"] in (200, 400), (event, answer)
        assert answer.get("error", {}).get("name") in (None, "not_found"), (event, answer)


BAD_BODIES = [
    "x",
    "[]",
    "1",
    "null",
    '"x"',
    "[" * 20_000 + "]" * 20_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    "{",
    "NaN",
]
BAD_BODIES += [
    '{"a":NaN}',
    '{"a":1e999}',
    r'{"a":"\ud800"}',
    r'{"\ud800":1}',
    '{"a":1,"a":2}',
    "\0",
    "\ufeff{}",
    "{}" * 9,
]
BAD_QUERIES = [
    "nope=1",
    "limit=",
    "limit=x",
    "limit=1e1",
    "limit=%00",
    "limit=%FF",
    "limit=1&limit=2",
    "limit=NaN",
    "=1",
]
BAD_QUERIES += [
    "%FF=1",
    "target_user_id=1.0",
    "target_user_id=-1",
    "target_user_id=%D9%A3x",
    "sort_by=x",
    "online=maybe",
]


async def test_every_bad_request_gets_the_answer_of_the_contract(
    server: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R05, R32: over HTTP too: no JSON, odd JSON, other content types, odd queries; the status is the code."""
    wrong = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {mallory.token}"}) as http:
        for event, method in [(event, method) for event, spec in registry.items() for method in spec.methods]:
            for request in _bad_requests(method, too_large=7_000_000 if registry[event].takes_images else 70_000):
                async with http.request(method, f"{server.url}/api/{event}", **request) as reply:
                    answer = await reply.json()
                check(answer)
                if (reply.status, answer["code"]) != (400, 400) or answer["error"]["name"] != "invalid_payload":
                    wrong.append(f"{method} {event} {str(request)[:100]}: {reply.status} {str(answer)[:150]}")
        async with http.get(server.url + "/api/research") as reply:
            assert reply.status == 200
    assert not wrong, f"{len(wrong)} requests:\n" + "\n".join(wrong[:40])


def _bad_requests(method: str, *, too_large: int) -> list[dict[str, Any]]:
    if method == "GET":
        return [{"params": query} for query in BAD_QUERIES]
    json = {"Content-Type": "application/json"}
    bodies = [{"data": body.encode(), "headers": json} for body in BAD_BODIES]
    bodies += [{"data": b"\xff\xfe{}", "headers": json}, {"data": b"{" + b" " * too_large + b"}", "headers": json}]
    types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png", "x"]
    return bodies + [{"data": b"{}", "headers": {"Content-Type": kind}} for kind in types]

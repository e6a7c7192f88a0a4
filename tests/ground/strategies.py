"""Payloads: a valid one for every event, and all the ways to make one wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st


class Raw(str):
    """Text that stands in JSON as it is, to say what json.dumps cannot."""


@dataclass(frozen=True)
class Sample:
    """A valid payload of one event: what it needs, what it may have besides, and what only this event refuses."""

    required: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, list[Any]] = field(default_factory=dict)


class Bad(NamedTuple):
    """A payload that must be refused, as JSON text, and what is wrong with it."""

    why: str
    text: str


TARGET_ID, TARGET_LOGIN = 424_242, "somebody"  # stand for a person in the samples; see `aim`
_TARGET = {"target_user_id": TARGET_ID}
_PAGE = {"limit": 20, "cursor": None}
_PROFILE = {
    "gender": "female",
    "age": 30,
    "birth_date": "1990-05-17",
    "image": [],
    "description": "I like trains",
    "sex": ["male"],
    "tags": ["trains"],
    "gps": {"lat": 55.75, "lon": 37.62},
    "wish": {"age_min": 20, "age_max": 40, "distance_max": 100},
}
_RENAMING = {"new_login": "newcomer", "new_mail": "newcomer@example.org", "old_pass": "correct horse battery"}
_NAMES = {"first_name": "Anna", "last_name": "Orlova"}
_SEARCH = {
    "sort_by": 0,
    "order": "desc",
    "age_min": 20,
    "age_max": 40,
    "distance_max": 100,
    "fame_min": 0,
    "fame_max": 100,
    "tags": ["trains"],
    "common_tags_min": 1,
    "online": True,
    "place_id": 2_988_507,  # Paris
}

SAMPLES: dict[str, Sample] = {
    "user/login": Sample({"login": "nobody-here", "password": "correct horse battery"}),
    "user/logout": Sample({}, {"login": "nobody-here", "password": "correct horse battery"}),
    "user/registr": Sample(
        {"login": "newcomer", "mail": "newcomer@example.org", "password": "correct horse battery"} | _NAMES,
        _PROFILE | {"language": "en"},
        {
            "password": ["short", "x" * 257, "password1234", "newcomer42"],
            "login": ["ab", "admin", "ádmin", "new comer"],
        },
    ),
    "user/verification": Sample({"ver_id": "no-such-link", "login": "nobody-here"}),
    "user/resend_verification": Sample({"mail": "newcomer@example.org"}),
    "user/forgot_pass": Sample({"mail": "newcomer@example.org"}),
    "user/reset_pass": Sample(
        {"new_pass": "correct horse staple", "reset_id": "no-such-link"},
        {"old_pass": "correct horse battery"},
        {"new_pass": ["short", "x" * 257]},
    ),
    "user/sessions": Sample(),
    "user/end_session": Sample({"session_id": "no-such-session"}),
    "user/settings": Sample(
        {},
        {"show_online": True, "show_distance": True, "read_receipts": True, "mail_on": True, "language": "en"},
    ),
    "user/me": Sample(),
    "user/save_profile": Sample(
        {},
        _NAMES | _PROFILE | {"login": "nobody-here", "password": "correct horse battery"} | _RENAMING,
        {
            "new_login": ["ab", "admin", "ádmin", "new comer", "a@b"],
            "new_mail": ["no", "a@b@c.org", "a@c.org, b@c.org"],
        },
    ),
    "research": Sample({}, _SEARCH | _PAGE, {"place_id": [0, -1, 1, 2**32]}),
    "tags": Sample({"prefix": "tr"}, {}, {"prefix": ["", " ", "x" * 65]}),
    "places": Sample({"prefix": "par"}, {}, {"prefix": ["", " ", "x" * 65]}),
    "profile": Sample(_TARGET),
    "user/like": Sample(_TARGET),
    "user/unlike": Sample(_TARGET),
    "user/connect": Sample({"target_id": TARGET_LOGIN}),
    "user/disconnect": Sample(_TARGET),
    "user/block": Sample(_TARGET),
    "user/unblock": Sample(_TARGET),
    "user/connections": Sample({}, _PAGE),
    "user/pass": Sample(_TARGET),
    "user/unpass": Sample(_TARGET),
    "user/likes": Sample({}, _PAGE),
    "user/blocks": Sample({}, _PAGE),
    "user/history": Sample({}, _PAGE),
    "report": Sample(_TARGET | {"report_id": 1}, {"comment": "sells watches"}, {"report_id": [0, 7, -1]}),
    "message/send": Sample(_TARGET | {"random_id": 7, "message": "hello"}),
    "message/history": Sample(_TARGET, {"before": 10, "after": 0, "limit": 20}),
    "message/read": Sample(_TARGET | {"seq": 1}),
    "message/typing": Sample(_TARGET),
    "user/set_online": Sample(),
    "user/set_offline": Sample(),
    "presence/watch": Sample({"user_ids": [TARGET_ID]}, {}, {"user_ids": [[0], [2**53], ["1"], [True], [1] * 101]}),
    "notifications": Sample({"user_id": TARGET_ID, "random_id": 7}),
    "notifications/list": Sample({}, _PAGE),
    "notifications/read": Sample({"seq": 1}),
    "sync": Sample({"cursor": 0}),
}

_NULLABLE = {"description", "image", "gender", "age", "birth_date", "sex", "tags", "gps", "wish", "cursor"}
_ANY_TEXT = {"password", "old_pass", "new_pass"}  # characters of any kind are welcome there
_NOT_NUMBERS = [Raw(text) for text in ("NaN", "Infinity", "-Infinity", "1e999")]
_TOO_BIG = [2**53, 2**63, -(2**63) - 1, 10**100, Raw("9" * 4301)]
_DEEP = Raw("[" * 20_000 + "]" * 20_000)
_DEEP_OBJECTS = Raw('{"a":' * 5_000 + "1" + "}" * 5_000)
_LONE_SURROGATE = Raw(r'"\ud800"')
_OUT_OF_RANGE: dict[str, list[Any]] = {
    "target_user_id": [0, -1],
    "user_id": [0, -1],
    "random_id": [2**31, -(2**31) - 1],
    "seq": [-1],
    "limit": [0, -1, 101],
    "cursor": ["0", "1 UNION SELECT 1", "e30.e30"],
    "message": [""],
    "age": [17, 121, -1],
    "age_min": [17, 121],
    "birth_date": ["1990-02-30", "2020-01-01", "1800-01-01", "17.05.1990", "1990-05-17T00:00:00Z", "1990-W20-4"],
    "gender": ["x", "Male", ""],
    "sex": [["x"], ["Male"], [None]],
    "tags": [["a b"], ["#x"], ["x" * 33], [""], [f"t{n}" for n in range(21)], [["x"]]],
    "language": ["de", "en_US"],
    "sort_by": [-1, 5],
    "order": ["ASC, 1", "up", "DESC"],
    "fame_min": [-1, 101],
    "distance_max": [0, -1],
    "common_tags_min": [-1],
    "mail": ["no", "a@b@c.org", "a@c.org, b@c.org", "a@c.org\r\nBcc: b@c.org", "a@c.org\nx", "x" * 320 + "@c.org"],
}
_WRONG: dict[type, list[Any]] = {
    str: [0, 1, True, False, 1.0, [], ["x"], {}, {"login": "x"}, {"_placeholder": True, "num": 0}, _LONE_SURROGATE],
    int: [True, "1", "1 UNION SELECT 1", Raw("1.0"), Raw("1e3"), 1.5, [], [1], {}, *_NOT_NUMBERS, *_TOO_BIG],
    bool: [0, 1, "true", 1.0, [], {}],
    list: ["x", 1, True, {}, {"0": "x"}, [None], [1], [[]], [{}], ["\0"], [_LONE_SURROGATE], ["x y"] * 10_000],
    dict: [[], "x", 1, True, {"nope": 1}, [{}], {"lat": 1}, {"lat": "1", "lon": "1"}, {"lat": True, "lon": True}]
    + [{"lat": number, "lon": 0} for number in (90.0001, *_NOT_NUMBERS)]
    + [{"age_min": 40, "age_max": 20}, {"age_min": "20"}, {"age_min": 17}, {"distance_max": -1}],
    type(None): [[], {}, True, 1],
}
_UNKNOWN = [
    "nope",
    "",
    "__proto__",
    "constructor",
    "__class__",
    "self",
    "ctx",
    "room",
    "LOGIN",
    "a" * 500,
    "a\nb",
    "%s",
]


def aim(value: Any, *, target_id: int, target_login: str) -> Any:
    """Return a sample aimed at a certain person."""
    if isinstance(value, dict):
        return {name: aim(part, target_id=target_id, target_login=target_login) for name, part in value.items()}
    if value == TARGET_ID:
        return target_id
    return target_login if value == TARGET_LOGIN else value


def text(value: Any) -> str:
    """Return JSON text, with what is Raw put in as it is."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value)


def wrong_values(name: str, example: Any) -> Iterator[Any]:
    """All values of the wrong type, out of range or too long for a field, by an example of a right one."""
    takes_numbers = isinstance(example, list) and any(isinstance(one, int) for one in example)
    yield from (value for value in _WRONG[type(example)] if not (takes_numbers and value == [1]))
    yield from (_DEEP, _DEEP_OBJECTS)
    if name not in _NULLABLE:
        yield None
    if isinstance(example, str):
        yield "x" * 5_000
        if name not in _ANY_TEXT:
            yield "a\0b\x1a"


def bad_payloads(sample: Sample) -> Iterator[Bad]:
    """Every way, one at a time, in which a payload must be refused."""
    for name in sample.required:
        rest = {other: value for other, value in sample.required.items() if other != name}
        yield Bad(f"{name} missing", text(rest))
    for name in _UNKNOWN:
        yield Bad(f"{name[:20]!r} unknown", text(sample.required | {name: 1}))
    for name, example in (sample.required | sample.optional).items():
        for value in wrong_values(name, example):
            yield Bad(f"{name} = {text(value)[:40]}", text(sample.required | {name: value}))
        for value in _OUT_OF_RANGE.get(name, []) + sample.wrong.get(name, []):
            yield Bad(f"{name} = {text(value)[:40]}", text(sample.required | {name: value}))
    for value in ("x", 1, True, [], [{}], _DEEP, _DEEP_OBJECTS, *_NOT_NUMBERS):
        yield Bad(f"not an object but {text(value)[:20]}", text(value))


def arbitrary_json() -> st.SearchStrategy[Any]:
    """Any JSON and some more: NaN, lone surrogates, placeholders of attachments, nasty keys."""
    keys = st.one_of(st.text(max_size=8), st.sampled_from(_UNKNOWN), st.sampled_from(["login", "token", "user_id"]))
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=20),
        st.sampled_from([*_NOT_NUMBERS, *_TOO_BIG, _LONE_SURROGATE, Raw('{"_placeholder":true,"num":3}')]),
    )
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


@st.composite
def mutated(draw: st.DrawFn, sample: Sample) -> str:
    """A payload of the event with one to three fields replaced by anything, as JSON text."""
    payload = dict(sample.required)
    names = [*sample.required, *sample.optional, "token", "user_id", "nope"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)):
        payload[name] = draw(arbitrary_json())
    return text(payload)

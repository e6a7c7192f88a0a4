"""Examples: Alice, who calls, and Bob, whom it is about; every value fits its schema."""

from typing import Any

from server.reference.description import Event, Reference, Shape
from server.reference.schema import Schema, name_of, without_null

ALICE, BOB = 2711943052886401, 6034107851203419
_TIME = "2026-05-17T19:04:11.250Z"

_SENT: dict[str, Any] = {
    "after": 40,
    "age": 28,
    "age_max": 40,
    "age_min": 25,
    "before": 42,
    "birth_date": "1998-03-21",
    "comment": "Wants to sell me watches.",
    "cursor": "WyJ2aXNpdHMiXQ.Zkd3.q1Yp",
    "description": "I like trains.",
    "distance_max": 20,
    "first_name": "Alice",
    "gender": "female",
    "gps": {"lat": 48.8566, "lon": 2.3522},
    "image": ["u3mZ0pV1c7yQfKx2LrT9aw"],
    "language": "fr",
    "last_name": "Green",
    "limit": 20,
    "login": "alice",
    "mail": "alice@example.org",
    "mail_on": False,
    "message": "Tea at five?",
    "new_login": "alice.g",
    "new_mail": "alice.green@example.org",
    "new_pass": "three quiet rivers",
    "old_pass": "seven green teapots",
    "password": "seven green teapots",
    "prefix": "par",
    "random_id": 1750341207,
    "report_id": 2,
    "reset_id": "eyJ1IjoyfQ.aGVsbG8",
    "seq": 42,
    "session_id": "Jb1x0fQk6VZ8mWq3Yt5RnA",
    "sex": ["male"],
    "tags": ["tea"],
    "target_id": "bob",
    "target_user_id": BOB,
    "user_id": BOB,
    "user_ids": [BOB],
    "ver_id": "eyJ1IjoxfQ.d29ybGQ",
}
"""What Alice sends."""

_SHOWN = {
    "research": ("age_min", "age_max", "distance_max", "tags"),
    "user/registr": ("gender", "birth_date", "tags", "gps"),
    "user/reset_pass": ("reset_id",),
    "user/save_profile": ("description", "tags"),
    "user/settings": ("mail_on",),
}
"""Fields of an event that are not needed, but shown."""

_OF_EVENT: dict[str, dict[str, Any]] = {"sync": {"cursor": 16}, "tags": {"prefix": "te"}}

_TOLD: dict[str, Any] = {
    "age": 30,
    "age_max": 40,
    "age_min": 25,
    "agent": "Firefox on Linux",
    "birth_date": "1998-03-21",
    "blocked": False,
    "by": BOB,
    "common_tags": ["tea"],
    "count": 1,
    "country": "FR",
    "cursor": None,
    "data": {"seq": 17, "at": _TIME, "user_id": BOB, "by": BOB, "read_seq": 42},
    "description": "I like chess.",
    "distance": 2,
    "distance_max": 20,
    "event": "message/read",
    "fame": 50,
    "filter": "age_max",
    "first_name": "Bob",
    "from_user_id": BOB,
    "gender": "male",
    "hash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
    "language": "en",
    "last_name": "Reed",
    "last_seen": "2026-05-17T19:00:00.000Z",
    "lat": 48.8534,
    "left": 120,
    "login": "bob",
    "lon": 2.3488,
    "mail": "alice@example.org",
    "message": "Tea at five?",
    "messages": 1,
    "more": False,
    "my_read_seq": 42,
    "name": "Paris",
    "notifications": 2,
    "online": True,
    "passed": False,
    "photo_id": "u3mZ0pV1c7yQfKx2LrT9aw",
    "place": "Paris",
    "place_id": 2988507,
    "random_id": 1750341207,
    "read_seq": 42,
    "requested": False,
    "requested_me": False,
    "retry_after": 5,
    "score": 0.64,
    "seq": 42,
    "session_id": "Jb1x0fQk6VZ8mWq3Yt5RnA",
    "tag": "tea",
    "tags": ["tea", "chess"],
    "their_read_seq": 41,
    "token": "eyJ1c2VyIjoyN30.aFkq.Xr9dQ2",
    "unread": 1,
    "up_to": 42,
    "url": {size: f"http://localhost:8080/photo/k3Jw…/{size}" for size in ("small", "medium", "large")},
    "user_id": BOB,
    "why": {"distance": 0.38, "tags": 0.06, "fame": 0.1, "age": 0.1},
}
"""What Alice is told, mostly of Bob."""

_ALICE = {"user_id": ALICE, "login": "alice", "first_name": "Alice", "last_name": "Green", "age": 28} | {
    "gender": "female",
    "description": "I like trains.",
    "sex": ["male"],
    "cursor": 17,
}
_OF_SHAPE: dict[str, dict[str, Any]] = {
    "Goodbye": {"reason": "draining"},
    "LoggedIn": {"user_id": ALICE, "cursor": 17},
    "Me": _ALICE,
    "OwnProfile": _ALICE,
    "ProfileChanged": _ALICE,
    "Registered": {"user_id": ALICE},
    "SyncPage": {"cursor": 17},
    "Notice": {"seq": 16},
    "Settings": {"mail_on": False},
}


def payload(event: Event) -> dict[str, Any]:
    """Return what Alice may send."""
    shown = _SHOWN.get(event.name, ())
    sent = {field.name: _SENT[field.name] for field in event.fields if field.required or field.name in shown}
    return sent | _OF_EVENT.get(event.name, {})


def answer(reference: Reference, event: Event) -> Any:
    """Return what she may be answered."""
    return _example(reference, event.answer, "")


def push(reference: Reference, name: str) -> dict[str, Any]:
    """Return what she may be told."""
    [one] = [one for one in reference.pushes if one.name == name]
    place = {"seq": 17, "at": _TIME} if one.logged else {}
    return place | _of(reference, reference.shapes[one.shape])


def _of(reference: Reference, shape: Shape) -> dict[str, Any]:
    properties = shape.schema.get("properties", {}).items()
    own = _OF_SHAPE.get(shape.name, {})
    needed = {name: part for name, part in properties if name in shape.schema.get("required", ()) or name in _WANTED}
    return {name: own[name] if name in own else _example(reference, part, name) for name, part in needed.items()}


_WANTED = {"events", "more", "user"}
"""Fields that may be absent, but are shown."""


def _example(reference: Reference, schema: Schema, name: str) -> Any:
    schema = without_null(schema)
    if "const" in schema:
        return schema["const"]
    if shape := reference.shapes.get(name_of(schema)):
        return _of(reference, shape)
    if schema.get("type") == "array" and "$ref" in schema["items"]:
        return [_example(reference, schema["items"], "")]
    if name == "presence":
        return {str(BOB): _example(reference, schema["additionalProperties"], "")}
    if name in _TOLD and not (name == "tags" and "$ref" in str(schema)):
        return _TOLD[name]
    return _plain(schema)


def _plain(schema: Schema) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [_plain(schema["items"])]
    if schema.get("type") == "boolean":
        return True
    return "2026-05-17" if schema.get("format") == "date" else _TIME

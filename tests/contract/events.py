"""The events of the contract, typed in by hand: who may send them, with what, and by which HTTP methods."""

from dataclasses import dataclass, field
from typing import Any

PASSWORD = "seven green teapots"
SOMEBODY = 424_242_424_242  # stands for an id that nobody has


@dataclass(frozen=True)
class Event:
    """One row: a sample of each field that must be there, of each that may, and the methods of its route."""

    methods: tuple[str, ...]
    required: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    nullable: tuple[str, ...] = ()
    public: bool = False


_TARGET = {"target_user_id": SOMEBODY}
_PAGE = {"limit": 20, "cursor": None}
_PROFILE = {
    "gender": "female",
    "age": 30,
    "description": "Trains.",
    "sex": ["male"],
    "tags": ["trains"],
    "gps": {"lat": 48.85, "lon": 2.35},
    "wish": {"age_min": 20, "age_max": 40, "distance_max": 50},
}
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
    "place_id": 1,
}
_CLEARABLE = ("gender", "age", "birth_date", "description", "sex", "tags", "gps", "wish")
GET, POST, BOTH = ("GET",), ("POST",), ("POST", "GET")

SPECIFIED: dict[str, Event] = {
    "user/login": Event(POST, {"login": "nobody-here", "password": PASSWORD}, public=True),
    "user/logout": Event(POST, {}, {"login": "nobody-here", "password": PASSWORD}, public=True),
    "user/registr": Event(
        POST,
        {"login": "newcomer", "mail": "newcomer@example.org", "password": PASSWORD} | _NAMES,
        _PROFILE | {"language": "en"},
        _CLEARABLE,
        public=True,
    ),
    "user/verification": Event(POST, {"ver_id": "no-such-link", "login": "nobody-here"}, public=True),
    "user/reset_pass": Event(POST, {"new_pass": PASSWORD}, {"reset_id": "no-such-link"}, public=True),
    "user/save_profile": Event(POST, {}, _NAMES | _PROFILE, _CLEARABLE),
    "user/set_online": Event(GET),
    "user/set_offline": Event(GET),
    "research": Event(GET, {}, _SEARCH | _PAGE, ("cursor",)),
    "profile": Event(GET, _TARGET),
    "user/like": Event(GET, _TARGET),
    "user/connect": Event(GET, {"target_id": "nobody-here"}),
    "user/disconnect": Event(GET, _TARGET),
    "user/block": Event(GET, _TARGET),
    "user/unblock": Event(GET, _TARGET),
    "user/history": Event(GET, {}, _PAGE, ("cursor",)),
    "report": Event(GET, _TARGET | {"report_id": 1}, {"comment": "He sells watches."}),
    "message/send": Event(BOTH, _TARGET | {"random_id": 7, "message": "hello"}),
    "notifications": Event(BOTH, {"user_id": SOMEBODY, "random_id": 7}),
}
OURS: dict[str, Event] = {
    "user/forgot_pass": Event(POST, {"mail": "nobody@example.org"}, public=True),
    "user/resend_verification": Event(POST, {"mail": "nobody@example.org"}, public=True),
    "user/me": Event(GET),
    "user/unlike": Event(POST, _TARGET),
    "user/pass": Event(POST, _TARGET),
    "user/unpass": Event(POST, _TARGET),
    "user/likes": Event(GET, {}, _PAGE, ("cursor",)),
    "user/connections": Event(GET, {}, _PAGE, ("cursor",)),
    "user/blocks": Event(GET, {}, _PAGE, ("cursor",)),
    "user/sessions": Event(GET),
    "user/end_session": Event(POST, {"session_id": "no-such-session"}),
    "user/settings": Event(
        POST,
        {},
        {"show_online": True, "show_distance": True, "read_receipts": True, "mail_on": True, "language": "en"},
    ),
    "message/history": Event(GET, _TARGET, {"before": 10, "after": 0, "limit": 20}),
    "message/read": Event(POST, _TARGET | {"seq": 1}),
    "message/typing": Event(POST, _TARGET),
    "notifications/list": Event(GET, {}, _PAGE, ("cursor",)),
    "notifications/read": Event(POST, {"seq": 0}),
    "presence/watch": Event(POST, {"user_ids": [SOMEBODY]}),
    "sync": Event(POST, {"cursor": 0}, {}, ("cursor",)),
    "tags": Event(GET, {"prefix": "tr"}),
    "places": Event(GET, {"prefix": "par"}),
}
EVENTS = SPECIFIED | OURS
PRIVATE = [name for name, event in EVENTS.items() if not event.public]
# Everyone at whom one may aim must be somebody whom one may see; what answers `{}` for any id is left out.
AIMED = ["profile", "user/like", "user/block", "user/pass", "message/send", "message/history", "message/read"]
AIMED += ["message/typing", "notifications", "user/connect"]
FORGIVING = ["user/unlike", "user/unblock", "user/unpass", "user/disconnect"]


def aimed_at(event: str, *, user_id: int, login: str = "nobody-here") -> dict[str, Any]:
    """Return the sample of an event with somebody in the place of its target."""
    fields = dict(EVENTS[event].required)
    for name in ("target_user_id", "user_id"):
        if name in fields:
            fields[name] = user_id
    if "target_id" in fields:
        fields["target_id"] = login
    return fields

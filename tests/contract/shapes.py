"""Exact shapes of answers and pushes, as the contract words them."""

import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]


def matches(value: Any, shape: Any, path: str = "$") -> list[str]:
    """Return what is wrong with a value: keys must be exactly those of the shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        wrong = [f"{path}: lacks {sorted(set(shape) - set(value))}, has {sorted(set(value) - set(shape))} besides"]
        wrong = wrong if set(shape) != set(value) else []
        return wrong + [w for key in set(shape) & set(value) for w in matches(value[key], shape[key], f"{path}.{key}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        return [wrong for n, part in enumerate(value) for wrong in matches(part, shape[0], f"{path}[{n}]")]
    if isinstance(shape, Maybe):
        return [] if value is None else matches(value, shape.shape, path)
    if callable(shape):
        return [] if shape(value) else [f"{path}: {value!r} is no {shape.__name__}"]
    return [] if value == shape and type(value) is type(shape) else [f"{path}: {value!r} is not {shape!r}"]


class Maybe:
    """The shape, or null."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape


def user_id(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**53


def number(value: Any) -> bool:
    return type(value) is int and value >= 0


def flag(value: Any) -> bool:
    return type(value) is bool


def text(value: Any) -> bool:
    return type(value) is str


def opaque(value: Any) -> bool:
    return type(value) is str and value != ""


def time(value: Any) -> bool:
    return type(value) is str and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value) is not None


def date(value: Any) -> bool:
    return type(value) is str and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


def ten_minutes(value: Any) -> bool:
    return time(value) and re.search(r":\d0:00\.000Z$", value) is not None


def edge(value: Any) -> bool:
    return value in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 20000)


def gender(value: Any) -> bool:
    return value in ("male", "female", "nonbinary")


def fame(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100


def hundredths(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1 and abs(value * 100 - round(value * 100)) < 1e-6


def parts(value: Any) -> bool:
    return isinstance(value, dict) and all(text(key) and hundredths(part) for key, part in value.items())


def degrees(value: Any) -> bool:
    return type(value) in (int, float) and -180 <= value <= 180


PHOTO = {"photo_id": opaque, "url": {"small": opaque, "medium": opaque, "large": opaque}, "hash": opaque}
CARD = {
    "user_id": user_id,
    "login": opaque,
    "first_name": opaque,
    "age": Maybe(number),
    "gender": Maybe(gender),
    "photo": Maybe(PHOTO),
    "place": Maybe(text),
    "distance": Maybe(edge),
    "fame": fame,
    "common_tags": [opaque],
    "online": Maybe(flag),
    "last_seen": Maybe(ten_minutes),
    "score": hundredths,
    "why": parts,
}
PROFILE = CARD | {
    "last_name": opaque,
    "description": Maybe(text),
    "sex": Maybe([gender]),
    "tags": [opaque],
    "photos": [PHOTO],
    "liked_me": flag,
    "liked": flag,
    "requested_me": flag,
    "requested": flag,
    "connected": flag,
}
MESSAGE = {"seq": number, "from_user_id": user_id, "message": opaque, "sent_at": time}
OWN_MESSAGE = MESSAGE | {"random_id": lambda value: type(value) is int}
SETTINGS = {
    "show_online": flag,
    "show_distance": flag,
    "read_receipts": flag,
    "mail_on": flag,
    "language": lambda value: value in ("en", "ru", "fr"),
}
WISH = {"age_min": Maybe(number), "age_max": Maybe(number), "distance_max": Maybe(number)}
ME = {  # what user/me has besides the own profile
    "mail": opaque,
    "birth_date": Maybe(date),
    "gps": Maybe({"lat": degrees, "lon": degrees}),
    "wish": Maybe(WISH),
    "settings": SETTINGS,
    "unread": {"messages": number, "notifications": number},
    "cursor": number,
}


def kind(value: Any) -> bool:
    return value in ("like", "request", "match", "visit", "nudge", "message", "unlike", "moderation")


NOTIFICATION = {"seq": number, "kind": kind, "user": Maybe(CARD), "count": number, "at": time, "read": flag}
LOGGED = {"seq": number, "at": time}

"""What people say of themselves, taken alike by registration and by saving the profile."""

from datetime import date
from typing import Any

from handlers import access
from handlers.matching.age import age_on, latest_birth
from handlers.matching.cells import Cell
from server.context import Context
from server.wire.errors import InvalidPayload, RateLimited
from server.wire.fields import UNSET, Gps, Wish
from sql import account, profile
from sql.profile import GENDERS

_YOUNGEST, _OLDEST = 18, 120


def check(fields: dict[str, Any]) -> None:
    """Check what concerns several fields. Raises InvalidPayload."""
    if ("login" in fields) != ("password" in fields):
        missing = "password" if "login" in fields else "login"
        raise InvalidPayload.of(missing, "required", "Give login and password, or neither.")
    if fields.get("age") is not None and fields.get("birth_date") is not None:
        raise InvalidPayload.of("age", "conflict", "Give age or birth_date, not both.")
    wish = fields.get("wish")
    if isinstance(wish, Wish) and wish.age_min and wish.age_max and wish.age_min > wish.age_max:
        raise InvalidPayload.of("wish.age_min", "order", "The least cannot be above the most.")


class Details:
    """Those of the fields that were given, as columns; None clears."""

    def __init__(self, today: date, **given: Any) -> None:
        """Reckon the columns out. Raises InvalidPayload."""
        self._tags: list[str] | None = None if (tags := given.pop("tags")) is UNSET else tags or []
        self._columns = [_COLUMNS[name](value, today) for name, value in given.items() if value is not UNSET]

    async def write(self, ctx: Context, user_id: int) -> None:
        """Write them, and leave the others alone."""
        for columns in self._columns:
            await profile.update(ctx.tx, user_id=user_id, **columns)
        if self._tags is not None:
            await profile.replace_tags(ctx.tx, user_id=user_id, tags=self._tags)


def _name(column: str) -> Any:
    return lambda value, today: {column: value}


def _gender(gender: str | None, today: date) -> dict[str, Any]:
    return {"gender": GENDERS[gender] if gender else 0}


def _sex(genders: list[str] | None, today: date) -> dict[str, Any]:
    return {"sex": sum(GENDERS[gender] for gender in genders or [])}


def _birth_date(birth_date: date | None, today: date) -> dict[str, Any]:
    age = age_on(birth_date, today) if birth_date else _YOUNGEST
    if birth_date and (birth_date > today or age < _YOUNGEST):
        raise InvalidPayload.of("birth_date", "min_age", "You must be 18 or older.", min_age=_YOUNGEST)
    if age > _OLDEST:
        raise InvalidPayload.of("birth_date", "max_age", "At most 120 years.", max_age=_OLDEST)
    return {"birth_date": birth_date, "birth_date_approximate": False}


def _age(age: int | None, today: date) -> dict[str, Any]:
    """Only the age is known: take the middle of the year in which the birthday must lie."""
    if age is None:
        return {"birth_date": None, "birth_date_approximate": False}
    latest, earliest = latest_birth(age, today), latest_birth(age + 1, today)
    return {"birth_date": earliest + (latest - earliest) / 2, "birth_date_approximate": True}


def _gps(gps: Gps | None, today: date) -> dict[str, Any]:
    """Snap to the grid: the exact position goes no further than here."""
    if gps is None:
        return {"cell": None, "x": None, "y": None, "z": None, "place_id": None}
    cell = Cell.at(gps.lat, gps.lon)
    x, y, z = cell.vector
    return {"cell": cell.id, "x": x, "y": y, "z": z, "place_id": None}


def _wish(wish: Wish | None, today: date) -> dict[str, Any]:
    wish = wish or Wish()
    return {
        "wish_age_min": wish.age_min,
        "wish_age_max": wish.age_max,
        "wish_distance_max": wish.distance_max,
    }


_COLUMNS = {
    "first_name": _name("first_name"),
    "last_name": _name("last_name"),
    "description": _name("description"),
    "gender": _gender,
    "sex": _sex,
    "birth_date": _birth_date,
    "age": _age,
    "gps": _gps,
    "wish": _wish,
}


async def count_mail(ctx: Context, mail: str) -> None:
    """Count a mail to this mailbox, asked for from this address. Raises RateLimited, Unavailable."""
    windows, limits = ctx.services.windows, ctx.config.limits
    await windows.hit(
        f"mail:mailbox:{access.digest(account.mail_key(mail))}",
        limit=ctx.limit("mails_mailbox"),
        window=limits.mails_mailbox_window,
    )
    await windows.hit(
        f"mail:address:{ctx.address}", limit=ctx.limit("mails_address"), window=limits.mails_address_window
    )


async def may_mail(ctx: Context, mail: str) -> bool:
    """Count a mail too, and tell whether it may leave: where nobody may learn of it, the answer is the same if not."""
    try:
        await count_mail(ctx, mail)
    except RateLimited:
        return False
    return True

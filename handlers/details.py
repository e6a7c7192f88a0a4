"""What people say of themselves, taken alike by registration and by saving the profile."""

from datetime import date
from typing import Any

from handlers.matching.age import age_on, latest_birth
from handlers.matching.cells import Cell
from server.context import Context
from server.wire.answers import Settings
from server.wire.errors import InvalidPayload
from server.wire.fields import UNSET, Gps, Wish
from sql import profile
from sql.account import Account
from sql.profile import GENDERS, Profile

_YOUNGEST, _OLDEST = 18, 120


def check(fields: dict[str, Any]) -> None:
    """`age` or `birth_date`, not both; `wish.age_min` is not above `age_max`."""
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
        self._gps: Gps | None = given.pop("gps")
        self._columns = [_COLUMNS[name](value, today) for name, value in given.items() if value is not UNSET]

    async def write(self, ctx: Context, user_id: int) -> None:
        """Write them, and leave the others alone."""
        for columns in self._columns:
            await profile.update(ctx.tx, user_id=user_id, **columns)
        if self._gps is not UNSET:
            await profile.update(ctx.tx, user_id=user_id, **_place(ctx, self._gps))
        if self._tags is not None:
            await profile.replace_tags(ctx.tx, user_id=user_id, tags=self._tags)
        await profile.refresh_found(ctx.tx, user_id=user_id)


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


def snap(ctx: Context, gps: Gps) -> Cell:
    """Return the cell that a position is snapped to: the exact position goes no further than here."""
    return Cell.around(gps.lat, gps.lon, ctx.services.places.population)


def _place(ctx: Context, gps: Gps | None) -> dict[str, Any]:
    if gps is None:
        return {"cell": None, "x": None, "y": None, "z": None, "place_id": None}
    cell = snap(ctx, gps)
    x, y, z = cell.vector
    return {"cell": cell.id, "x": x, "y": y, "z": z, "place_id": ctx.services.places.nearest(*cell.centre)}


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
    "wish": _wish,
}


def settings_of(own: Profile, belongs_to: Account) -> Settings:
    """Return what somebody has chosen, which stands in two rows."""
    return Settings(
        show_online=bool(own.show_online),
        show_distance=bool(own.show_distance),
        read_receipts=bool(own.read_receipts),
        mail_on=bool(own.mail_on),
        language=belongs_to.language,
    )

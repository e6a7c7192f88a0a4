"""Age in whole years; who was born on 29 February has the birthday on 1 March in other years."""

from datetime import date

AGES = range(18, 141)
"""Nobody says that they are older than 120, but years go by."""


def age_on(birth_date: date, today: date) -> int:
    """Return the age on a day."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def latest_birth(age: int, today: date) -> date:
    """Return the last date of birth of those who are at least this old."""
    try:
        return today.replace(year=today.year - age)
    except ValueError:
        return date(today.year - age, 2, 28)


def months(age_min: int | None, age_max: int | None, today: date) -> tuple[int, ...]:
    """Return the months of birth of those of these ages, as numbers; none, if no age is asked for."""
    if age_min is None and age_max is None:
        return ()
    last = _month(latest_birth(age_min or AGES[0], today))
    first = _month(latest_birth((age_max or AGES[-1]) + 1, today))
    return tuple(range(first, last + 1))


def _month(day: date) -> int:
    return day.year * 12 + day.month

"""Age in whole years; who was born on 29 February has the birthday on 1 March in other years."""

from datetime import date


def age_on(birth_date: date, today: date) -> int:
    """Return the age on a day."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def latest_birth(age: int, today: date) -> date:
    """Return the last date of birth of those who are at least this old."""
    try:
        return today.replace(year=today.year - age)
    except ValueError:
        return date(today.year - age, 2, 28)

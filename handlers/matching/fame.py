"""Fame: how many people like somebody, as 0 to 100."""

TOGETHER = 5
"""People are counted in so many at once: one of them, more or less, does not show."""

HALF = 25
"""So many make a fame of 50."""


def fame_of(likers: int) -> int:
    """Return the fame of somebody whom so many like: it grows ever more slowly, and never comes to 100."""
    counted = likers - likers % TOGETHER
    return 100 * counted // (counted + HALF)

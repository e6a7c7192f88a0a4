"""Places: the towns of the world."""


class Places:
    """Knows the towns, and how fine the grid is around them."""

    def name(self, place_id: int) -> str | None:
        """Return the name of a town."""
        raise NotImplementedError

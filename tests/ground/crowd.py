"""Many people at once, straight into the database, for tests that only look at them."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

from handlers.matching.cells import Cell
from server.app import SERVICES
from sql import candidate

TAGS = ["tea", "chess", "books", "trains", "locks", "opera"]


class Crowd:
    """People drawn by chance, whom search finds; some say little of themselves, some hide where they are."""

    def __init__(self, server: Any, seed: int) -> None:
        self.run = server.database.fetch
        """Runs a statement, for what there is no word here."""
        self._places = server.app[SERVICES].places
        self.random = Random(seed)
        self._write = server.app[SERVICES].transact

    async def join(self, **columns: Any) -> int:
        """Let somebody come, and return the id; `tags` and `gps` as in a profile, the rest are columns of it."""
        draw = self.random
        user_id = draw.getrandbits(53) or 1
        drawn = {
            "gender": draw.choice([1, 2, 4]),
            "birth_date": f"{draw.randint(1950, 2006)}-0{draw.randint(1, 9)}-15" if draw.random() < 0.9 else None,
            "fame": draw.randint(0, 100),
            "show_distance": int(draw.random() < 0.8),
            "gps": _near_paris(draw) if draw.random() < 0.9 else None,
            "tags": draw.sample(TAGS, draw.randint(0, 4)),
        }
        given = drawn | columns
        tags, gps = given.pop("tags"), given.pop("gps")
        names = ["user_id", "found", "first_name", "last_name", *given]
        values = [user_id, 1, "Some", "Body", *given.values(), *await self._place(gps)]
        names += ["cell", "x", "y", "z", "place_id"]
        await self.run(
            "INSERT INTO account (id,login,password_hash,state,language,created_at) VALUES (%s,%s,'',1,'en',NOW())",
            user_id,
            f"x{user_id}",
        )
        await self.run(f"INSERT INTO profile ({','.join(names)}) VALUES ({','.join(['%s'] * len(names))})", *values)
        await self.tag(user_id, tags)
        return user_id

    async def refresh(self, user_id: int) -> None:
        """Have search see somebody as they are now."""
        await self._write(partial(candidate.refresh, first=user_id, last=user_id))

    async def tag(self, user_id: int, tags: Sequence[str]) -> None:
        """Give somebody these tags, and no others."""
        await self.run("DELETE FROM profile_tag WHERE user_id = %s", user_id)
        for position, tag in enumerate(tags):
            await self.run("INSERT INTO profile_tag VALUES (%s, %s, %s)", user_id, tag, position)
        await self.refresh(user_id)

    async def leave(self, user_id: int) -> None:
        """Let somebody go, as a deletion does."""
        await self.run("UPDATE account SET state = 3 WHERE id = %s", user_id)
        await self.run("UPDATE profile SET found = 0 WHERE user_id = %s", user_id)
        await self.refresh(user_id)

    async def block(self, user_id: int, other_id: int) -> None:
        """Let somebody block another."""
        low, high = sorted((user_id, other_id))
        side = "low" if user_id == low else "high"
        await self.run(
            f"INSERT INTO pair (low_id,high_id,{side}_blocked_at) VALUES (%s,%s,NOW())"
            f" ON DUPLICATE KEY UPDATE {side}_blocked_at=NOW()",
            low,
            high,
        )

    async def _place(self, gps: dict[str, float] | None) -> list[Any]:
        if gps is None:
            return [None] * 5
        cell = Cell.around(gps["lat"], gps["lon"], self._places.population)
        return [cell.id, *cell.vector, self._places.nearest(*cell.centre)]


def _near_paris(draw: Random) -> dict[str, float]:
    reach = draw.choice([0.01, 0.1, 1, 10])
    return {"lat": 48.85 + draw.uniform(-reach, reach), "lon": 2.35 + draw.uniform(-reach, reach)}

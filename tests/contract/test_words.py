"""Lists that help to type: tags and places."""

import pytest

from tests.contract.client import matching
from tests.contract.shapes import number, opaque
from tests.contract.world import LYON, PARIS, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_tags_are_listed_from_five_people_on_most_used_first(world: World, way: str) -> None:
    people, z = await world.crowd(*[{"photo": False}] * 7), f"z{world.number()}-"
    for n, person in enumerate(people):
        tags = [f"{z}all"] + ([f"{z}six"] if n < 6 else []) + ([f"{z}four"] if n < 4 else []) + ["other"]
        await person.ok("user/save_profile", tags=tags)
    caller = await people[0].over(way)
    answer = matching(await caller.ok("tags", prefix=z.upper()), {"tags": [{"tag": opaque, "count": number}]})
    assert [entry["tag"] for entry in answer["tags"]] == [f"{z}all", f"{z}six"]
    assert all(entry["count"] >= 5 for entry in answer["tags"])
    assert (await caller.ok("tags", prefix=f"{z}fo"))["tags"] == []
    for pattern in ("%", "_", f"{z}a%"):
        answer = await caller.answer("tags", prefix=pattern)
        assert answer["code"] == 400 or answer["data"]["tags"] == []


async def test_places_are_found_by_their_beginning(world: World, somebody: Person, way: str) -> None:
    caller = await somebody.over(way)
    answer = matching(
        await caller.ok("places", prefix="Par"), {"places": [{"place_id": number, "name": opaque, "country": opaque}]}
    )
    assert answer["places"][0]["name"] == "Paris"
    assert (await caller.ok("places", prefix="par"))["places"] == answer["places"]
    assert (await caller.ok("places", prefix="no such town at all"))["places"] == []


async def test_a_card_names_the_nearest_large_town(world: World) -> None:
    me, other, far = await world.crowd({"gps": PARIS}, {"gps": PARIS}, {"gps": LYON})
    seen = await me.ok("profile", **other.target)
    assert "Paris" in str(seen["place"]), seen["place"]
    assert "Lyon" in str((await me.ok("profile", **far.target))["place"])


async def test_a_search_from_a_town_is_as_if_one_were_there(world: World, way: str) -> None:
    me, there = await world.crowd({"gps": PARIS, "age": 91}, {"gps": LYON, "age": 91})
    caller = await me.over(way)
    [place] = [place for place in (await caller.ok("places", prefix="Lyon"))["places"] if place["name"] == "Lyon"][:1]

    async def found(**fields: int) -> dict[int, int | None]:
        page = await caller.ok("research", age_min=91, age_max=91, **fields)
        return {card["user_id"]: card["distance"] for card in page["users"]}

    assert there.id not in await found(distance_max=100)
    assert there.id in await found(distance_max=100, place_id=place["place_id"])
    assert await caller.faults("research", place_id=2**40) == {"place_id"}

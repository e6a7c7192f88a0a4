"""Search: who is found, what filters, sorts and pages do. Each test has the ages of its people for itself."""

import itertools
from typing import Any

import pytest

from tests.contract.client import matching
from tests.contract.shapes import CARD, Maybe, edge, flag, number, opaque
from tests.contract.world import LYON, PARIS, TOKYO, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWER = {"users": [CARD], "cursor": Maybe(opaque), "distance_max": Maybe(edge)}
FUNNEL = [{"filter": opaque, "left": number}]
_ages = itertools.count(30)


async def search(me: Person, way: str = "http", **fields: Any) -> dict[str, Any]:
    """Search, and check the shape of all that comes."""
    answer = await (await me.over(way)).ok("research", **fields)
    extra = {
        name: shape
        for name, shape in {"funnel": FUNNEL, "loosen": FUNNEL[0], "partial": flag}.items()
        if name in answer
    }
    matching(answer, ANSWER | extra)
    for card in answer["users"]:
        assert abs(sum(card["why"].values()) - card["score"]) < 1e-6, card
    return answer


async def found(me: Person, way: str = "http", **fields: Any) -> list[int]:
    return [card["user_id"] for card in (await search(me, way, **fields))["users"]]


class Ages(dict[str, int]):
    """The filter that leaves the people of one test alone."""

    def __init__(self) -> None:
        age = next(_ages)
        super().__init__(age_min=age, age_max=age)
        self.age = age


async def test_cards_have_exactly_these_fields(world: World, way: str) -> None:
    ages = Ages()
    me, other = await world.crowd(
        {"tags": ["tea", "go"], "gps": PARIS}, {"age": ages.age, "tags": ["go"], "gps": PARIS}
    )
    answer = await search(me, way, **ages)
    [card] = answer["users"]
    assert (card["user_id"], card["login"]) == (other.id, other.login)
    assert (card["age"], card["common_tags"]) == (ages.age, ["go"])
    assert card["distance"] == 1 and card["place"]
    assert answer["cursor"] is None and answer["distance_max"] is None


async def test_eligible_are_those_with_a_photo_not_passed_liked_or_blocked(world: World) -> None:
    ages = Ages()
    profile = {"age": ages.age}
    me, plain, liked, passed, blocked, blocker, friend, liker = await world.crowd({}, *[profile] * 7)
    bare = await world.join(photo=False, age=ages.age)
    unverified = await world.register(world.stranger(), age=ages.age)
    await me.http.ok("user/like", **liked.target)
    await me.http.ok("user/pass", **passed.target)
    await me.http.ok("user/block", **blocked.target)
    await blocker.http.ok("user/block", **me.target)
    await world.connect(me, friend)
    await liker.http.ok("user/like", **me.target)
    assert set(await found(me, **ages)) == {plain.id, liker.id}
    assert bare.id and unverified.id
    await me.http.ok("profile", **bare.target)  # others stay reachable by id
    await me.http.ok("profile", **passed.target)
    await me.http.ok("user/unblock", **blocked.target)
    await me.http.ok("user/unlike", **liked.target)
    assert set(await found(me, **ages)) == {plain.id, liker.id, blocked.id, liked.id}


async def test_genders_fit_both_ways(world: World) -> None:
    ages = Ages()
    kinds: dict[str, dict[str, Any]] = {
        "woman for men": {"gender": "female", "sex": ["male"]},
        "man for women": {"gender": "male", "sex": ["female"]},
        "man for all": {"gender": "male", "sex": []},
        "woman for women": {"gender": "female", "sex": ["female"]},
        "nonbinary for all": {"gender": "nonbinary"},
        "no gender for all": {},
        "no gender for women": {"sex": ["female"]},
    }
    people = dict(zip(kinds, await world.crowd(*(kind | {"age": ages.age} for kind in kinds.values())), strict=True))
    names = {person.id: kind for kind, person in people.items()}

    def fits(one: dict[str, Any], two: dict[str, Any]) -> bool:
        return not one.get("sex") or two.get("gender") in one["sex"]

    for kind, person in people.items():
        expected = {k for k in kinds if k != kind and fits(kinds[kind], kinds[k]) and fits(kinds[k], kinds[kind])}
        assert {names[user_id] for user_id in await found(person, **ages)} == expected, kind


async def test_distances_are_upper_edges_of_buckets(world: World) -> None:
    ages = Ages()
    places = [PARIS, {"lat": 48.93, "lon": 2.36}, {"lat": 49.44, "lon": 1.1}, LYON, TOKYO, None]
    me, *others = await world.crowd({"gps": PARIS}, *({"age": ages.age, "gps": gps} for gps in places))
    answer = await search(me, **ages, sort_by=1)
    distances = {card["user_id"]: card["distance"] for card in answer["users"]}
    assert [distances[person.id] for person in others] == [1, 10, 200, 500, 20000, None]
    assert [card["user_id"] for card in answer["users"]] == [person.id for person in others]  # nearest first, null last
    assert (await found(me, **ages, sort_by=1, order="desc"))[-1] == others[-1].id
    [lost] = [card for card in answer["users"] if card["distance"] is None]
    assert lost["place"] is None
    near = await search(me, **ages, distance_max=300)
    assert near["distance_max"] == 500  # rounded up to an edge
    assert {card["user_id"] for card in near["users"]} == {person.id for person in others[:4]}
    assert (await search(me, **ages, distance_max=50))["distance_max"] == 50
    assert set(await found(me, **ages, distance_max=1)) == {others[0].id}


async def test_who_hides_the_distance_is_nowhere_and_sees_none(world: World) -> None:
    ages = Ages()
    me, hidden, plain = await world.crowd({"gps": PARIS}, *[{"gps": PARIS, "age": ages.age}] * 2)
    await hidden.http.ok("user/settings", show_distance=False)
    cards = {card["user_id"]: card for card in (await search(me, **ages))["users"]}
    assert (cards[hidden.id]["distance"], cards[hidden.id]["place"]) == (None, None)
    assert cards[hidden.id]["why"]["distance"] != cards[plain.id]["why"]["distance"]
    assert await found(me, **ages, distance_max=100) == [plain.id]
    assert {card["distance"] for card in (await search(hidden, **ages))["users"]} == {None}
    assert (await hidden.http.ok("profile", **plain.target))["place"] is None


async def test_filters(world: World, way: str) -> None:
    ages = Ages()
    me, none, one, two = await world.crowd(
        {"tags": ["jazz", "tea"]},
        {"age": ages.age, "tags": []},
        {"age": ages.age, "tags": ["jazz", "rain"]},
        {"age": ages.age, "tags": ["jazz", "tea", "rain"]},
    )
    assert set(await found(me, way, **ages)) == {none.id, one.id, two.id}
    assert set(await found(me, way, **ages, tags=["jazz"])) == {one.id, two.id}
    assert set(await found(me, way, **ages, tags=["JAZZ", "tea"])) == {two.id}
    assert set(await found(me, way, **ages, common_tags_min=1)) == {one.id, two.id}
    assert set(await found(me, way, **ages, common_tags_min=2)) == {two.id}
    assert await found(me, way, **ages, sort_by=4) == [two.id, one.id, none.id]
    assert await found(me, way, **ages, sort_by=4, order="asc") == [none.id, one.id, two.id]
    assert set(await found(me, way, **ages, fame_min=0, fame_max=100)) == {none.id, one.id, two.id}
    assert await found(me, way, **ages, fame_min=100) == []
    await one.http.ok("user/set_online")
    assert await found(me, way, **ages, online=True) == [one.id]


async def test_sorts_have_an_order_of_their_own_and_another_if_asked(world: World) -> None:
    one, two, three = (next(_ages) for _ in range(3))
    me, *others = await world.crowd({}, {"age": one}, {"age": three}, {"age": two})
    among = {"age_min": one, "age_max": three}
    for sort_by, part, usual in (
        (0, "score", "desc"),
        (2, "age", "asc"),
        (3, "fame", "desc"),
        (4, "common_tags", "desc"),
    ):
        for order in (None, "asc", "desc"):
            asked = {"order": order} if order else {}
            values = [card[part] for card in (await search(me, **among, sort_by=sort_by, **asked))["users"]]
            assert values == sorted(values, reverse=(order or usual) == "desc") and len(values) == len(others)
    assert [card["age"] for card in (await search(me, **among, sort_by=2))["users"]] == [one, two, three]


async def test_every_sort_pages_without_repeats_or_gaps(world: World) -> None:
    ages = Ages()
    cells = [PARIS, LYON, None]
    profiles = ({"age": ages.age, "gps": cells[n % 3], "tags": ["x"]} for n in range(7))
    me, *others = await world.crowd({"gps": PARIS}, *profiles)
    for sort_by in range(5):
        whole = await found(me, **ages, sort_by=sort_by, limit=50)
        assert sorted(whole) == sorted(person.id for person in others)
        seen: list[int] = []
        fields: dict[str, Any] = {}
        while True:
            page = await search(me, **ages, sort_by=sort_by, limit=3, **fields)
            seen += [card["user_id"] for card in page["users"]]
            fields = {"cursor": page["cursor"]}
            if page["cursor"] is None:
                break
        assert seen == whole, sort_by


async def test_a_page_has_20_if_not_said_otherwise_and_a_block_holds_from_the_next(world: World) -> None:
    ages = Ages()
    me, *others = await world.crowd({}, *[{"age": ages.age}] * 22)
    first = await search(me, **ages)
    assert len(first["users"]) == 20 and first["cursor"] and "funnel" not in first
    left = {person.id for person in others} - {card["user_id"] for card in first["users"]}
    [gone, *_] = [person for person in others if person.id in left]
    await gone.http.ok("user/block", **me.target)
    second = await search(me, **ages, cursor=first["cursor"])
    assert {card["user_id"] for card in second["users"]} == left - {gone.id}
    assert second["cursor"] is None


async def test_a_cursor_goes_with_its_filters_and_its_owner(world: World, way: str) -> None:
    ages = Ages()
    me, other, *_ = await world.crowd({}, {"age": ages.age}, {"age": ages.age}, {"age": ages.age})
    cursor = (await search(me, way, **ages, limit=1))["cursor"]
    caller = await me.over(way)
    assert (await caller.ok("research", **ages, limit=2, cursor=cursor))["users"]
    assert await caller.faults("research", cursor=cursor) == {"cursor"}
    assert await caller.faults("research", **ages, sort_by=2, cursor=cursor) == {"cursor"}
    assert await caller.faults("research", **ages, cursor=cursor + "x") == {"cursor"}
    assert await (await other.over(way)).faults("research", **ages, cursor=cursor) == {"cursor"}
    world.clock.advance(3601)
    assert await caller.faults("research", **ages, cursor=cursor) == {"cursor"}


async def test_a_page_that_is_not_full_says_where_people_went(world: World, way: str) -> None:
    ages = Ages()
    me, *_ = await world.crowd({"gps": PARIS}, {"age": ages.age, "gps": TOKYO})
    answer = await search(me, way, **ages, distance_max=10, tags=["nobody-has-this"])
    assert answer["users"] == [] and answer["cursor"] is None
    assert {"distance_max", "tags"} <= {step["filter"] for step in answer["funnel"]}
    assert all(step["left"] % 10 == 0 for step in answer["funnel"])
    lefts = [step["left"] for step in answer["funnel"]]
    assert lefts == sorted(lefts, reverse=True)


async def test_neither_wishes_nor_acts_towards_me_change_a_score(world: World) -> None:
    ages = Ages()
    me, other = await world.crowd({"age": ages.age}, {"age": ages.age})
    before = (await search(me, **ages))["users"]
    for wish in ({"age_min": 100}, {"age_min": ages.age, "age_max": ages.age}):
        await me.http.ok("user/save_profile", wish=wish)
        assert (await search(me, **ages))["users"] == before
    await other.http.ok("user/save_profile", wish={"age_min": 18, "age_max": 19, "distance_max": 1})
    assert (await search(me, **ages))["users"] == before
    await other.http.ok("user/like", **me.target)
    await other.http.ok("profile", **me.target)
    [mine] = [card for card in (await search(me, **ages))["users"] if card["user_id"] == other.id]
    [was] = [card for card in before if card["user_id"] == other.id]
    assert (mine["score"], mine["why"]) == (was["score"], was["why"])


async def test_people_in_one_cell_cannot_be_told_apart(world: World) -> None:
    ages = Ages()
    me, one, two = await world.crowd(
        {"gps": LYON},
        {"age": ages.age, "gps": PARIS},
        {"age": ages.age, "gps": {"lat": PARIS["lat"] + 0.0002, "lon": PARIS["lon"] + 0.0002}},
    )
    assert (await one.http.ok("user/me"))["gps"] == (await two.http.ok("user/me"))["gps"]
    cards = (await search(me, **ages))["users"]
    assert len({(card["distance"], card["place"], card["score"]) for card in cards}) == 1

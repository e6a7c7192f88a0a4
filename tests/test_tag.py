"""Tags: which ones people use, of those that enough people use."""

import pytest

from client_sdk import InvalidPayload
from tests.ground.accounts import State, set_state


@pytest.fixture
async def crowd(people):
    """Seven people: all like tea, six like trains, five like театр, four like tennis."""
    return [
        await people(
            f"person{number}",
            tags=["tea", *["trains"] * (number < 6), *["театр"] * (number < 5), *["tennis"] * (number < 4)],
        )
        for number in range(7)
    ]


async def used(person, prefix):
    return [(line.tag, line.count) for line in await person.tag.complete(prefix)]


async def test_tags_are_found_by_how_they_begin_most_used_first(crowd):
    assert await used(crowd[0], "t") == [("tea", 7), ("trains", 6)]
    assert await used(crowd[0], "TR") == [("trains", 6)]
    assert await used(crowd[0], "ТЕ") == [("театр", 5)]
    assert await used(crowd[0], "tea") == [("tea", 7)]
    assert await used(crowd[0], "teas") == []


async def test_a_tag_that_fewer_than_five_use_is_not_told(server, crowd):
    assert await used(crowd[0], "tennis") == []
    await crowd[4].profile.save(tags=["tennis"])
    assert await used(crowd[0], "tennis") == [("tennis", 5)]
    await set_state(server, crowd[1], State.BANNED)
    assert await used(crowd[0], "tennis") == []
    await crowd[5].profile.save(tags=["tennis"])
    await set_state(server, crowd[2], State.DELETED)
    assert await used(crowd[0], "tennis") == [], "who is gone does not count"


async def test_wildcards_are_letters_and_no_tag_has_them(crowd):
    """R54."""
    for prefix in ("%", "_", "\\", "t%", "t_a", "%a%a%a%a", "\\%", "#tea", "te a"):
        assert await used(crowd[0], prefix) == [], prefix


async def test_a_prefix_is_one_to_64_characters(alice):
    for prefix in ("", " ", "x" * 65, "a\0"):
        with pytest.raises(InvalidPayload):
            await alice.tag.complete(prefix)


async def test_twenty_at_most(server, alice):
    for number in range(30):
        await server.database.fetch("INSERT INTO tag_use VALUES (%s, 't', 5)", f"tag{number:02}")
    first = [(f"tag{number:02}", 5) for number in range(20)]
    assert await used(alice, "tag") == await used(alice, "t") == first

"""research: exactly the eligible, in the order that was asked for, page by page."""

import pytest

from client_sdk import InvalidPayload, RateLimited

PLACES = {
    "anna": {"lat": 48.8570, "lon": 2.3530},
    "berta": {"lat": 48.9, "lon": 2.4},
    "clara": {"lat": 45.764, "lon": 4.8357},
    "diana": {"lat": 40.7128, "lon": -74.006},
}


@pytest.fixture
async def town(people):
    """Bob looks; five women are there, one of them with her place unknown."""
    bob = await people("bob", sex=["female"])
    women = {
        name: await people(name, gender="female", age=25 + 3 * number, gps=gps, tags=["tea", "books", "chess"][:number])
        for number, (name, gps) in enumerate(PLACES.items())
    }
    women["elsa"] = await people("elsa", gender="female", age=60)
    return bob, women


async def names(person, **fields):
    return [card.login for card in (await person.research.search(**fields))]


async def test_sort_by_distance_puts_the_unknown_last_in_both_orders(town):
    bob, _ = town
    assert await names(bob, sort_by=1) == ["anna", "berta", "clara", "diana", "elsa"]
    assert await names(bob, sort_by=1, order="desc") == ["diana", "clara", "berta", "anna", "elsa"]


async def test_the_other_sorts_order_by_what_the_cards_show(town):
    bob, _ = town
    for sort_by, key in ((2, "age"), (0, "score"), (3, "fame")):
        for order in ("asc", "desc"):
            shown = [getattr(card, key) for card in await bob.research.search(sort_by=sort_by, order=order)]
            assert shown == sorted(shown, reverse=order == "desc"), (sort_by, order)
    common = [len(card.common_tags) for card in await bob.research.search(sort_by=4)]
    assert common == sorted(common, reverse=True)


async def test_the_best_comes_first_if_no_order_is_given(town):
    bob, _ = town
    for sort_by, order in ((0, "desc"), (1, "asc"), (2, "asc"), (3, "desc"), (4, "desc")):
        assert await names(bob, sort_by=sort_by) == await names(bob, sort_by=sort_by, order=order)
    assert await names(bob) == await names(bob, sort_by=0)


async def test_score_is_what_the_cards_say_and_its_parts_add_up(town):
    bob, _ = town
    for card in await bob.research.search():
        assert round(sum(card.why.values()), 2) == card.score
        assert set(card.why) == {"distance", "tags", "fame", "age"}


async def test_filters(town):
    bob, _ = town
    assert set(await names(bob, age_min=28, age_max=31)) == {"berta", "clara"}
    page = await bob.research.search(distance_max=9)
    assert {card.login for card in page} == {"anna", "berta"}
    assert page.distance_max == 10
    assert "elsa" not in await names(bob, distance_max=20000)
    assert set(await names(bob, tags=["TEA", "books"])) == {"clara", "diana"}
    assert set(await names(bob, common_tags_min=2)) == {"diana"}
    assert await names(bob, fame_min=1) == []
    assert len(await names(bob, fame_max=100)) == 5


async def test_genders_fit_both_ways(people, town):
    bob, women = town
    await women["anna"].profile.save(sex=["female"])
    await women["berta"].profile.save(sex=[])
    assert "anna" not in await names(bob)
    assert "berta" in await names(bob)
    await people("quiet")
    assert "quiet" not in await names(bob), "no gender: only for those who seek all"
    assert "quiet" in await names(women["berta"])
    await bob.profile.save(sex=None)
    assert "quiet" in await names(bob)


async def test_whom_i_like_block_or_am_blocked_by_is_not_there(town):
    bob, women = town
    await bob.relation.like(women["anna"].id)
    await bob.relation.block(women["berta"].id)
    await women["clara"].relation.block(bob.id)
    await women["diana"].relation.like(bob.id)
    assert set(await names(bob)) == {"diana", "elsa"}
    await bob.relation.unlike(women["anna"].id)
    assert "anna" in await names(bob)


async def test_pages_show_everybody_once_and_a_block_holds_from_the_next_page(people, town):
    bob, women = town
    for number in range(8):
        women[f"woman{number}"] = await people(f"woman{number}", gender="female", age=30)
    for sort_by in range(5):
        for order in ("asc", "desc"):
            seen = [card.login async for card in bob.research.all(sort_by=sort_by, order=order, limit=3)]
            assert sorted(seen) == sorted(women), (sort_by, order)
            whole = await names(bob, sort_by=sort_by, order=order, limit=50)
            assert seen == whole
    first = await bob.research.search(sort_by=2, limit=3)
    hidden = (await names(bob, sort_by=2, limit=50))[4]
    await women[hidden].relation.block(bob.id)
    rest = [card.login for card in await bob.research.search(sort_by=2, limit=50, cursor=first.cursor)]
    assert hidden not in rest
    assert len(rest) == len(women) - 3 - 1


async def test_a_cursor_goes_with_the_same_viewer_filters_and_hour(server, town):
    bob, women = town
    cursor = (await bob.research.search(sort_by=1, limit=2)).cursor
    for fields in ({"sort_by": 2}, {"sort_by": 1, "age_min": 20}, {"sort_by": 1, "order": "desc"}):
        with pytest.raises(InvalidPayload):
            await bob.research.search(**fields, cursor=cursor)
    with pytest.raises(InvalidPayload):
        await women["anna"].research.search(sort_by=1, cursor=cursor)
    server.clock.advance(3601)
    with pytest.raises(InvalidPayload):
        await bob.research.search(sort_by=1, cursor=cursor)


async def test_ties_fall_differently_for_different_viewers_and_days(people, server):
    for number in range(8):
        await people(f"woman{number}", age=30)
    one, other = await people("one", age=30), await people("other", age=30)
    hers = [name for name in await names(one, sort_by=2) if name.startswith("woman")]
    his = [name for name in await names(other, sort_by=2) if name.startswith("woman")]
    assert hers == [name for name in await names(one, sort_by=2) if name.startswith("woman")], "no dice a request"
    assert hers != his
    server.clock.advance(86_400)
    assert hers != [name for name in await names(one, sort_by=2) if name.startswith("woman")]


async def test_two_people_in_one_cell_cannot_be_told_apart(people):
    """Two victims at different ends of a cell: every viewer, sort and filter sees the same distance."""
    await people("left", gender="female", age=30, gps={"lat": 48.8571, "lon": 2.3411})
    await people("right", gender="female", age=30, gps={"lat": 48.8571, "lon": 2.3411 + 0.0001})
    bob = await people("bob")
    for lat, lon in ((48.85, 2.34), (48.9, 2.3), (45.0, 4.0), (0.0, 0.0)):
        await bob.profile.save(gps={"lat": lat, "lon": lon})
        left, right = sorted(await bob.research.search(sort_by=1), key=lambda card: card.login)
        assert (left.distance, left.score, left.why) == (right.distance, right.score, right.why)


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "socket_burst": 600})
async def test_searches_are_few_a_minute(alice):
    for _ in range(20):
        await alice.research.search()
    with pytest.raises(RateLimited):
        await alice.research.search()


@pytest.mark.config(research={"photo_required": True})
async def test_with_photos_required_nobody_without_one_is_found_or_likes(alice, bob):
    assert await names(bob) == []
    with pytest.raises(Exception, match="photo"):
        await bob.relation.like(alice.id)

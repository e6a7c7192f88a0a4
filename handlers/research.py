"""research: who might suit, best first."""

import hashlib
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from handlers import access
from handlers.card import Viewer, list_people
from handlers.matching import pages, score
from handlers.matching.age import latest_birth
from handlers.matching.cells import Cell
from handlers.matching.distance import COSINES, EDGES, Vector, round_up
from handlers.matching.look import FIRST_POOL, Look, Pool, Seen
from handlers.matching.outlook import Filters, Outlook
from handlers.matching.pages import Place
from server.context import Context
from server.ephemeral.presence import Here
from server.wire.answers import Card, Found, FunnelStep
from server.wire.errors import InvalidPayload, Unavailable
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Age, Cursor, Kilometres, Limit, Percent, PlaceId, SortBy, Tags
from sql import quota, research
from sql.candidate import SLOTS
from sql.eligible import BUCKETS, FILTERS
from sql.profile import GENDERS
from sql.quota import Act
from sql.research import UNKNOWN_LAST, Score, Search

_BEST_FIRST = {0: "desc", 1: "asc", 2: "asc", 3: "desc", 4: "desc"}
_SCORE = Score(
    near=tuple(score.NEAR[edge] for edge in EDGES),
    near_unknown=score.NEAR_UNKNOWN,
    tag=score.TAG,
    tags_counted=score.TAGS_COUNTED,
    fame_step=score.FAME_STEP,
    age=score.AGE,
    age_unknown=score.AGE_UNKNOWN,
)
_WHOLE_EARTH = -2.0
"""Less than any cosine: everybody whose place is known."""

_RECENTLY = timedelta(minutes=15)
"""Whoever is here was seen in the database so lately: it is told now and then."""

_FEW_HERE = 4000
"""If not more are here, those who are wanted to be online are looked for among them."""

_PATIENCE = 0.6
"""What part of the time that an event may wait for the database a search takes that finds nobody."""


def _in_order(fields: dict[str, Any]) -> None:
    """`age_min` is not above `age_max`, nor `fame_min` above `fame_max`."""
    for least, most in (("age_min", "age_max"), ("fame_min", "fame_max")):
        if least in fields and most in fields and fields[least] > fields[most]:
            raise InvalidPayload.of(least, "order", "The least cannot be above the most.")


@event("research", order=Order.CONCURRENT, cost=3, methods=("GET",), check=_in_order)
async def find(
    ctx: Context,
    *,
    sort_by: SortBy = 0,
    order: Literal["asc", "desc"] = ABSENT,
    age_min: Age = ABSENT,
    age_max: Age = ABSENT,
    distance_max: Kilometres = ABSENT,
    fame_min: Percent = ABSENT,
    fame_max: Percent = ABSENT,
    tags: Tags = ABSENT,
    common_tags_min: Percent = ABSENT,
    online: bool = ABSENT,
    place_id: PlaceId = ABSENT,
    limit: Limit = 20,
    cursor: Cursor | None = None,
) -> Found:
    """Return a page of those who are eligible; with `place_id` as if one were there, which counts as a move.

    `online` finds those who are seen to be here, or, if it is false, seen not to be; who hides it is neither.

    Raises RateLimited, InvalidPayload (no such town; an old or foreign cursor), Unavailable (nobody knows who is here).
    """
    reach = round_up(distance_max) if distance_max else None
    given = _given(
        age_min=age_min,
        age_max=age_max,
        distance_max=reach,
        fame_min=fame_min,
        fame_max=fame_max,
        tags=tags or None,
        common_tags_min=common_tags_min,
        online=online,
    )
    origin = _origin(ctx, place_id) if place_id else None
    direction = _BEST_FIRST[sort_by] if order is ABSENT else order
    asked = _Asked(sort_by, direction.upper(), given, limit)
    what = pages.fingerprint(ctx.user_id, asked[:-1], place_id)
    place = pages.read(ctx.services.tokens, what, cursor) if cursor else Place(ctx.today, None, ())
    await ctx.once("search", lambda: _count(ctx))
    if place_id and not cursor:
        await _travel(ctx, place_id)
    viewer, _ = await list_people(ctx, [])
    viewer.today, viewer.vector = place.day, origin or viewer.vector
    here = await ctx.services.presence.list_here(_FEW_HERE) if online else None
    look = _look(ctx, _search(ctx, viewer, given, place.day, here), asked, here)
    page = await _turn(ctx, look, asked, place) if viewer.own.show_online or online is None else _Page([], None, False)
    ids = [person.user_id for person in page.people]
    is_whole = not cursor and len(page.people) < limit and not page.partial
    funnel, loosen = await _funnel(look, given, len(page.people)) if is_whole else (None, None)
    return Found(
        users=await _cards(ctx, viewer, ids, online),
        cursor=place.cursor(ctx.services.tokens, what, page.rest, ids) if page.rest else None,
        distance_max=reach,
        partial=page.partial,
        funnel=funnel,
        loosen=loosen,
    )


class _Asked(NamedTuple):
    """What was asked for, beside the place to go on from."""

    sort_by: int
    order: str
    given: dict[str, Any]
    limit: int


class _Page(NamedTuple):
    """Those to show, where to go on if there may be more, and whether time was short."""

    people: list[research.Found]
    rest: research.Found | Pool | None
    partial: bool


def _given(**filters: Any) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}


async def _count(ctx: Context) -> None:
    ctx.services.searches.take(ctx.user_id)


def _origin(ctx: Context, place_id: int) -> Vector:
    position = ctx.services.places.position(place_id)
    if position is None:
        raise InvalidPayload.of("place_id", "not_found", "There is no such town.")
    return Cell.around(*position, ctx.services.places.population).vector


async def _travel(ctx: Context, place_id: int) -> None:
    """Count the first search of today from a town as a move: it is another point to measure others from."""
    if await quota.count_up(ctx.tx, user_id=ctx.user_id, act=Act.MOVE, day=ctx.today, target_id=place_id) == 1:
        await access.spend(ctx, ctx.user_id, Act.MOVE, limit="moves_day")


def _search(ctx: Context, viewer: Viewer, given: dict[str, Any], day: date, here: Here | None) -> Search:
    return Search(
        viewer_id=ctx.user_id,
        own_gender=viewer.own.gender,
        own_sex=viewer.own.sex,
        own_age=viewer.age_of(viewer.own),
        own_tags=viewer.tags,
        vector=viewer.vector if viewer.own.show_distance else None,
        today=day,
        cosines=COSINES,
        score=_SCORE,
        key=_key(ctx.user_id, day),
        genders=tuple(gender for gender in (0, *GENDERS.values()) if not viewer.own.sex or gender & viewer.own.sex),
        born_until=latest_birth(given["age_min"], day) if "age_min" in given else None,
        born_after=latest_birth(given["age_max"] + 1, day) if "age_max" in given else None,
        reach=_cosine(given.get("distance_max")),
        fame_min=given.get("fame_min"),
        fame_max=given.get("fame_max"),
        tags=tuple(given.get("tags", ())),
        common_min=given.get("common_tags_min", 0),
        shows_online=True if "online" in given else None,
        active_after=ctx.now - _RECENTLY if here and here.user_ids is None else None,
    )


def _cosine(reach: int | None) -> float | None:
    if reach is None:
        return None
    return COSINES[EDGES.index(reach)] if reach < EDGES[-1] else _WHOLE_EARTH


def _key(viewer_id: int, day: date) -> int:
    """Return what ties are made of with the slots of people: as good as a die for each viewer and day."""
    number = int.from_bytes(hashlib.sha256(f"{viewer_id}:{day}".encode()).digest())
    return number % SLOTS


# -- looking -----------------------------------------------------------------------------------------------------------


def _look(ctx: Context, search: Search, asked: _Asked, here: Here | None) -> Look:
    given = asked.given
    filters = Filters(
        genders=search.genders,
        own_gender=search.own_gender,
        today=search.today,
        age_min=given.get("age_min"),
        age_max=given.get("age_max"),
        bucket=EDGES.index(given["distance_max"]) if "distance_max" in given else None,
        fame_min=search.fame_min,
        fame_max=search.fame_max,
        tags=search.tags,
        own_tags=tuple(search.own_tags),
        common_min=search.common_min,
        here=here,
    )
    unknown = UNKNOWN_LAST[asked.order] if asked.sort_by else BUCKETS
    outlook = Outlook(ctx.services.sample, filters, search.vector, unknown)
    return Look(
        ctx.tx,
        search,
        outlook,
        order=asked.order,
        budget=ctx.config.research.budget,
        at_most=_PATIENCE * ctx.config.database.timeout,
    )


async def _turn(ctx: Context, look: Look, asked: _Asked, place: Place) -> _Page:
    """Return the next page: look on until it is full, nobody is left, or time is short."""
    people: list[research.Found] = []
    rests: list[research.Found | Pool] = []
    first: dict[int, research.Found] = {}  # who has changed between two looks may come twice
    after = place.after
    while True:
        seen = await _next(look, asked, after)
        fresh = [row for row in seen.people if first.setdefault(row.user_id, row) is row]
        fitting = await _fitting(ctx, fresh, place, asked.given.get("online"))
        people += fitting
        rests += [seen.pool._replace(last=person) if seen.pool else person for person in fitting]
        if len(people) > asked.limit:
            return _Page(people[: asked.limit], rests[asked.limit - 1], partial=False)
        if seen.rest is None or seen.partial or look.is_late(people):
            return _Page(people, seen.rest, partial=seen.rest is not None)
        after = seen.rest


async def _next(look: Look, asked: _Asked, after: research.Found | Pool | None) -> Seen:
    if asked.sort_by == 0:
        return await look.list_best(after if isinstance(after, Pool) else FIRST_POOL, asked.limit + 1)
    assert not isinstance(after, Pool)
    return await look.list_sorted(asked.sort_by, after, asked.limit + 1)


async def _fitting(ctx: Context, rows: list[research.Found], place: Place, online: bool | None) -> list[research.Found]:
    """Return those who were not shown yet, and who are here, or not, as was asked for."""
    fresh = [row for row in rows if place.is_new(row.user_id)]
    if online is None or not fresh:
        return fresh
    here = await ctx.services.presence.online([row.user_id for row in fresh])
    if here is None:
        raise Unavailable
    return [row for row in fresh if (row.user_id in here) is online]


# -- showing -----------------------------------------------------------------------------------------------------------


async def _cards(ctx: Context, viewer: Viewer, ids: list[int], online: bool | None) -> list[Card]:
    """Return their cards, made of the same as the search went by."""
    if not ids:
        return []
    _, crowd = await list_people(ctx, ids)
    if online is not None:
        crowd = crowd._replace(online=set(ids) if online else set())
    return [Card(**viewer.card(crowd.people[id], crowd)) for id in ids if id in crowd.people]


async def _funnel(look: Look, given: dict[str, Any], shown: int) -> tuple[list[FunnelStep], FunnelStep | None]:
    """Return how many each filter leaves of those that the ones before it left, and which one leaves out most.

    All are rounded: one more or less is hidden. Those who are left by all of them are on the page.
    """
    if not given:
        return [], None
    names = [name for name in FILTERS if name in given]
    left = await look.count_left(names)
    counts = {name: max(left.after[name], shown) for name in names}
    without = {name: left.without[name] for name in names}
    if "online" in given:  # who is here is not counted: what each other filter leaves out of them is not known
        without = {"online": left.after[FILTERS[-1]]}
    last = "online" if "online" in given else names[-1]
    steps = [FunnelStep(filter=name, left=round(count, -1)) for name, count in (counts | {last: shown}).items()]
    loosest = max(without, key=without.__getitem__)
    gain = round(without[loosest], -1)
    return steps, FunnelStep(filter=loosest, left=gain) if gain > round(shown, -1) else None

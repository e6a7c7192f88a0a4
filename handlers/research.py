"""research: who might suit, best first."""

import hashlib
import json
from typing import Any, Literal

from handlers.card import Viewer, list_cards, list_people
from handlers.matching import score
from handlers.matching.age import latest_birth
from handlers.matching.distance import COSINES, EDGES, round_up
from server.context import Context
from server.wire.answers import Found
from server.wire.errors import InvalidPayload
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Age, Cursor, Kilometres, Limit, Percent, SortBy, Tags
from sql import research
from sql.research import Score

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


def _in_order(fields: dict[str, Any]) -> None:
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
    common_tags_min: Percent = 0,
    limit: Limit = 20,
    cursor: Cursor | None = None,
) -> Found:
    """Return a page of those who are eligible. Raises RateLimited, InvalidPayload (an old or foreign cursor)."""
    await ctx.once("search", lambda: _count(ctx))
    viewer, _ = await list_people(ctx, [])
    reach = round_up(distance_max) if distance_max else None
    direction = _BEST_FIRST[sort_by] if order is ABSENT else order
    filters = {
        "born_until": latest_birth(age_min, ctx.today) if age_min else None,
        "born_after": latest_birth(age_max + 1, ctx.today) if age_max else None,
        "reach": _cosine(reach),
        "fame_min": fame_min,
        "fame_max": fame_max,
        "common_min": common_tags_min,
    }
    what = _fingerprint(ctx.user_id, sort_by, direction, filters, tags)
    after = ctx.services.tokens.read_page(what, cursor) if cursor else None
    found = await _list(ctx, viewer, sort_by, direction, filters, tags or [], after, limit + 1)
    shown, more = found[:limit], found[limit:]
    cards = await list_cards(ctx, [person.user_id for person in shown])
    return Found(
        users=[cards[person.user_id] for person in shown if person.user_id in cards],
        cursor=ctx.services.tokens.page(what, [shown[-1].value, shown[-1].tie, _day(ctx, after)]) if more else None,
        distance_max=reach,
    )


async def _count(ctx: Context) -> None:
    ctx.services.searches.take(ctx.user_id)


def _cosine(reach: int | None) -> float | None:
    if reach is None:
        return None
    return COSINES[EDGES.index(reach)] if reach < EDGES[-1] else _WHOLE_EARTH


def _fingerprint(*parts: Any) -> str:
    """A cursor goes with the same viewer, sort and filters only."""
    return "research." + hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]


def _day(ctx: Context, after: list[Any] | None) -> str:
    """Ties keep the order of the day on which the first page was asked for."""
    return str(after[2]) if after else ctx.today.isoformat()


async def _list(
    ctx: Context,
    viewer: Viewer,
    sort_by: int,
    order: str,
    filters: dict[str, Any],
    tags: list[str],
    after: list[Any] | None,
    limit: int,
) -> list[research.Found]:
    return await research.list_found(
        ctx.tx,
        sort_by=sort_by,
        order=order.upper(),
        score=_SCORE,
        edges=EDGES,
        cosines=COSINES,
        vector=viewer.own.vector,
        own_tags=viewer.tags,
        tags=tags,
        today=ctx.today,
        after=(after[0], after[1]) if after else None,
        viewer_id=ctx.user_id,
        own_gender=viewer.own.gender,
        own_sex=viewer.own.sex,
        own_age=viewer.age_of(viewer.own),
        seed=f":{ctx.user_id}:{_day(ctx, after)}",
        limit=limit,
        **filters,
    )

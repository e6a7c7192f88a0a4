"""Visits: who looked at one's profile. Looking is `profile`, which notes the visit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from handlers import access, crowd
from handlers.card import list_cards
from handlers.crowd import Locked, Quotas
from handlers.notices import News, hears
from server.context import Context
from server.wire.answers import Visit, Visits, iso
from server.wire.events import Order, event
from server.wire.fields import Cursor, Limit
from server.wire.pushes import Notice
from sql import relation, visit
from sql.quota import Act
from sql.relation import Pair

_EVERY = timedelta(minutes=60)


@event("user/history", order=Order.CONCURRENT, methods=("GET",))
async def list_visits(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Visits:
    """Return who visited one, newest first, each person once."""
    listed, after = await access.list_page(ctx, "visits", visit.list_before, limit=limit, cursor=cursor)
    cards = await list_cards(ctx, [row.other_id for row in listed])
    visits = [Visit(user=cards[row.other_id], visited_at=iso(row.at)) for row in listed if row.other_id in cards]
    return Visits(visits=visits, cursor=after)


async def note_look(ctx: Context, target_user_id: int) -> None:
    """Count a look at a profile, and note it as a visit, if one is due, which mostly none is. Last of all reads."""
    look = Look(ctx.user_id, target_user_id)
    look.is_visit = _is_due(ctx, await visit.list_at(ctx.tx, keys=[look.visit]), look)
    await ctx.batch(note, look)


class Look(crowd.Draft):
    """Somebody's look at somebody else's profile, seen to be allowed; a visit needs that to be so still."""

    __slots__ = ("is_visit", "visit")

    def __init__(self, user_id: int, target_id: int) -> None:
        super().__init__(user_id, target_id)
        self.visit = (target_id, user_id)
        self.is_visit = True


def _is_due(ctx: Context, noted: dict[tuple[int, int], datetime], look: Look) -> bool:
    at = noted.get(look.visit)
    return at is None or at <= ctx.now - _EVERY


@dataclass(slots=True)
class _Batch:
    """What is known of the people of a batch, and which visits are noted."""

    ctx: Context
    locked: Locked[Pair]
    quotas: Quotas
    visited: dict[tuple[int, int], datetime]
    new: set[tuple[int, int]] = field(default_factory=set)
    news: News = field(default_factory=News)


async def note(ctx: Context, looks: list[Look], wait: bool) -> Sequence[Exception | None]:
    """Count the looks of many, note the visits, and return for each nothing, or why it is refused."""
    visits = [look for look in looks if look.is_visit]
    locked = await crowd.lock(ctx, visits, relation.lock_all, wait=wait)
    allowed = crowd.allowed(looks, partial(_check, locked))
    quotas = await crowd.lock_quotas(ctx, Act.PROFILE, {(look.user_id, 0) for look in allowed})
    # Only now: who counts somebody's looks is the only one who notes visits of theirs.
    visited = await visit.list_at(ctx.tx, keys={look.visit for look in visits})
    batch = _Batch(ctx, locked, quotas, visited)
    results = crowd.settle(looks, partial(_note, batch))
    quotas.write()
    visit.upsert(ctx.tx, keys=batch.new)
    await batch.news.write(ctx)
    return results


def _check(locked: Locked[Pair], look: Look) -> Pair | None:
    return crowd.get_visible_pair(locked, look) if look.is_visit else None


def _note(batch: _Batch, look: Look) -> None:
    pair = _check(batch.locked, look)
    batch.quotas.take(look.user_id, {0: "profiles_day"})
    if look.is_visit and look.visit not in batch.new and _is_due(batch.ctx, batch.visited, look):
        batch.new.add(look.visit)
        if pair is None or hears(pair, look.target_id, Notice.VISIT):
            batch.news.tell(look.target_id, Notice.VISIT, look.user_id)

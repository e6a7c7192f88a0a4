"""Visits: who looked at one's profile. Looking is `profile`, which notes the visit."""

from handlers import access
from handlers.card import list_cards
from server.context import Context
from server.wire.answers import Visit, Visits, iso
from server.wire.events import Order, event
from server.wire.fields import Cursor, Limit
from sql import visit


@event("user/history", order=Order.CONCURRENT, methods=("GET",))
async def list_visits(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Visits:
    """Return who visited one, newest first, each person once."""
    listed, after = await access.list_page(ctx, "visits", visit.list_before, limit=limit, cursor=cursor)
    cards = await list_cards(ctx, [row.other_id for row in listed])
    visits = [Visit(user=cards[row.other_id], visited_at=iso(row.at)) for row in listed if row.other_id in cards]
    return Visits(visits=visits, cursor=after)

"""Connections: those one is connected with, and the news that one began or ended."""

from handlers import access
from handlers.card import as_seen_by, list_cards
from server.context import Context
from server.wire.answers import Card, Connection, Connections, Shape, iso
from server.wire.events import Order, event
from server.wire.fields import Cursor, Limit
from server.wire.pushes import ConnectionChanged, Kind, Push, renders
from sql import message, profile, relation


@event("user/connections", order=Order.CONCURRENT, methods=("GET",))
async def list_connections(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Connections:
    """Return those one is connected with, last activity first."""
    listed, after = await access.list_page(ctx, "connections", relation.list_connected, limit=limit, cursor=cursor)
    return Connections(connections=await _connections(ctx, [place.other_id for place in listed]), cursor=after)


async def _connections(ctx: Context, user_ids: list[int]) -> list[Connection]:
    cards = await list_cards(ctx, user_ids)
    keys = [relation.key(ctx.user_id, user_id) for user_id in user_ids]
    pairs = await relation.list_by_key(ctx.tx, keys=keys)
    newest = {key: (*key, pair.last_seq) for key, pair in pairs.items()}
    last = await message.list_by_key(ctx.tx, keys=list(newest.values()))
    tellers = await profile.list_with_receipts(ctx.tx, user_ids=user_ids)
    return [
        Connection(
            user=card,
            connected_at=iso(pair.connected_at),
            last_message=as_seen_by(ctx.user_id, last[newest[key]]) if newest[key] in last else None,
            unread=pair.side(ctx.user_id).unread,
            their_read_seq=pair.side(user_id).read_seq if user_id in tellers else None,
        )
        for key, user_id in zip(keys, user_ids, strict=True)
        if (pair := pairs.get(key)) and pair.connected and pair.connected_at  # it may have ended meanwhile
        if (card := cards.get(user_id))
    ]


@renders(Kind.CONNECTION)
async def render_connection(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `connection`; that one has ended tells nothing but the id, so it is always shown."""
    opened = [push.other_id for push in pushes if push.number]
    visible = await access.list_visible(ctx, opened) if opened else set()
    cards = await list_cards(ctx, sorted(visible))
    return [_connection(push, cards.get(push.other_id)) for push in pushes]


def _connection(push: Push, card: Card | None) -> Shape | None:
    if not push.number:
        return ConnectionChanged(user_id=push.other_id, state="closed")
    return ConnectionChanged(user_id=push.other_id, state="connected", user=card) if card else None

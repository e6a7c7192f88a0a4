"""Relations: likes, requests, connections and blocks, and the one table that says how they follow on each other."""

from collections.abc import Callable
from datetime import datetime, timedelta

from handlers import access
from handlers.card import as_seen_by, list_cards
from server.context import Context
from server.wire.answers import Connection, Connections, Liked, Nothing, Requested, Shape, iso
from server.wire.errors import InvalidPayload, NotFound, PhotoRequired
from server.wire.events import Order, event
from server.wire.fields import Cursor, Limit, Login, UserId
from server.wire.pushes import ConnectionChanged, Kind, Push, renders
from sql import account, message, relation
from sql.account import State
from sql.quota import Act
from sql.relation import Pair

# -- the transition table: what each act of `me` does to the pair ------------------------------------------------------
#
#   act         my like      their like   connected            my mute   my block
#   like        set          –            if they like me      off       –
#   request     set, asked   –            if they like me      off       –
#   unlike      withdrawn    –            ended                on        –
#   disconnect  withdrawn    withdrawn    ended                on        –
#   block       withdrawn    withdrawn    ended                –         set
#   unblock     –            –            –                    –         lifted
#
# A like and a request come only where no block stands; the others at any time.


def like(pair: Pair, me: int, now: datetime, *, request: bool = False) -> None:
    """I wish for this person; two wishes meet → connected."""
    mine, theirs = pair.side(me), pair.side(pair.other(me))
    mine.liked_at = mine.liked_at or now
    mine.requested = mine.requested or request
    mine.muted = False
    if theirs.liked_at and not pair.connected:
        pair.connected, pair.connected_at, pair.active_at = True, now, now


def unlike(pair: Pair, me: int) -> None:
    """I take my wish back, and hear no more of this person."""
    _withdraw(pair, me)
    pair.side(me).muted = True
    pair.connected = False


def disconnect(pair: Pair, me: int) -> None:
    """Both wishes are gone; what was written stays readable."""
    unlike(pair, me)
    _withdraw(pair, pair.other(me))


def block(pair: Pair, me: int, now: datetime) -> None:
    """Nothing crosses any more, in either direction."""
    _withdraw(pair, me)
    _withdraw(pair, pair.other(me))
    pair.connected = False
    pair.side(me).blocked_at = pair.side(me).blocked_at or now


def unblock(pair: Pair, me: int) -> None:
    """The block is lifted; nothing comes back by itself."""
    pair.side(me).blocked_at = None


def _withdraw(pair: Pair, user_id: int) -> None:
    side = pair.side(user_id)
    side.liked_at, side.requested = None, False


# -- events ------------------------------------------------------------------------------------------------------------


@event("user/like", methods=("GET",))
async def like_somebody(ctx: Context, *, target_user_id: UserId) -> Liked:
    """Like somebody, quietly. Raises NotFound, PhotoRequired, RateLimited."""
    pair = await _wish(ctx, target_user_id, request=False)
    return Liked(liked=True, connected=pair.connected)


@event("user/connect", methods=("GET",))
async def request_connection(ctx: Context, *, target_id: Login) -> Requested:
    """Ask somebody, by login, to be connected. Raises NotFound, PhotoRequired, RateLimited."""
    target = await account.get_by_login(ctx.tx, login=target_id)
    if target is None:
        raise NotFound
    if target.id == ctx.user_id:
        raise InvalidPayload.of("target_id", "self", "This is yourself.")
    pair = await _wish(ctx, target.id, request=True)
    return Requested(state="connected" if pair.connected else "requested")


async def _wish(ctx: Context, target_user_id: int, *, request: bool) -> Pair:
    pair = await access.lock_visible_pair(ctx, target_user_id)
    if ctx.config.research.photo_required:
        raise PhotoRequired
    if pair.side(ctx.user_id).liked_at is None:
        await access.spend(ctx, ctx.user_id, Act.LIKE, limit="likes_day")
        await access.spend(ctx, ctx.user_id, Act.LIKE, limit="like_cycles_day", target_id=target_user_id)
    was_connected = pair.connected
    like(pair, ctx.user_id, ctx.now, request=request)
    await _save(ctx, pair, was_connected)
    return pair


async def _save(ctx: Context, pair: Pair, was_connected: bool) -> None:
    """Write the pair, and tell both when they have come together or parted."""
    await relation.update(ctx.tx, pair)
    if pair.connected != was_connected:
        for user_id in (pair.low_id, pair.high_id):
            ctx.tx.push(user_id, Push(Kind.CONNECTION, pair.other(user_id), int(pair.connected)))


@event("user/unlike")
async def unlike_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Take a like back; that ends a connection. Any id will do."""
    return await _end(ctx, target_user_id, unlike)


@event("user/disconnect", methods=("GET",))
async def end_connection(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """End a connection for both; what was written stays readable. Any id will do."""
    return await _end(ctx, target_user_id, disconnect)


async def _end(ctx: Context, target_user_id: int, act: Callable[[Pair, int], None]) -> Nothing:
    if pair := await access.lock_any_pair(ctx, target_user_id):
        was_connected = pair.connected
        act(pair, ctx.user_id)
        await _save(ctx, pair, was_connected)
    return Nothing()


@event("user/block", methods=("GET",))
async def block_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Block somebody: to each the other is gone. Raises NotFound."""
    access.not_oneself(ctx, target_user_id)
    is_there = await access.lock_standing(ctx, target_user_id)
    if not is_there:
        raise NotFound
    pair = await relation.lock_or_insert(ctx.tx, **relation.key(ctx.user_id, target_user_id)._asdict())
    if pair.side(target_user_id).blocked_at:
        raise NotFound
    was_connected = pair.connected
    block(pair, ctx.user_id, ctx.now)
    await _save(ctx, pair, was_connected)
    ctx.tx.mark_stale(ctx.user_id, target_user_id)
    return Nothing()


@event("user/unblock", methods=("GET",))
async def unblock_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Lift a block; nothing comes back by itself. Any id will do."""
    if pair := await access.lock_any_pair(ctx, target_user_id):
        unblock(pair, ctx.user_id)
        await relation.update(ctx.tx, pair)
    return Nothing()


@event("user/connections", order=Order.CONCURRENT, methods=("GET",))
async def list_connections(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Connections:
    """Return those one is connected with, last activity first."""
    what = f"connections.{ctx.user_id}"
    milliseconds, other_id = ctx.services.tokens.read_page(what, cursor) if cursor else (_END, 0)
    active_at = _EPOCH + timedelta(milliseconds=milliseconds)
    pairs = await relation.list_connected(
        ctx.tx, user_id=ctx.user_id, active_at=active_at, other_id=other_id, limit=limit + 1
    )
    shown, more = pairs[:limit], pairs[limit:]
    place = [_milliseconds(shown[-1]), shown[-1].other(ctx.user_id)] if more else None
    return Connections(
        connections=await _connections(ctx, shown), cursor=ctx.services.tokens.page(what, place) if place else None
    )


_EPOCH = datetime.fromisoformat("1970-01-01")
_END = 253_402_300_799_000


def _milliseconds(pair: Pair) -> int:
    assert pair.active_at is not None, "set with the connection"
    return round((pair.active_at - _EPOCH).total_seconds() * 1000)


async def _connections(ctx: Context, pairs: list[Pair]) -> list[Connection]:
    states = await account.list_states(ctx.tx, ids=[pair.other(ctx.user_id) for pair in pairs])
    there = [pair for pair in pairs if states.get(pair.other(ctx.user_id)) is State.ACTIVE]
    cards = await list_cards(ctx, [pair.other(ctx.user_id) for pair in there])
    keys = [(pair.low_id, pair.high_id, pair.last_seq) for pair in there]
    last = await message.list_by_key(ctx.tx, keys=keys)
    return [
        Connection(
            user=cards[pair.other(ctx.user_id)],
            connected_at=iso(pair.connected_at) if pair.connected_at else "",
            last_message=as_seen_by(ctx.user_id, last[key]) if key in last else None,
            unread=pair.side(ctx.user_id).unread,
            their_read_seq=pair.side(pair.other(ctx.user_id)).read_seq,
        )
        for pair, key in zip(there, keys, strict=True)
    ]


@renders(Kind.CONNECTION)
async def render_connection(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `connection`; that one has ended tells nothing but the id, so it is always shown."""
    opened = [push.other_id for push in pushes if push.number]
    visible = await access.list_visible(ctx, opened) if opened else set()
    cards = await list_cards(ctx, sorted(visible))
    return [_connection(push, cards.get(push.other_id)) for push in pushes]


def _connection(push: Push, card: object) -> Shape | None:
    if not push.number:
        return ConnectionChanged(user_id=push.other_id, state="closed")
    return ConnectionChanged(user_id=push.other_id, state="connected", user=card) if card else None

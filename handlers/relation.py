"""Relations: likes, requests, passes and blocks. How they follow on each other is in `handlers.stance`."""

from collections.abc import Callable
from copy import deepcopy

from handlers import access
from handlers.card import list_cards
from handlers.notices import notify, withdraw
from handlers.stance import (
    Stance,
    block,
    changed,
    changes,
    disconnect,
    liked_otherwise,
    pass_over,
    stance,
    unblock,
    unlike,
    unpass,
)
from handlers.wish import Wish, fulfil
from server.context import Context
from server.wire.answers import Block, Blocks, Like, Liked, Likes, Nothing, Requested, Shape, iso
from server.wire.errors import InvalidPayload, NotFound
from server.wire.events import Order, event
from server.wire.fields import Cursor, Limit, Login, UserId
from server.wire.pushes import Kind, Notice, Push, renders
from sql import account, popularity, relation, visit
from sql import block as blocks
from sql.relation import Pair


@event("user/like", methods=("GET",), pushes=("connection", "relation/changed", "notification"))
async def like_somebody(ctx: Context, *, target_user_id: UserId) -> Liked:
    """Like somebody, quietly. Raises NotFound, PhotoRequired, RateLimited."""
    access.not_oneself(ctx, target_user_id)
    connected = await ctx.batch(fulfil, Wish(ctx.user_id, target_user_id, request=False))
    return Liked(liked=True, connected=connected)


@event("user/connect", methods=("GET",), pushes=("connection", "relation/changed", "notification"))
async def request_connection(ctx: Context, *, target_id: Login) -> Requested:
    """Ask somebody, by login, to be connected. Raises NotFound, PhotoRequired, RateLimited."""
    target = await account.get_by_login(ctx.tx, login=target_id)
    if target is None:
        raise NotFound
    if target.id == ctx.user_id:
        raise InvalidPayload.of("target_id", "self", "This is yourself.")
    connected = await ctx.batch(fulfil, Wish(ctx.user_id, target.id, request=True))
    return Requested(state="connected" if connected else "requested")


async def _save(ctx: Context, before: Pair, pair: Pair) -> None:
    """Write what an act has changed, and tell each side's sockets what they should show otherwise now."""
    if pair == before:
        return
    relation.update(ctx.tx, [pair])
    popularity.note(ctx.tx, user_ids=liked_otherwise(before, pair))
    for user_id, push, live in changes(ctx.user_id, before, pair):
        ctx.tx.push(user_id, push, live)


@event("user/unlike", pushes=("connection", "relation/changed", "notification"))
async def unlike_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Take a like back; that ends a connection. Any id will do."""
    return await _take_back(ctx, target_user_id, unlike, begin=True)


@event("user/disconnect", methods=("GET",), pushes=("connection", "relation/changed", "notification"))
async def end_connection(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """End a connection for both; what was written stays readable. Any id will do."""
    return await _take_back(ctx, target_user_id, disconnect, begin=True)


async def _take_back(
    ctx: Context, target_user_id: int, act: Callable[[Pair, int], None], *, begin: bool = False
) -> Nothing:
    """Do what may be done to any id; with somebody unknown so far it begins the pair, where it leaves a trace."""
    pair, is_there = await access.lock_any_pair(ctx, target_user_id, begin=begin)
    if pair is None:
        return Nothing()
    before = deepcopy(pair)
    act(pair, ctx.user_id)
    if is_there:
        await _save(ctx, before, pair)
        await _tell_of_end(ctx, before, pair)
    else:
        relation.update(ctx.tx, [pair])  # a push would tell who has blocked one from who is gone
    return Nothing()


async def _tell_of_end(ctx: Context, before: Pair, pair: Pair) -> None:
    """Take back from each what is no longer so, and note that a connection has ended to the other."""
    for user_id in (pair.low_id, pair.high_id):
        other_id = pair.other(user_id)
        over = [Notice.MATCH, Notice.MESSAGE] if before.connected and not pair.connected else []
        if stance(before, other_id).liked and not stance(pair, other_id).liked:
            over += [Notice.LIKE, Notice.REQUEST]
        if over:
            await withdraw(ctx, user_id, other_id, *over)
    if before.connected and not pair.connected:
        await notify(ctx, pair, pair.other(ctx.user_id), Notice.UNLIKE)


@event("user/pass", pushes=("relation/changed",))
async def pass_over_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Note that one is not interested: search shows this person no more. Raises NotFound."""
    pair = await access.lock_visible_pair(ctx, target_user_id)
    before = deepcopy(pair)
    pass_over(pair, ctx.user_id, ctx.now)
    await _save(ctx, before, pair)
    return Nothing()


@event("user/unpass", pushes=("relation/changed",))
async def unpass_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Undo a pass. Any id will do."""
    return await _take_back(ctx, target_user_id, unpass)


@event("user/block", methods=("GET",), pushes=("connection", "relation/changed"))
async def block_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Block somebody: to each the other is gone. Raises NotFound."""
    pair, is_there = await access.lock_any_pair(ctx, target_user_id, begin=True)
    if pair and pair.side(ctx.user_id).blocked_at:
        return Nothing()
    target = await account.get(ctx.tx, id=target_user_id)
    if not (pair and is_there and target):
        raise NotFound
    before = deepcopy(pair)
    block(pair, ctx.user_id, ctx.now)
    await blocks.insert(ctx.tx, user_id=ctx.user_id, other_id=target_user_id, login=target.login)
    await _save(ctx, before, pair)
    for user_id in (pair.low_id, pair.high_id):
        await visit.delete(ctx.tx, user_id=user_id, visitor_id=pair.other(user_id))
        await withdraw(ctx, user_id, pair.other(user_id))
    ctx.tx.mark_stale(ctx.user_id, target_user_id)
    return Nothing()


@event("user/unblock", methods=("GET",), pushes=("relation/changed",))
async def unblock_somebody(ctx: Context, *, target_user_id: UserId) -> Nothing:
    """Lift a block; nothing comes back by itself. Any id will do."""
    answer = await _take_back(ctx, target_user_id, unblock)
    await blocks.delete(ctx.tx, user_id=ctx.user_id, other_id=target_user_id)
    return answer


# -- lists and news ----------------------------------------------------------------------------------------------------


@event("user/likes", order=Order.CONCURRENT, methods=("GET",))
async def list_likes(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Likes:
    """Return who likes one and is not connected, newest first."""
    listed, after = await access.list_page(ctx, "likes", relation.list_likers, limit=limit, cursor=cursor)
    cards = await list_cards(ctx, [liker.other_id for liker in listed])
    likes = [
        Like(user=cards[liker.other_id], kind="request" if liker.requested else "like", liked_at=iso(liker.at))
        for liker in listed
        if liker.other_id in cards
    ]
    return Likes(likes=likes, cursor=after)


@event("user/blocks", order=Order.CONCURRENT, methods=("GET",))
async def list_blocks(ctx: Context, *, limit: Limit = 20, cursor: Cursor | None = None) -> Blocks:
    """Return one's black list, newest first, also those who are gone since."""
    listed, after = await access.list_page(
        ctx, "blocks", blocks.list_before, limit=limit, cursor=cursor, may_see=_everybody
    )
    return Blocks(
        blocks=[Block(user_id=row.other_id, login=row.login, blocked_at=iso(row.at)) for row in listed], cursor=after
    )


async def _everybody(ctx: Context, user_ids: list[int]) -> set[int]:
    return set(user_ids)


@renders(Kind.RELATION_CHANGED)
async def render_changed(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `relation/changed` as one stands now; of those who are gone only who is on one's black list."""
    user_ids = list({push.other_id for push in pushes})
    visible = await access.list_visible(ctx, user_ids)
    pairs = await relation.list_by_key(ctx.tx, keys=[relation.key(ctx.user_id, user_id) for user_id in user_ids])
    mine = {pair.other(ctx.user_id): stance(pair, ctx.user_id) for pair in pairs.values()}
    return [_changed(push.other_id, mine.get(push.other_id), push.other_id in visible) for push in pushes]


def _changed(user_id: int, now: Stance | None, is_visible: bool) -> Shape | None:
    if now is None or not (now.blocked or is_visible):
        return None
    return changed(user_id, now)

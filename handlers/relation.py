"""Relations: likes, requests, passes and blocks, and the one table that says how they follow on each other."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import NamedTuple

from handlers import access
from handlers.card import list_cards
from handlers.notices import notify, withdraw
from server.context import Context
from server.wire.answers import Block, Blocks, Like, Liked, Likes, Nothing, Requested, Shape, iso
from server.wire.errors import InvalidPayload, NotFound
from server.wire.events import Order, event
from server.wire.fields import Cursor, Limit, Login, UserId
from server.wire.pushes import Kind, Notice, Push, RelationChanged, renders
from sql import account, popularity, relation, visit
from sql import block as blocks
from sql.quota import Act
from sql.relation import Pair

# -- the transition table: what each act of `me` does to the pair ------------------------------------------------------
#
#   act         my like      their like   connected            my pass   my mute   my block
#   like        set          –            if they like me      lifted    off       –
#   request     set, asked   –            if they like me      lifted    off       –
#   unlike      withdrawn    –            ended                –         on        –
#   disconnect  withdrawn    withdrawn    ended                –         on        –
#   pass        –            –            –                    set       –         –
#   unpass      –            –            –                    lifted    –         –
#   block       withdrawn    withdrawn    ended                –         –         set
#   unblock     –            –            –                    –         –         lifted
#
# A like, a request and a pass come only where no block stands; the others at any time.


def like(pair: Pair, me: int, now: datetime, *, request: bool = False) -> None:
    """I wish for this person; two wishes meet → connected."""
    mine, theirs = pair.side(me), pair.side(pair.other(me))
    mine.liked_at = mine.liked_at or now
    mine.requested = mine.requested or request
    mine.passed_at = None
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


def pass_over(pair: Pair, me: int, now: datetime) -> None:
    """I don't want to be shown this person."""
    pair.side(me).passed_at = pair.side(me).passed_at or now


def unpass(pair: Pair, me: int) -> None:
    """I may be shown this person again."""
    pair.side(me).passed_at = None


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


class Stance(NamedTuple):
    """How one of two stands to the other, by own acts."""

    liked: bool
    requested: bool
    passed: bool
    blocked: bool


def stance(pair: Pair, user_id: int) -> Stance:
    """Return how one of the two stands to the other."""
    side = pair.side(user_id)
    return Stance(bool(side.liked_at), side.requested, bool(side.passed_at), bool(side.blocked_at))


# -- events ------------------------------------------------------------------------------------------------------------


@event("user/like", methods=("GET",), pushes=("connection", "relation/changed", "notification"))
async def like_somebody(ctx: Context, *, target_user_id: UserId) -> Liked:
    """Like somebody, quietly. Raises NotFound, PhotoRequired, RateLimited."""
    pair = await _wish(ctx, target_user_id, request=False)
    return Liked(liked=True, connected=pair.connected)


@event("user/connect", methods=("GET",), pushes=("connection", "relation/changed", "notification"))
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
    await access.require_photo(ctx)
    before = deepcopy(pair)
    if before.side(ctx.user_id).liked_at is None:
        await access.spend(ctx, ctx.user_id, Act.LIKE, limit="likes_day")
        await access.spend(ctx, ctx.user_id, Act.LIKE, limit="like_cycles_day", target_id=target_user_id)
    like(pair, ctx.user_id, ctx.now, request=request)
    await _save(ctx, before, pair)
    await _tell_of_wish(ctx, before, pair)
    return pair


async def _save(ctx: Context, before: Pair, pair: Pair) -> None:
    """Write what an act has changed, and tell each side's sockets what they should show otherwise now."""
    if pair == before:
        return
    await relation.update(ctx.tx, pair)
    liked_otherwise = [
        pair.other(side)
        for side in (pair.low_id, pair.high_id)
        if (pair.side(side).liked_at is None) != (before.side(side).liked_at is None)
    ]
    await popularity.note(ctx.tx, user_ids=liked_otherwise)
    for user_id in (pair.low_id, pair.high_id):
        if pair.connected != before.connected:
            ctx.tx.push(user_id, Push(Kind.CONNECTION, pair.other(user_id), int(pair.connected)))
        is_told = user_id == ctx.user_id or not access.is_hidden(pair)  # the other does not hear of a block
        if is_told and stance(pair, user_id) != stance(before, user_id):
            ctx.tx.push(user_id, Push(Kind.RELATION_CHANGED, pair.other(user_id)))


async def _tell_of_wish(ctx: Context, before: Pair, pair: Pair) -> None:
    """Note what a wish is to those whom it concerns: a match, a request or a like."""
    target_user_id = pair.other(ctx.user_id)
    was, is_now = stance(before, ctx.user_id), stance(pair, ctx.user_id)
    if pair.connected and not before.connected:
        for user_id in (pair.low_id, pair.high_id):
            await notify(ctx, pair, user_id, Notice.MATCH)
    elif not pair.connected and is_now.requested and not was.requested:
        await notify(ctx, pair, target_user_id, Notice.REQUEST)
    elif not was.liked:
        await notify(ctx, pair, target_user_id, Notice.LIKE)


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
        await relation.update(ctx.tx, pair)  # a push would tell who has blocked one from who is gone
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
    return RelationChanged(user_id=user_id, liked=now.liked, passed=now.passed, blocked=now.blocked)

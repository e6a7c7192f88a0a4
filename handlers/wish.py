"""Wishes: what many like, or ask to be connected with, at once, in the three steps of `handlers.crowd`."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

from handlers import crowd
from handlers.crowd import Locked, Quotas
from handlers.notices import News, hears
from handlers.stance import changes, like, stance
from server.context import Context
from server.wire.errors import PhotoRequired
from server.wire.pushes import Notice
from sql import photo, popularity, relation
from sql.quota import Act
from sql.relation import Key, Pair


class Wish(crowd.Draft):
    """Somebody's wish for somebody else."""

    __slots__ = ("request",)

    def __init__(self, user_id: int, target_id: int, *, request: bool) -> None:
        super().__init__(user_id, target_id)
        self.request = request


@dataclass(slots=True)
class _Batch:
    """What is known of the people of a batch, and what becomes of what is between them."""

    ctx: Context
    locked: Locked[Pair]
    with_photo: set[int]
    new: dict[Key, Pair] = field(default_factory=dict)
    changed: dict[Key, Pair] = field(default_factory=dict)
    news: News = field(default_factory=News)
    liked: set[int] = field(default_factory=set)
    """Who has come to be liked."""

    def pair(self, wish: Wish) -> Pair:
        """Return what is between the two by now."""
        return self.locked.pairs.get(wish.key) or self.new.get(wish.key) or Pair(*wish.key)


async def fulfil(ctx: Context, wishes: list[Wish], wait: bool) -> Sequence[bool | Exception]:
    """Note the wishes of many, and return for each whether the two are connected now, or why it is refused."""
    owners = photo.list_owners(ctx.tx, user_ids={wish.user_id for wish in wishes})
    locked = await crowd.lock(ctx, wishes, relation.lock_all, owners, wait=wait)
    batch = _Batch(ctx, locked, *locked.read)
    unheard = [wish for wish in crowd.allowed(wishes, partial(_check, batch)) if not _is_liked(batch, wish)]
    counters = {(wish.user_id, target_id) for wish in unheard for target_id in _limits(wish)}
    quotas = await crowd.lock_quotas(ctx, Act.LIKE, counters)
    results = crowd.settle(wishes, partial(_wish, batch, quotas))
    quotas.write()
    await relation.insert(ctx.tx, batch.new.values())
    relation.update(ctx.tx, batch.changed.values())
    popularity.note(ctx.tx, user_ids=batch.liked)
    await batch.news.write(ctx)
    return results


def _check(batch: _Batch, wish: Wish) -> None:
    crowd.get_visible_pair(batch.locked, wish)
    if wish.user_id not in batch.with_photo:
        raise PhotoRequired


def _is_liked(batch: _Batch, wish: Wish) -> bool:
    return batch.pair(wish).side(wish.user_id).liked_at is not None


def _limits(wish: Wish) -> dict[int, str]:
    return {0: "likes_day", wish.target_id: "like_cycles_day"}


def _wish(batch: _Batch, quotas: Quotas, wish: Wish) -> bool:
    _check(batch, wish)
    if not _is_liked(batch, wish):
        quotas.take(wish.user_id, _limits(wish))
        batch.liked.add(wish.target_id)
    pair = batch.pair(wish)
    before = deepcopy(pair)
    like(pair, wish.user_id, batch.ctx.now, request=wish.request)
    if pair != before:
        (batch.changed if wish.key in batch.locked.pairs else batch.new)[wish.key] = pair
        _tell(batch.news, wish, before, pair)
    return pair.connected


def _tell(news: News, wish: Wish, before: Pair, pair: Pair) -> None:
    """Tell what has changed, and what the wish is to those whom it concerns: a match, a request or a like."""
    for user_id, push, live in changes(wish.user_id, before, pair):
        news.push(user_id, push, live)
    was, is_now = stance(before, wish.user_id), stance(pair, wish.user_id)
    told: dict[int, Notice] = {}
    if pair.connected and not before.connected:
        told = dict.fromkeys((pair.low_id, pair.high_id), Notice.MATCH)
    elif not pair.connected and is_now.requested and not was.requested:
        told = {wish.target_id: Notice.REQUEST}
    elif not was.liked:
        told = {wish.target_id: Notice.LIKE}
    for user_id, notice in told.items():
        if hears(pair, user_id, notice):
            news.tell(user_id, notice, pair.other(user_id))

"""Presence: who is here, said by themselves or by their sockets, and told to those they are connected with.

Being here means to have a socket, or to have said so within five minutes. `last_seen` is the last time that somebody
was here in this sense: a phone that answers pings in a pocket counts.
"""

from collections.abc import Collection
from typing import NamedTuple

from handlers import access
from handlers.card import Viewer
from server.context import Context
from server.wire import answers
from server.wire.answers import Watched
from server.wire.events import event
from server.wire.fields import UserIds
from sql import account, presence, profile, relation
from sql.account import State
from sql.relation import Pair

_HIDDEN = answers.Presence(online=None, last_seen=None)


@event("user/set_online", methods=("GET",), pushes=("presence",))
async def set_online(ctx: Context) -> bool:
    """Be here for five minutes without a socket, as long as there is one with it, and no longer away.

    Raises Unavailable.
    """
    assert ctx.session is not None
    await ctx.services.presence.set_online(ctx.user_id, ctx.session.id)
    return True


@event("user/set_offline", methods=("GET",), pushes=("presence",))
async def set_offline(ctx: Context) -> bool:
    """Be away, whatever sockets there are, until `user/set_online` or the next socket. Raises Unavailable."""
    was_here = await ctx.once("away", lambda: ctx.services.presence.set_offline(ctx.user_id))
    if was_here:
        await presence.update_active(ctx.tx, user_ids=[ctx.user_id])
        ctx.tx.outcome.moved.add(ctx.user_id)
    return True


@event("presence/watch")
async def watch(ctx: Context, *, user_ids: UserIds) -> Watched:
    """Return how these people stand; the socket, where there is one, is told of changes until the next call.

    Of those one is not connected with, who hide, or who can't be seen, nothing is told: null and null.
    """
    seen = await list_presence(ctx, [Look(ctx.user_id, user_id) for user_id in user_ids])
    ctx.watched = {user_id: seen[Look(ctx.user_id, user_id)] for user_id in user_ids}
    return Watched(presence={str(user_id): one for user_id, one in ctx.watched.items()})


class Look(NamedTuple):
    """One who looks, and at whom."""

    viewer_id: int
    user_id: int


async def list_presence(ctx: Context, looks: Collection[Look]) -> dict[Look, answers.Presence]:
    """Return what each who looks may know of the other's coming and going; nothing unless the two are connected.

    Redis comes first: when it no longer knows somebody, the database knows when they were here last.
    """
    if not looks:
        return {}
    online = await ctx.services.presence.online(list({look.user_id for look in looks}))
    pairs = await relation.list_by_key(ctx.tx, keys=list({relation.key(*look) for look in looks}))
    open_ = [look for look in looks if _is_open(pairs.get(relation.key(*look)))]
    ids = list({user_id for look in open_ for user_id in look})
    states = await account.list_states(ctx.tx, ids=ids)
    people = await profile.list_of(ctx.tx, user_ids=ids)
    seen = dict.fromkeys(looks, _HIDDEN)
    for look in open_:
        if states.get(look.user_id) is State.ACTIVE and look.viewer_id in people:
            seen[look] = Viewer(ctx, people[look.viewer_id], []).presence(people[look.user_id], online)
    return seen


def _is_open(pair: Pair | None) -> bool:
    return pair is not None and pair.connected and not access.is_hidden(pair)

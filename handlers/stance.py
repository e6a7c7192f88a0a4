"""Stances: how two people stand to each other, and the one table that says how their acts follow on each other."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from handlers.access import is_hidden
from server.wire.pushes import Kind, Push, RelationChanged
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


def liked_otherwise(before: Pair, pair: Pair) -> list[int]:
    """Return who of the two is liked now and was not, or no longer is."""
    return [
        pair.other(side)
        for side in (pair.low_id, pair.high_id)
        if stance(pair, side).liked != stance(before, side).liked
    ]


def changes(me: int, before: Pair, pair: Pair) -> Iterator[tuple[int, Push, RelationChanged | None]]:
    """Tell whose sockets should show what otherwise, after an act of `me`: the push, and its data if it is at hand."""
    for user_id in (pair.low_id, pair.high_id):
        if pair.connected != before.connected:
            yield user_id, Push(Kind.CONNECTION, pair.other(user_id), int(pair.connected)), None
        is_told = user_id == me or not is_hidden(pair)  # the other does not hear of a block
        now = stance(pair, user_id)
        if is_told and now != stance(before, user_id):
            yield user_id, Push(Kind.RELATION_CHANGED, pair.other(user_id)), changed(pair.other(user_id), now)


def changed(user_id: int, now: Stance) -> RelationChanged:
    """Return how one stands to somebody, as it is told."""
    return RelationChanged(user_id=user_id, liked=now.liked, passed=now.passed, blocked=now.blocked)

"""Crowds: what many do at once is written together. All such rules go the same way, in three steps.

What they depend on is locked and read for all drafts at once; each draft is settled in memory, after those before it;
what came of all of them is written. So a batch takes as many statements as one of them alone.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from handlers import access
from server.context import Context
from server.wire.errors import MatchaError, NotFound, SessionEnded
from sql import account, quota, relation
from sql.account import State
from sql.quota import Act
from sql.relation import Key
from sql.writer import Busy


class Draft:
    """What somebody wants to do to somebody else."""

    __slots__ = ("key", "target_id", "user_id")

    def __init__(self, user_id: int, target_id: int) -> None:
        self.user_id = user_id
        self.target_id = target_id
        self.key = relation.key(user_id, target_id)


class Between(Protocol):
    """What is between two people, as far as a rule needs to know it."""

    def blocks(self, user_id: int) -> bool:
        """Tell whether one of the two has blocked the other."""


D = TypeVar("D", bound=Draft)
P = TypeVar("P", bound=Between)
T = TypeVar("T")


# -- first: what it depends on -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Locked(Generic[P]):
    """People and pairs that nobody else changes until the commit; of those who are missing there is nothing."""

    people: dict[int, State]
    pairs: dict[Key, P]
    busy: Set[int | Key] = frozenset()
    """People and pairs that somebody else has locked."""
    read: Sequence[Any] = ()
    """What else was read, with all this locked."""


async def lock(
    ctx: Context,
    drafts: Sequence[Draft],
    lock_pairs: Callable[..., Awaitable[dict[Key, P]]],
    *reads: Awaitable[Any],
    wait: bool,
) -> Locked[P]:
    """Lock the people and the pairs of these drafts, all of them or those that are free; then do these reads."""
    if not drafts:
        return Locked({}, {})
    keys = {draft.key for draft in drafts}
    ids = {user_id for key in keys for user_id in key}
    people, pairs, *read = await ctx.tx.together(
        account.list_standing(ctx.tx, ids=ids, wait=wait), lock_pairs(ctx.tx, keys=keys, wait=wait), *reads
    )
    busy: set[int | Key] = set()
    if not wait:  # what was left out, but is there
        busy |= (await account.list_states(ctx.tx, ids=list(ids - people.keys()))).keys()
        busy |= (await relation.list_by_key(ctx.tx, keys=list(keys - pairs.keys()))).keys()
    return Locked(people, pairs, busy, read)


def get_pair(locked: Locked[P], draft: Draft) -> P | None:
    """Return what is between the two of a draft, if its author may act at all. Raises Busy, SessionEnded."""
    if locked.busy and not locked.busy.isdisjoint((draft.key, *draft.key)):
        raise Busy
    if locked.people.get(draft.user_id) is not State.ACTIVE:
        raise SessionEnded
    return locked.pairs.get(draft.key)


def get_visible_pair(locked: Locked[P], draft: Draft) -> P | None:
    """Return what is between the author of a draft and somebody visible. Raises Busy, SessionEnded, NotFound."""
    pair = get_pair(locked, draft)
    if locked.people.get(draft.target_id) is not State.ACTIVE or (pair and any(map(pair.blocks, draft.key))):
        raise NotFound
    return pair


# -- second: each in its turn ------------------------------------------------------------------------------------------


def settle(drafts: Iterable[D], decide: Callable[[D], T]) -> list[T | Exception]:
    """Return for each draft what is decided, or why it is refused."""
    return [_settled(draft, decide) for draft in drafts]


def _settled(draft: D, decide: Callable[[D], T]) -> T | Exception:
    try:
        return decide(draft)
    except (MatchaError, Busy) as refusal:
        return refusal.with_traceback(None)  # it leads back to those who hold the refusal: only a collection finds them


def allowed(drafts: Sequence[D], check: Callable[[D], object]) -> list[D]:
    """Return those of these drafts that are not refused so far."""
    return [
        draft for draft, result in zip(drafts, settle(drafts, check), strict=True) if not isinstance(result, Exception)
    ]


class Quotas:
    """How much people have used of what they may do today."""

    def __init__(self, ctx: Context, act: Act, used: Mapping[quota.Counter, int]) -> None:
        self._ctx = ctx
        self._act = act
        self._used = used
        self._more: Counter[quota.Counter] = Counter()

    def take(self, user_id: int, limits: Mapping[int, str]) -> None:
        """Count one more by each limit, given by name and towards whom it is, 0 being all. Raises RateLimited."""
        counters = {quota.Counter(user_id, target_id): limit for target_id, limit in limits.items()}
        for counter, limit in counters.items():
            if self._used.get(counter, 0) + self._more[counter] >= self._ctx.limit(limit):
                access.refuse_for_today(self._ctx, limit)
        self._more.update(counters.keys())

    def write(self) -> None:
        """Write what was counted, with the next statement."""
        quota.count_all(self._ctx.tx, act=self._act, day=self._ctx.today, times=self._more)


async def lock_quotas(ctx: Context, act: Act, counters: Iterable[tuple[int, int]]) -> Quotas:
    """Return how much is used of (user_id, target_id), nobody else counting meanwhile; 0 is all that somebody does."""
    names = {quota.Counter(*counter) for counter in counters}
    return Quotas(ctx, act, await quota.lock(ctx.tx, act=act, day=ctx.today, counters=names))

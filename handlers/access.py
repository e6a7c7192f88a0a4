"""Access: whom the caller may see, and what is between them, fetched and decided in one act."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

from server.context import Context
from server.wire.errors import (
    Forbidden,
    InvalidCredentials,
    InvalidPayload,
    NotFound,
    NotVerified,
    PhotoRequired,
    RateLimited,
    SessionEnded,
    Unavailable,
)
from sql import account, photo, quota, relation
from sql.account import Account, State
from sql.database import Conflict
from sql.relation import Pair

_KNOWN_FOR = 30 * 86_400


def not_oneself(ctx: Context, target_user_id: int) -> None:
    """Refuse to aim at oneself. Raises InvalidPayload."""
    if target_user_id == ctx.user_id:
        raise InvalidPayload.of("target_user_id", "self", "This is yourself.")


def both_or_none(fields: dict[str, Any]) -> None:
    """`login` and `password` go together."""
    if ("login" in fields) != ("password" in fields):
        missing = "password" if "login" in fields else "login"
        raise InvalidPayload.of(missing, "required", "Give login and password, or neither.")


async def lock_standing(ctx: Context, target_user_id: int) -> bool:
    """Keep both accounts as they are until the commit, and tell whether the other one is there.

    Raises SessionEnded when the caller's own account is not active any more.
    """
    return await lock_state(ctx, target_user_id) is State.ACTIVE


async def lock_state(ctx: Context, target_user_id: int) -> State | None:
    """Keep both accounts as they are until the commit, and return the state of the other, if there ever was one.

    Raises SessionEnded when the caller's own account is not active any more.
    """
    standing = await account.list_standing(ctx.tx, ids=[ctx.user_id, target_user_id])
    if standing.get(ctx.user_id) is not State.ACTIVE:
        raise SessionEnded
    return standing.get(target_user_id)


async def lock_visible_pair(ctx: Context, target_user_id: int) -> Pair:
    """Return what is between the caller and somebody visible, locked. Raises NotFound."""
    not_oneself(ctx, target_user_id)
    if not await lock_standing(ctx, target_user_id):
        raise NotFound
    pair = await relation.lock_or_insert(ctx.tx, **relation.key(ctx.user_id, target_user_id)._asdict())
    if is_hidden(pair):
        raise NotFound
    return pair


class Anybody(NamedTuple):
    """What is between the caller and any id, if anything ever was."""

    pair: Pair | None
    is_there: bool
    """The other is there, for all that the caller may know: neither gone nor behind a block of theirs."""


async def lock_any_pair(ctx: Context, target_user_id: int, *, begin: bool = False) -> Anybody:
    """Return what is between the caller and any id, locked; with somebody active it may begin here."""
    not_oneself(ctx, target_user_id)
    is_active = await lock_standing(ctx, target_user_id)
    lock = relation.lock_or_insert if begin and is_active else relation.lock
    pair = await lock(ctx.tx, **relation.key(ctx.user_id, target_user_id)._asdict())
    return Anybody(pair, is_active and not (pair and pair.side(target_user_id).blocked_at))


async def require_photo(ctx: Context) -> None:
    """Refuse what needs a photo of one's own. Raises PhotoRequired."""
    if not await photo.list_owners(ctx.tx, user_ids=[ctx.user_id]):
        raise PhotoRequired


async def get_visible_pair(ctx: Context, target_user_id: int) -> Pair:
    """Return what is between the caller and somebody visible, to read. Raises NotFound."""
    not_oneself(ctx, target_user_id)
    key = relation.key(ctx.user_id, target_user_id)
    pair = await relation.get(ctx.tx, **key._asdict()) or Pair(*key)
    states = await account.list_states(ctx.tx, ids=[target_user_id])
    if is_hidden(pair) or states.get(target_user_id) is not State.ACTIVE:
        raise NotFound
    return pair


async def list_visible(ctx: Context, user_ids: list[int]) -> set[int]:
    """Return which of these people the caller may see."""
    states = await account.list_states(ctx.tx, ids=user_ids)
    keys = [relation.key(ctx.user_id, user_id) for user_id in user_ids]
    pairs = await relation.list_by_key(ctx.tx, keys=keys)
    hidden = {pair.other(ctx.user_id) for pair in pairs.values() if is_hidden(pair)}
    return {user_id for user_id in user_ids if states.get(user_id) is State.ACTIVE} - hidden


class Listed(Protocol):
    """A row of a list of people, newest first."""

    @property
    def other_id(self) -> int:
        """Who it is about."""

    @property
    def at(self) -> datetime:
        """By which the list is sorted."""


R = TypeVar("R", bound=Listed)
_EPOCH = datetime.fromisoformat("1970-01-01")
_END = datetime.fromisoformat("9999-12-31")
_MILLISECOND = timedelta(milliseconds=1)
_MOST = 2000
"""So many rows of a list are read in one go."""


async def list_page(
    ctx: Context,
    name: str,
    list_before: Callable[..., Awaitable[list[R]]],
    *,
    limit: int,
    cursor: str | None,
    may_see: Callable[[Context, list[int]], Awaitable[set[int]]] = list_visible,
) -> tuple[list[R], str | None]:
    """Return a page of a list of the caller's, and the cursor of the next one.

    Those whom the caller may not see leave no gap: neither a page nor its cursor tells that there is somebody.
    Raises InvalidPayload when the cursor is old or of another list.
    """
    what = f"{name}.{ctx.user_id}"
    at, other_id = _place(ctx.services.tokens.read_page(what, cursor)) if cursor else (_END, 0)
    shown: list[R] = []
    more, many = True, limit + 1
    while more and len(shown) <= limit:
        rows = await list_before(ctx.tx, user_id=ctx.user_id, at=at, other_id=other_id, limit=many)
        visible = await may_see(ctx, [row.other_id for row in rows])
        shown += [row for row in rows if row.other_id in visible]
        if more := len(rows) == many:
            at, other_id = rows[-1].at, rows[-1].other_id
            many = min(2 * many, _MOST)  # many in a row may not be seen
    if len(shown) <= limit:
        return shown, None
    last = shown[limit - 1]
    return shown[:limit], ctx.services.tokens.page(what, [(last.at - _EPOCH) // _MILLISECOND, last.other_id])


def _place(place: list[Any]) -> tuple[datetime, int]:
    milliseconds, other_id = place
    return _EPOCH + timedelta(milliseconds=milliseconds), other_id


def is_hidden(pair: Pair) -> bool:
    """Tell whether a block, of either, stands between the two."""
    return bool(pair.low.blocked_at or pair.high.blocked_at)


def digest(text: str) -> str:
    """Return what stands for a person's text where only our own characters may."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def prove(ctx: Context, name: str, found: Account | None, password: str) -> Account:
    """Check a password, within the limits on wrong ones; before anything is locked, since it takes long.

    Raises InvalidCredentials, RateLimited, Unavailable.
    """
    what = f"proof of {found.password_hash if found else name}"
    matches = await ctx.once(what, lambda: _check(ctx, name, found, password))
    if not matches or found is None:
        raise InvalidCredentials
    return found


async def _check(ctx: Context, name: str, found: Account | None, password: str) -> bool:
    """A try is counted before it is checked and taken back unless it was wrong: many at once can't slip through.

    Where an account was signed in to before, strangers who try elsewhere don't lock its owner out. An account's login
    and its address are counted apart: who runs into the limit by the one must not learn that the other belongs to it.
    """
    windows, limits = ctx.services.windows, ctx.config.limits
    kind = "mail" if "@" in name else "login"
    target = f"{kind}:{found.id}" if found else digest(name.casefold())
    place = _place_of(ctx, found) if found else f"{target}:{ctx.address}"
    hits = [
        await windows.hit(
            f"login:address:{ctx.address}",
            name="login_failures_address",
            limit=ctx.limit("login_failures_address"),
            window=limits.login_failures_address_window,
        )
    ]
    try:
        if not await windows.is_remembered(place):
            hits.append(
                await windows.hit(
                    f"login:account:{target}",
                    name="login_failures_account",
                    limit=ctx.limit("login_failures_account"),
                    window=limits.login_failures_account_window,
                )
            )
        matches = await ctx.services.passwords.verify(found.password_hash if found else None, password)
    except (RateLimited, Unavailable, asyncio.CancelledError):
        await windows.take_back(*hits)
        raise
    if matches:
        await windows.take_back(*hits)
        await windows.remember(place, seconds=_KNOWN_FOR)
    return matches


def _place_of(ctx: Context, own: Account) -> str:
    return f"{own.id}:{ctx.address}"


async def remember_place(ctx: Context, own: Account) -> None:
    """Note that the owner of an account calls from here: strangers' wrong passwords don't count for them."""
    await ctx.services.windows.remember(_place_of(ctx, own), seconds=_KNOWN_FOR)


async def lock_caller(ctx: Context) -> Account:
    """Return the caller's account, locked. Raises SessionEnded when it is not active any more."""
    own = await account.lock(ctx.tx, id=ctx.user_id)
    if own is None or own.state is not State.ACTIVE:
        raise SessionEnded
    return own


async def prove_by_name(ctx: Context, name: str, password: str) -> Account:
    """Return the account of this login (or mail) and password. Raises InvalidCredentials, RateLimited, Unavailable."""
    await ctx.once("room", ctx.services.passwords.look_for_room)
    by = account.get_by_mail(ctx.tx, mail=name) if "@" in name else account.get_by_login(ctx.tx, login=name)
    return await prove(ctx, name, await by, password)


async def lock_proven(ctx: Context, proven: Account) -> Account:
    """Return an account whose password was proven, locked, if it may act. Raises NotVerified, Forbidden."""
    current = await account.lock(ctx.tx, id=proven.id)
    if current is None or current.password_hash != proven.password_hash:
        raise Conflict("the account was changed while its password was checked")  # the event is tried again
    if current.state is State.UNVERIFIED:
        raise NotVerified
    if current.state is not State.ACTIVE:
        raise Forbidden("This account is closed.")
    return current


async def get_caller(ctx: Context, login: str | None, password: str | None) -> Account:
    """Return who calls: by session, or by login and password; with both, they must agree.

    Raises Unauthorized, SessionEnded, InvalidCredentials, RateLimited, Unavailable.
    """
    if login is not None and password is not None:
        proven = await prove_by_name(ctx, login, password)
        if ctx.session and ctx.user_id != proven.id:
            raise InvalidCredentials
        return proven
    own = await account.get(ctx.tx, id=ctx.user_id)
    if own is None or own.state is not State.ACTIVE:
        raise SessionEnded
    return own


async def spend(ctx: Context, user_id: int, act: quota.Act, *, limit: str, target_id: int = 0) -> None:
    """Count one act of today. Raises RateLimited until the next day, UTC."""
    used = await quota.count_up(ctx.tx, user_id=user_id, act=act, day=ctx.today, target_id=target_id)
    if used > ctx.limit(limit):
        refuse_for_today(ctx, limit)


def refuse_for_today(ctx: Context, limit: str) -> NoReturn:
    """Refuse who has used up what there is for a day. Raises RateLimited until the next day, UTC."""
    tomorrow = datetime.combine(ctx.today + timedelta(days=1), time())
    raise RateLimited((tomorrow - ctx.now).total_seconds(), limit=limit)

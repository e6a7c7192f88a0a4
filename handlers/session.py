"""Sessions: signing in and out."""

from datetime import timedelta
from typing import Any

from handlers import access
from server.context import Context, Log, Session, SignedIn
from server.wire.answers import LoggedIn, Nothing, iso
from server.wire.errors import InvalidPayload, Unauthorized
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Login, Password
from sql import account as accounts
from sql import session, sync
from sql.account import Account
from sql.transaction import Ended


@event("user/login", public=True, order=Order.BARRIER, cost=3)
async def login(ctx: Context, *, login: Login, password: Password) -> LoggedIn:
    """Begin a session; an anonymous socket is signed in with it.

    Raises InvalidCredentials, RateLimited, Unavailable; only with the right password NotVerified, Forbidden (closed).
    """
    proven = await access.prove_by_name(ctx, login, password)
    fresh = await _fresh_hash(ctx, proven, password)
    account = await access.lock_proven(ctx, proven)
    if fresh:
        await accounts.update_hash(ctx.tx, id=account.id, password_hash=fresh)
    expires_at = ctx.now + timedelta(days=ctx.config.session.max_days)
    session_id = ctx.services.ids.token()
    await session.insert(
        ctx.tx, user_id=account.id, id=session_id, started_at=ctx.now, expires_at=expires_at, agent=ctx.agent
    )
    [stream] = await sync.list_streams(ctx.tx, user_ids=[account.id])
    begun = Session(account.id, session_id, expires_at, ctx.now, stream.auth_epoch)
    ctx.signed_in = SignedIn(begun, Log(stream.last_seq, stream.purged_seq))
    return LoggedIn(
        token=ctx.services.tokens.session(account.id, session_id),
        user_id=account.id,
        expires_at=iso(expires_at),
        cursor=stream.last_seq,
    )


async def _fresh_hash(ctx: Context, proven: Account, password: str) -> str | None:
    """Return a hash made with today's settings, if the one that is kept was made with others."""
    if not ctx.services.passwords.is_outdated(proven.password_hash):
        return None
    return await ctx.once("hash", lambda: ctx.services.passwords.hash(password))


def _both_or_none(fields: dict[str, Any]) -> None:
    if len(fields) == 1:
        missing = "password" if "login" in fields else "login"
        raise InvalidPayload.of(missing, "required", "Give login and password, or neither.")


@event("user/logout", public=True, order=Order.BARRIER, cost=3, check=_both_or_none)
async def logout(ctx: Context, *, login: Login = ABSENT, password: Password = ABSENT) -> Nothing:
    """End this session; or, with login and password, all sessions of the account.

    Raises Unauthorized, InvalidCredentials, NotVerified, Forbidden, RateLimited, Unavailable.
    """
    if login is not ABSENT:
        account = await access.lock_proven(ctx, await access.prove_by_name(ctx, login, password))
        await session.end_all(ctx.tx, user_id=account.id)
        ctx.tx.end_sessions(Ended(account.id))
        return Nothing()
    if ctx.session is None:
        raise Unauthorized
    await session.end(ctx.tx, user_id=ctx.user_id, id=ctx.session.id)
    ctx.tx.end_sessions(Ended(ctx.user_id, ctx.session.id))
    return Nothing()

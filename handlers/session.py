"""Sessions: signing in and out, and the list of where one is signed in."""

from datetime import datetime, timedelta

from handlers import access
from server.context import Context, Log, Session, SignedIn
from server.wire.answers import LoggedIn, Nothing, SessionLine, Sessions, iso
from server.wire.errors import NotFound, Unauthorized
from server.wire.events import Order, event
from server.wire.fields import ABSENT, Login, Password, SessionId
from sql import account as accounts
from sql import session, sync
from sql.account import Account
from sql.transaction import Ended

_MOST_LISTED = 100


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


@event("user/logout", public=True, order=Order.BARRIER, cost=3, check=access.both_or_none, pushes=("goodbye",))
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
    await _end(ctx, ctx.session.id)
    return Nothing()


async def _end(ctx: Context, session_id: str) -> bool:
    ctx.tx.end_sessions(Ended(ctx.user_id, session_id))
    return await session.end(ctx.tx, user_id=ctx.user_id, id=session_id, rested_since=_rested_since(ctx))


def _rested_since(ctx: Context) -> datetime:
    return ctx.now - timedelta(days=ctx.config.session.idle_days)


@event("user/sessions", order=Order.CONCURRENT, methods=("GET",))
async def list_sessions(ctx: Context) -> Sessions:
    """Return where one is signed in, newest first, the latest hundred."""
    lines = await session.list_live(ctx.tx, user_id=ctx.user_id, rested_since=_rested_since(ctx), limit=_MOST_LISTED)
    return Sessions(
        sessions=[
            SessionLine(
                session_id=line.id,
                started_at=iso(line.started_at),
                last_seen=iso(line.last_seen_at),
                agent=line.agent,
                current=ctx.session is not None and line.id == ctx.session.id,
            )
            for line in lines
        ]
    )


@event("user/end_session", order=Order.BARRIER, pushes=("goodbye",))
async def end_session(ctx: Context, *, session_id: SessionId) -> Nothing:
    """End one of one's own sessions, this one or another. Raises NotFound."""
    if not await _end(ctx, session_id):
        raise NotFound("You have no such session.")
    return Nothing()

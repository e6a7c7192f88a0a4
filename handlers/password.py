"""Passwords: a link for those who forgot theirs, and a new one by that link or by the old one."""

from datetime import timedelta
from typing import Any

from handlers import access, mailing
from server.context import Context, job
from server.wire.answers import Nothing
from server.wire.errors import InvalidLink, InvalidPayload, Unauthorized
from server.wire.events import Order, event
from server.wire.fields import ABSENT, LinkId, NewMail, NewPassword, Password
from sql import account, link, profile, session
from sql.account import Account, State
from sql.link import Link, Purpose
from sql.transaction import Ended

_MAY_RESET = (State.ACTIVE, State.UNVERIFIED)
"""Who follows a link has the mailbox: that confirms the address too."""


@event("user/forgot_pass", public=True)
async def forget(ctx: Context, *, mail: NewMail) -> Nothing:
    """Mail a link that replaces the password, if this address has an account; who asks is not told."""
    await mailing.ask_quietly(ctx, "forgotten", mail)
    return Nothing()


@job("forgotten")
async def mail_reset(ctx: Context, address: str) -> None:
    """Mail the link that replaces a password."""
    own = await mailing.lock_by_mail(ctx, address)
    if own and own.state in _MAY_RESET:
        valid = timedelta(minutes=ctx.config.links.reset_minutes)
        nonce = await mailing.replace_link(ctx, own, Purpose.RESET, valid=valid)
        await ctx.mail("reset", own, nonce=nonce)


def _one_way(fields: dict[str, Any]) -> None:
    """Either `reset_id` or `old_pass`."""
    if "reset_id" in fields and "old_pass" in fields:
        raise InvalidPayload.of("reset_id", "conflict", "Give reset_id or old_pass, not both.")
    if "reset_id" not in fields and "old_pass" not in fields:
        raise InvalidPayload.of("reset_id", "required", "Give reset_id or old_pass.")


@event("user/reset_pass", public=True, order=Order.BARRIER, cost=3, check=_one_way, pushes=("goodbye",))
async def reset(
    ctx: Context, *, new_pass: NewPassword, reset_id: LinkId = ABSENT, old_pass: Password = ABSENT
) -> Nothing:
    """Set a new password: by a mailed link, which ends all sessions, or by the old one, which spares this session.

    Raises InvalidLink, InvalidCredentials, NotVerified, Forbidden, RateLimited, Unauthorized, Unavailable.
    """
    if reset_id is not ABSENT:
        await _reset_by_link(ctx, reset_id, new_pass)
    else:
        await _reset_by_password(ctx, old_pass, new_pass)
    return Nothing()


async def _reset_by_link(ctx: Context, reset_id: str, new_pass: str) -> None:
    _, user_id, nonce = ctx.services.tokens.read_link(("reset",), reset_id)
    mailed = await link.get(ctx.tx, user_id=user_id, purpose=Purpose.RESET, nonce=nonce)
    found = _usable(ctx, await account.get(ctx.tx, id=user_id), mailed)
    password_hash = await _hash(ctx, found, new_pass)
    await ctx.once("place", lambda: access.remember_place(ctx, found))
    current = await account.lock(ctx.tx, id=user_id)
    own = _usable(ctx, current, await link.lock(ctx.tx, user_id=user_id, purpose=Purpose.RESET, nonce=nonce))
    if own.state is State.UNVERIFIED:
        await mailing.confirm(ctx, user_id)
    await _set_password(ctx, own, password_hash)


def _usable(ctx: Context, own: Account | None, mailed: Link | None) -> Account:
    if own is None or own.state not in _MAY_RESET or mailed is None or mailed.expires_at <= ctx.now:
        raise InvalidLink
    return own


async def _reset_by_password(ctx: Context, old_pass: str, new_pass: str) -> None:
    if ctx.session is None:
        raise Unauthorized
    found = await access.get_caller(ctx, None, None)
    await access.prove(ctx, found.login, found, old_pass)
    password_hash = await _hash(ctx, found, new_pass)
    await ctx.once("notice", lambda: _count_notice(ctx))
    own = await access.lock_proven(ctx, found)
    await _set_password(ctx, own, password_hash, keep=ctx.session.id)


async def _count_notice(ctx: Context) -> None:
    """Count apart from the mails that anybody may ask for: strangers can't keep the owner from a new password."""
    await ctx.services.windows.hit(
        f"mail:notice:{ctx.user_id}",
        name="mails_mailbox",
        limit=ctx.limit("mails_mailbox"),
        window=ctx.config.limits.mails_mailbox_window,
    )


async def _hash(ctx: Context, own: Account, new_pass: str) -> str:
    """Hash a new password, unless it is guessed first; before anything is locked, since it takes long."""
    row = await profile.get(ctx.tx, user_id=own.id)
    names = (row.first_name, row.last_name) if row else ()
    ctx.services.passwords.check(new_pass, field="new_pass", own=(own.login, own.mail or "", *names))
    return await ctx.once("hash", lambda: ctx.services.passwords.hash(new_pass))


async def _set_password(ctx: Context, own: Account, password_hash: str, keep: str | None = None) -> None:
    """Whoever got in by the old password is out: sessions, and links that were asked for with it."""
    await account.update_hash(ctx.tx, id=own.id, password_hash=password_hash)
    await link.delete_all(ctx.tx, user_id=own.id)
    await session.end_all(ctx.tx, user_id=own.id, keep=keep or "")
    ctx.tx.end_sessions(Ended(own.id, keep=keep))
    await ctx.mail("changed", own)

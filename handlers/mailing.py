"""What accounts are mailed: how much may be asked for, and the links in it."""

from datetime import timedelta

import structlog

from handlers import access
from server.context import Context
from server.wire.errors import RateLimited
from sql import account, link, profile
from sql.account import Account, State
from sql.link import Purpose

log = structlog.get_logger("mail")


async def count_mail(ctx: Context, mail: str) -> None:
    """Count a mail to this mailbox, asked for from this address. Raises RateLimited, Unavailable."""
    windows, limits = ctx.services.windows, ctx.config.limits
    await windows.hit(
        f"mail:mailbox:{access.digest(account.mail_key(mail))}",
        name="mails_mailbox",
        limit=ctx.limit("mails_mailbox"),
        window=limits.mails_mailbox_window,
    )
    await windows.hit(
        f"mail:address:{ctx.address}",
        name="mails_address",
        limit=ctx.limit("mails_address"),
        window=limits.mails_address_window,
    )


async def may_mail(ctx: Context, mail: str) -> bool:
    """Count a mail too, and tell whether it may leave: where nobody may learn of it, the answer is the same if not."""
    try:
        await count_mail(ctx, mail)
    except RateLimited as refusal:
        log.info("mails.limited", limit=refusal.limit, seldom=refusal.limit)
        return False
    return True


async def ask_quietly(ctx: Context, job: str, mail: str) -> None:
    """Have a job done about an address, within the limits: whose it is, is looked up when nobody waits for it."""
    if await ctx.once("mail", lambda: may_mail(ctx, mail)):
        await ctx.ask(job, mail)


async def lock_by_mail(ctx: Context, address: str) -> Account | None:
    """Return the account with this address, locked; its `mail` is as it was registered, however this one is spelt."""
    found = await account.get_by_mail(ctx.tx, mail=address)
    own = await account.lock(ctx.tx, id=found.id) if found else None
    return own if own and found and own.mail == found.mail else None


async def replace_link(
    ctx: Context, own: Account, purpose: Purpose, *, valid: timedelta, mail: str | None = None
) -> str:
    """Make a link that voids the earlier ones for the same purpose, and return its secret."""
    nonce = ctx.services.ids.token()
    await link.replace(
        ctx.tx,
        user_id=own.id,
        purpose=purpose,
        nonce=nonce,
        login=own.login,
        expires_at=ctx.now + valid,
        mail=mail,
    )
    return nonce


async def confirm(ctx: Context, user_id: int) -> None:
    """Wake an account: whoever it belongs to has shown that the address is theirs."""
    await account.update_state(ctx.tx, id=user_id, state=State.ACTIVE)
    await profile.refresh_found(ctx.tx, user_id=user_id)

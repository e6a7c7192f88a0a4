"""Accounts: registration, the link that confirms an address, and the end of those that nobody confirms."""

from datetime import timedelta

from handlers import details, mailing
from handlers.photo import choose_photos, write_photos
from server.context import Context, job
from server.wire.answers import Nothing, Registered
from server.wire.errors import AlreadyExists, InvalidLink
from server.wire.events import event
from server.wire.fields import (
    UNSET,
    Age,
    BirthDate,
    Description,
    Gender,
    Gps,
    Images,
    Language,
    LinkId,
    Login,
    Name,
    NewLogin,
    NewMail,
    NewPassword,
    Sex,
    Tags,
    Wish,
)
from sql import account, link, moderation, photo, profile, sync
from sql.account import Account, State
from sql.database import Conflict, Duplicate
from sql.link import Purpose

_PURPOSES = {"verify": Purpose.VERIFY, "mail": Purpose.MAIL}


@event("user/registr", public=True, cost=3, check=details.check)
async def register(
    ctx: Context,
    *,
    login: NewLogin,
    mail: NewMail,
    password: NewPassword,
    first_name: Name,
    last_name: Name,
    gender: Gender | None = UNSET,
    age: Age | None = UNSET,
    birth_date: BirthDate | None = UNSET,
    image: Images | None = UNSET,
    description: Description | None = UNSET,
    sex: Sex | None = UNSET,
    tags: Tags | None = UNSET,
    gps: Gps | None = UNSET,
    wish: Wish | None = UNSET,
    language: Language = "en",
) -> Registered:
    """Make an account, which sleeps until its address is confirmed by the link that is mailed.

    An address that is taken makes an account that never wakes, and its owner is told: the answer tells nobody whether
    an address has an account. Raises AlreadyExists (the login), InvalidImage, RateLimited, Unavailable.
    """
    said = details.Details(
        ctx.today,
        gender=gender,
        age=age,
        birth_date=birth_date,
        description=description,
        sex=sex,
        tags=tags,
        gps=gps,
        wish=wish,
    )
    ctx.services.passwords.check(password, field="password", own=(login, mail, first_name, last_name))
    await ctx.once("registration", lambda: _count(ctx))
    if await account.get_by_login(ctx.tx, login=login):
        raise AlreadyExists("This login is taken.")
    password_hash = await ctx.once("hash", lambda: ctx.services.passwords.hash(password))
    may_mail = await ctx.once("mail", lambda: mailing.may_mail(ctx, mail))
    photos = await choose_photos(ctx, image)
    owner = await account.get_by_mail(ctx.tx, mail=mail)
    made = Account(ctx.services.ids.number(), login, None if owner else mail, password_hash, State.UNVERIFIED, language)
    await _insert(ctx, made)
    await profile.insert(ctx.tx, user_id=made.id, first_name=first_name, last_name=last_name)
    await said.write(ctx, made.id)
    await write_photos(ctx, made.id, photos)
    await sync.insert_stream(ctx.tx, user_id=made.id)
    nonce = await mailing.replace_link(ctx, made, Purpose.VERIFY, valid=timedelta(hours=ctx.config.links.verify_hours))
    if may_mail:
        if owner:
            await ctx.mail("taken", owner)
        else:
            await ctx.mail("verify", made, nonce=nonce)
    return Registered(user_id=made.id)


async def _count(ctx: Context) -> None:
    await ctx.services.windows.hit(
        f"registration:{ctx.address}",
        name="registrations",
        limit=ctx.limit("registrations"),
        window=ctx.config.limits.registrations_window,
    )


async def _insert(ctx: Context, made: Account) -> None:
    try:
        await account.insert(
            ctx.tx,
            id=made.id,
            login=made.login,
            mail=made.mail,
            password_hash=made.password_hash,
            language=made.language,
            created_at=ctx.now,
        )
    except Duplicate as taken:
        if taken.key == "login":
            raise AlreadyExists("This login is taken.") from None
        raise Conflict("the same address at the same moment") from None  # tried again, it is seen to be taken


@event("user/verification", public=True)
async def verify(ctx: Context, *, ver_id: LinkId, login: Login) -> Registered:
    """Confirm an address by the link that was mailed to it. Raises InvalidLink: used, old, or not of this login."""
    purpose, user_id, nonce = ctx.services.tokens.read_link(tuple(_PURPOSES), ver_id)
    found = await account.lock(ctx.tx, id=user_id)
    mailed = await link.lock(ctx.tx, user_id=user_id, purpose=_PURPOSES[purpose], nonce=nonce)
    if found is None or mailed is None or mailed.expires_at <= ctx.now:
        raise InvalidLink
    if login.lower() not in (mailed.login, found.login):
        raise InvalidLink
    await link.delete_all(ctx.tx, user_id=user_id)
    if purpose == "mail" and mailed.mail and found.state is State.ACTIVE:
        await _move(ctx, found, mailed.mail)
    elif found.state is State.UNVERIFIED:
        await mailing.confirm(ctx, user_id)
    else:
        raise InvalidLink
    return Registered(user_id=user_id)


async def _move(ctx: Context, found: Account, mail: str) -> None:
    try:
        await account.update_mail(ctx.tx, id=found.id, mail=mail)
    except Duplicate:
        raise InvalidLink from None  # somebody else has confirmed this address meanwhile


@event("user/resend_verification", public=True)
async def resend(ctx: Context, *, mail: NewMail) -> Nothing:
    """Mail the link that confirms an address again, if it waits for it; who asks is not told."""
    await mailing.ask_quietly(ctx, "unconfirmed", mail)
    return Nothing()


@job("unconfirmed")
async def mail_verification(ctx: Context, address: str) -> None:
    """Mail the link that confirms an address, good for no longer than the account waits for it."""
    own = await mailing.lock_by_mail(ctx, address)
    if own is None or own.state is not State.UNVERIFIED:
        return
    gone_at = await account.get_created_at(ctx.tx, id=own.id) + timedelta(hours=ctx.config.links.unverified_hours)
    hours = min(ctx.config.links.verify_hours, (gone_at - ctx.now) // timedelta(hours=1))
    if hours > 0:
        nonce = await mailing.replace_link(ctx, own, Purpose.VERIFY, valid=timedelta(hours=hours))
        await ctx.mail("verify", own, nonce=nonce, hours=hours)


async def erase_unconfirmed(ctx: Context, user_id: int) -> None:
    """Erase an account that nobody has confirmed, whole: its login and its address are free again."""
    own = await account.lock(ctx.tx, id=user_id)
    if own is None or own.state is not State.UNVERIFIED:
        return  # confirmed meanwhile
    await photo.delete_all(ctx.tx, user_id=user_id)
    await moderation.delete_all(ctx.tx, user_id=user_id)
    await link.delete_all(ctx.tx, user_id=user_id)
    await profile.delete(ctx.tx, user_id=user_id)
    await account.delete(ctx.tx, id=user_id)
    await sync.delete_stream(ctx.tx, user_id=user_id)

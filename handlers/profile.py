"""Profiles: one's own, and those of others."""

from datetime import timedelta
from typing import Any

from handlers import access, details, mailing
from handlers.card import get_own, list_people
from handlers.matching.cells import Cell
from handlers.notices import count_unread
from handlers.photo import choose_photos, write_photos
from handlers.visit import note_look
from server.context import Context, job
from server.wire import answers
from server.wire.answers import Me, OwnProfile, Position, Shape, Wishes
from server.wire.errors import AlreadyExists, InvalidPayload, NotFound
from server.wire.events import Order, event
from server.wire.fields import (
    ABSENT,
    UNSET,
    Age,
    BirthDate,
    Description,
    Gender,
    Gps,
    Images,
    Login,
    Name,
    NewLogin,
    NewMail,
    Password,
    Sex,
    Tags,
    UserId,
    Wish,
)
from server.wire.pushes import Kind, Push, renders
from sql import account, photo, profile, sync
from sql.account import Account
from sql.database import Duplicate
from sql.link import Purpose
from sql.quota import Act


@event("user/me", order=Order.CONCURRENT, methods=("GET",))
async def me(ctx: Context) -> Me:
    """Return one's own profile, what nobody else sees of it, and where one's log stands."""
    [stream] = await sync.list_streams(ctx.tx, user_ids=[ctx.user_id])  # first: what comes after it is pushed
    own, shown = await get_own(ctx, ctx.user_id)
    account_row = await account.get(ctx.tx, id=ctx.user_id)
    assert account_row is not None, "a session is of an account"
    wish = (own.wish_age_min, own.wish_age_max, own.wish_distance_max)
    lat_lon = Cell.of_id(own.cell).centre if own.cell is not None else None
    return Me(
        **{name: getattr(shown, name) for name in shown.__struct_fields__},
        mail=account_row.mail,
        birth_date=own.birth_date.isoformat() if own.birth_date else None,
        gps=Position(lat=lat_lon[0], lon=lat_lon[1]) if lat_lon else None,
        wish=Wishes(age_min=wish[0], age_max=wish[1], distance_max=wish[2]) if any(wish) else None,
        settings=details.settings_of(own, account_row),
        unread=await count_unread(ctx, stream),
        cursor=stream.last_seq,
    )


def _check(fields: dict[str, Any]) -> None:
    """`login` and `password` go together; `age` or `birth_date`, not both; `wish.age_min` is not above `age_max`."""
    access.both_or_none(fields)
    details.check(fields)


@event("user/save_profile", credentials=True, cost=3, check=_check, pushes=("profile/changed",))
async def save(
    ctx: Context,
    *,
    first_name: Name = UNSET,
    last_name: Name = UNSET,
    gender: Gender | None = UNSET,
    age: Age | None = UNSET,
    birth_date: BirthDate | None = UNSET,
    image: Images | None = UNSET,
    description: Description | None = UNSET,
    sex: Sex | None = UNSET,
    tags: Tags | None = UNSET,
    gps: Gps | None = UNSET,
    wish: Wish | None = UNSET,
    login: Login = ABSENT,
    password: Password = ABSENT,
    new_login: NewLogin = ABSENT,
    new_mail: NewMail = ABSENT,
    old_pass: Password = ABSENT,
) -> OwnProfile:
    """Change what is given and nothing else.

    Login and password may stand for a session, or be the current ones beside it. A new login or address needs
    `old_pass`; a new address counts once it is confirmed.

    Raises InvalidCredentials, InvalidImage, NotVerified, Forbidden, AlreadyExists, RateLimited, Unavailable.
    """
    said = details.Details(
        ctx.today,
        first_name=first_name,
        last_name=last_name,
        gender=gender,
        age=age,
        birth_date=birth_date,
        description=description,
        sex=sex,
        tags=tags,
        gps=gps,
        wish=wish,
    )
    found = await access.get_caller(ctx, login, password)
    if new_login or new_mail:
        await _prove_for_change(ctx, found, new_mail, old_pass)
    photos = await choose_photos(ctx, image, found.id)
    own = await access.lock_proven(ctx, found)
    before = await get_own(ctx, own.id)
    if gps is not UNSET:
        await _count_move(ctx, own.id, gps)
    await said.write(ctx, own.id)
    await write_photos(ctx, own.id, photos)
    if new_login or new_mail:
        await _change_account(ctx, own, new_login, new_mail)
    after = await get_own(ctx, own.id)
    if after != before:
        ctx.tx.push(own.id, Push(Kind.PROFILE_CHANGED, own.id))
    return after[1]


@renders(Kind.PROFILE_CHANGED)
async def render_changed(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `profile/changed`: the own profile as it is now."""
    _, shown = await get_own(ctx, ctx.user_id)
    return [shown] * len(pushes)


async def _count_move(ctx: Context, user_id: int, gps: Gps | None) -> None:
    """Moves are few a day: each new place is another point to measure others from."""
    own = await profile.get(ctx.tx, user_id=user_id)
    cell = details.snap(ctx, gps).id if gps else None
    if own and own.cell is not None and cell != own.cell:
        await access.spend(ctx, user_id, Act.MOVE, limit="moves_day")


async def _prove_for_change(ctx: Context, own: Account, mail: str | None, old_pass: str | None) -> None:
    """Check the current password, and count the mails; what the old address cannot be told of does not happen."""
    if old_pass is None:
        raise InvalidPayload.of("old_pass", "required", "Changing login or mail needs the current password.")
    await access.prove(ctx, own.login, own, old_pass)
    if mail:
        old_mail = own.mail or ""  # who can sign in has one
        await ctx.once("notice", lambda: mailing.count_mail(ctx, old_mail))
        await ctx.once("link", lambda: mailing.may_mail(ctx, mail))


async def _change_account(ctx: Context, own: Account, login: str | None, mail: str | None) -> None:
    if login:
        try:
            await account.update_login(ctx.tx, id=own.id, login=login)
        except Duplicate:
            raise AlreadyExists("This login is taken.") from None
    if mail:
        await _ask_to_confirm(ctx, own._replace(login=login or own.login), mail)


async def _ask_to_confirm(ctx: Context, own: Account, mail: str) -> None:
    """Mail a link to the new address, and a notice to the old one; one that is taken is told nothing different."""
    valid = timedelta(hours=ctx.config.links.verify_hours)
    nonce = await mailing.replace_link(ctx, own, Purpose.MAIL, valid=valid, mail=mail)
    await ctx.mail("moved", own)
    if await ctx.once("link", lambda: mailing.may_mail(ctx, mail)):
        await ctx.ask("move", mail, user_id=own.id, nonce=nonce)


@job("move")
async def mail_new_address(ctx: Context, address: str, *, user_id: int, nonce: str) -> None:
    """Mail the link that confirms a new address, unless it is somebody else's."""
    own, owner = await account.get(ctx.tx, id=user_id), await account.get_by_mail(ctx.tx, mail=address)
    if own and (owner is None or owner.id == own.id):
        await ctx.mail("mail", own._replace(mail=address), nonce=nonce)


@event("profile", methods=("GET",), pushes=("notification",))
async def get(ctx: Context, *, target_user_id: UserId) -> answers.Profile:
    """Return somebody's page, and note the visit, once an hour. Raises NotFound, RateLimited."""
    pair = await access.get_visible_pair(ctx, target_user_id)
    viewer, crowd = await list_people(ctx, [target_user_id])
    person = crowd.people.get(target_user_id)
    if person is None:
        raise NotFound
    photos = await photo.list_of(ctx.tx, user_id=target_user_id)
    await note_look(ctx, target_user_id)
    mine, theirs = pair.side(ctx.user_id), pair.side(target_user_id)
    return answers.Profile(
        **viewer.card(person, crowd),
        last_name=person.last_name,
        description=person.description,
        sex=person.sex_names,
        tags=crowd.tags[target_user_id],
        photos=[ctx.services.photos.shape(ctx.user_id, row) for row in photos],
        liked_me=theirs.liked_at is not None,
        liked=mine.liked_at is not None,
        requested_me=theirs.liked_at is not None and theirs.requested,
        requested=mine.liked_at is not None and mine.requested,
        connected=pair.connected,
    )

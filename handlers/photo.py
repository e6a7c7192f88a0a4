"""Photos of one's own: the whole ordered list is given, of which some are there already and others come as bytes."""

from typing import NamedTuple

from server.context import Context
from server.outside.photos import Taken
from server.outside.pictures.kept import Unreadable
from server.wire.errors import InvalidImage, InvalidPayload, Unavailable
from server.wire.fields import UNSET
from sql import moderation, photo, profile
from sql.moderation import Reason
from sql.photo import Photo


class Chosen(NamedTuple):
    """One photo of the list: one that is there, or one that was taken in just now."""

    id: str
    new: Taken | None = None


async def choose_photos(
    ctx: Context, image: list[str | bytes] | None, user_id: int | None = None
) -> list[Chosen] | None:
    """Take in what is new of a list of photos, before anything is locked; None if none was given.

    Raises InvalidPayload (a photo that is not one's own), InvalidImage, Unavailable.
    """
    if image is UNSET:
        return None
    chosen: list[Chosen] = await ctx.once("photos", lambda: _choose(ctx, image or [], user_id))
    return chosen


async def _choose(ctx: Context, image: list[str | bytes], user_id: int | None) -> list[Chosen]:
    own = await photo.list_of(ctx.tx, user_id=user_id) if user_id else []
    _must_be_own([one if isinstance(one, str) else None for one in image], own)
    try:
        new = [one for one in image if isinstance(one, bytes)]
        taken = iter(await ctx.services.photos.take_in(new, of=user_id or ctx.address))
    except Unreadable:
        raise InvalidImage from None
    return [Chosen(one) if isinstance(one, str) else Chosen(ctx.services.ids.token(), next(taken)) for one in image]


def _must_be_own(ids: list[str | None], own: list[Photo]) -> None:
    left = {row.id for row in own}
    for place, id in enumerate(ids):
        if id is not None and id not in left:
            twice = id in ids[:place]
            code, message = ("duplicate", "Each photo once.") if twice else ("not_found", "You have no such photo.")
            raise InvalidPayload.of(f"image.{place}", code, message)
        left -= {id}


async def write_photos(ctx: Context, user_id: int, chosen: list[Chosen] | None) -> None:
    """Make these all of somebody's photos, in this order; the account is locked, or made just now.

    Raises InvalidPayload, Unavailable.
    """
    if chosen is None:
        return
    before = await photo.list_of(ctx.tx, user_id=user_id)
    _must_be_own([None if one.new else one.id for one in chosen], before)
    there = {row.id: row for row in before}
    rows = [
        Photo(user_id, one.id, place, one.new.file, one.new.thumbhash, ctx.now)
        if one.new
        else there[one.id]._replace(position=place)
        for place, one in enumerate(chosen)
    ]
    await photo.replace(ctx.tx, user_id=user_id, photos=rows)
    await _throw_away(ctx, user_id, [row for row in before if row.id not in {one.id for one in chosen}])
    await _keep(ctx, user_id, [(one.id, one.new) for one in chosen if one.new])
    await profile.refresh_found(ctx.tx, user_id=user_id)


async def _throw_away(ctx: Context, user_id: int, gone: list[Photo]) -> None:
    await photo.trash(ctx.tx, files=[row.file for row in gone], due_at=ctx.now)
    await photo.delete_looks(ctx.tx, user_id=user_id, photo_ids=[row.id for row in gone])


async def _keep(ctx: Context, user_id: int, new: list[tuple[str, Taken]]) -> None:
    if await photo.rescue(ctx.tx, files=[taken.file for _, taken in new]) != len(new):
        raise Unavailable  # it took so long that they were cleared away
    for photo_id, taken in new:
        if taken.look:
            await _compare(ctx, user_id, photo_id, taken.look)


async def _compare(ctx: Context, user_id: int, photo_id: str, look: int) -> None:
    """The staff is to look at a photo like another member's; nobody else hears of it."""
    if await photo.has_like(ctx.tx, user_id=user_id, look=look):
        await moderation.insert(ctx.tx, user_id=user_id, reason=Reason.PHOTO, about=photo_id)
    await photo.insert_look(ctx.tx, user_id=user_id, photo_id=photo_id, look=look)

"""Photos: every statement on the `photo` tables."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery

from sql.account import State
from sql.statement import LIMIT, P, compile_, each, insert_rows
from sql.tables import photo, photo_look, photo_trash
from sql.transaction import Tx


class Photo(NamedTuple):
    """A photo of somebody; `file` names its bytes in the data folder."""

    user_id: int
    id: str
    position: int
    file: str
    thumbhash: bytes
    added_at: datetime


class _File(NamedTuple):
    file: str


_PARTS = 4
_SELECT = MySQLQuery.from_(photo).select(*(photo.field(name) for name in Photo._fields))
_LIST = compile_(_SELECT.where(photo.user_id == P("user_id")).orderby(photo.position))
_LIST_OWNERS = compile_(
    MySQLQuery.from_(photo).select(photo.user_id).distinct().where(photo.user_id.isin(each("user_ids")))
)
_DELETE_ALL = compile_(MySQLQuery.from_(photo).delete().where(photo.user_id == P("user_id")))
_INSERT = insert_rows("photo", Photo._fields)
# A photo as somebody fetches it: both are still there, and no block stands between them.
_GET_FILE = compile_(
    "SELECT `file` FROM `photo`"
    " JOIN `account` `owner` ON `owner`.`id`=`photo`.`user_id`"
    " JOIN `account` `viewer` ON `viewer`.`id`=%(viewer_id)s"
    " LEFT JOIN `pair` ON `low_id`=LEAST(%(viewer_id)s,%(user_id)s) AND `high_id`=GREATEST(%(viewer_id)s,%(user_id)s)"
    " WHERE `photo`.`user_id`=%(user_id)s AND `photo`.`id`=%(id)s"
    " AND `owner`.`state`=%(active)s AND `viewer`.`state`=%(active)s"
    " AND `low_blocked_at` IS NULL AND `high_blocked_at` IS NULL"
)
_TRASH = insert_rows("photo_trash", ["file", "due_at"], "ON DUPLICATE KEY UPDATE `due_at`=VALUES(`due_at`)")
_DELETE_TRASH = compile_(MySQLQuery.from_(photo_trash).delete().where(photo_trash.file.isin(each("files"))))
_LOCK_DUE = compile_(
    MySQLQuery.from_(photo_trash)
    .select(photo_trash.file)
    .where(photo_trash.due_at <= P("now"))
    .orderby(photo_trash.due_at)
    .limit(LIMIT)
    .for_update()
)
_LIST_NAMED = compile_(MySQLQuery.from_(photo).select(photo.file).distinct().where(photo.file.isin(each("files"))))
_INSERT_LOOK = insert_rows("photo_look", ["part", "value", "user_id", "photo_id", "look"])
_DELETE_LOOKS = compile_(
    MySQLQuery.from_(photo_look)
    .delete()
    .where(photo_look.user_id == P("user_id"))
    .where(photo_look.photo_id.isin(each("photo_ids")))
)
_HAS_LIKE = compile_(
    "SELECT COUNT(*) FROM (SELECT `user_id` FROM `photo_look` WHERE (`part`,`value`) IN %(parts*2)s"
    " AND `user_id`<>%(user_id)s AND BIT_COUNT(`look`^%(look)s)<=%(most)s LIMIT %(limit)s) `alike`"
)


async def list_of(tx: Tx, *, user_id: int) -> list[Photo]:
    """Return somebody's photos, in order."""
    return await tx.many(_LIST, Photo, user_id=user_id)


async def list_owners(tx: Tx, *, user_ids: Collection[int]) -> set[int]:
    """Return who of these people has a photo."""
    return {user_id for (user_id,) in await tx.rows(_LIST_OWNERS, user_ids=sorted(user_ids))} if user_ids else set()


async def get_file(tx: Tx, *, viewer_id: int, user_id: int, id: str) -> str | None:
    """Return the file of somebody's photo, if the viewer may see it now."""
    file: str | None = await tx.scalar(_GET_FILE, viewer_id=viewer_id, user_id=user_id, id=id, active=State.ACTIVE)
    return file


async def replace(tx: Tx, *, user_id: int, photos: list[Photo]) -> None:
    """Make these all of somebody's photos; the caller holds the lock on the account."""
    await tx.write(_DELETE_ALL, user_id=user_id)
    if photos:
        await tx.write(_INSERT, rows=photos)


async def delete_all(tx: Tx, *, user_id: int) -> None:
    """Delete all of somebody's photos; their files go soon after the commit."""
    photos = await list_of(tx, user_id=user_id)
    await trash(tx, files=[row.file for row in photos], due_at=tx.now)
    await delete_looks(tx, user_id=user_id, photo_ids=[row.id for row in photos])
    await replace(tx, user_id=user_id, photos=[])


async def trash(tx: Tx, *, files: list[str], due_at: datetime) -> None:
    """Note that files go at this time unless a photo names them then."""
    if files:
        await tx.write(_TRASH, rows=[(file, due_at) for file in files])


async def rescue(tx: Tx, *, files: list[str]) -> int:
    """Note that files stay; return how many were still there."""
    return await tx.write(_DELETE_TRASH, files=files) if files else 0


async def lock_due(tx: Tx, *, now: datetime, limit: int) -> list[str]:
    """Return files whose time to go has come; nobody else takes them until the commit."""
    return [row.file for row in await tx.many(_LOCK_DUE, _File, now=now, limit=limit)]


async def list_named(tx: Tx, *, files: list[str]) -> set[str]:
    """Return those of these files that a photo names."""
    return {row.file for row in await tx.many(_LIST_NAMED, _File, files=files)} if files else set()


async def insert_look(tx: Tx, *, user_id: int, photo_id: str, look: int) -> None:
    """Keep what a photo looks like."""
    await tx.write(_INSERT_LOOK, rows=[(*part, user_id, photo_id, look) for part in _parts(look)])


async def delete_looks(tx: Tx, *, user_id: int, photo_ids: list[str]) -> None:
    """Forget what photos look like."""
    if photo_ids:
        await tx.write(_DELETE_LOOKS, user_id=user_id, photo_ids=photo_ids)


async def has_like(tx: Tx, *, user_id: int, look: int) -> bool:
    """Tell whether a photo of somebody else looks nearly the same: at most three of the 64 bits differ.

    Of four parts one is then the same, so that an index finds it.
    """
    found: int = await tx.scalar(_HAS_LIKE, parts=_parts(look), user_id=user_id, look=look, most=_PARTS - 1, limit=1)
    return bool(found)


def _parts(look: int) -> list[tuple[int, int]]:
    return [(part, look >> 16 * part & 0xFFFF) for part in range(_PARTS)]

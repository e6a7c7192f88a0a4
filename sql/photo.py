"""Photos: every statement on the `photo` tables."""

from typing import NamedTuple

from pypika import MySQLQuery

from sql.statement import P, compile_, each
from sql.tables import photo
from sql.transaction import Tx


class Photo(NamedTuple):
    """A photo of somebody; `file` names its bytes in the data folder."""

    user_id: int
    id: str
    position: int
    file: str
    thumbhash: bytes


_SELECT = MySQLQuery.from_(photo).select(photo.user_id, photo.id, photo.position, photo.file, photo.thumbhash)
_LIST = compile_(_SELECT.where(photo.user_id == P("user_id")).orderby(photo.position))
_LIST_MAIN = compile_(_SELECT.where(photo.user_id.isin(each("user_ids"))).where(photo.position == P("first")))


async def list_of(tx: Tx, *, user_id: int) -> list[Photo]:
    """Return somebody's photos, in order."""
    return await tx.many(_LIST, Photo, user_id=user_id)


async def list_main(tx: Tx, *, user_ids: list[int]) -> dict[int, Photo]:
    """Return the main photo of each of these people, where there is one."""
    if not user_ids:
        return {}
    return {row.user_id: row for row in await tx.many(_LIST_MAIN, Photo, user_ids=user_ids, first=0)}

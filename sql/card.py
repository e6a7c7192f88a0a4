"""Cards: all that they are made of, by one statement however many they are.

Each person comes as one JSON text: the driver takes ten times as long for as many columns.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from msgspec import json

from sql.photo import Photo
from sql.profile import Profile
from sql.statement import compile_
from sql.transaction import Tx


class Known(NamedTuple):
    """A profile, its tags, and the main photo, if there is one."""

    profile: Profile
    tags: list[str]
    photo: Photo | None


_PROFILE = ",".join("a.`login`" if name == "login" else f"p.`{name}`" for name in Profile._fields)
_PHOTO = ",".join("HEX(f.`thumbhash`)" if name == "thumbhash" else f"f.`{name}`" for name in Photo._fields)
_LIST = compile_(
    f"SELECT JSON_ARRAY({_PROFILE}) `profile`,JSON_ARRAY({_PHOTO}) `photo`,"
    "(SELECT GROUP_CONCAT(t.`tag` ORDER BY t.`position`) FROM `profile_tag` t WHERE t.`user_id`=p.`user_id`) `tags`"
    " FROM `profile` p STRAIGHT_JOIN `account` a ON a.`id`=p.`user_id`"
    " LEFT JOIN `photo` f ON f.`user_id`=p.`user_id` AND f.`position`=%(first)s"
    " WHERE p.`user_id` IN %(user_ids*)s"
)
_DATES = {"birth_date": date.fromisoformat, "active_at": datetime.fromisoformat}
_DATED = [(Profile._fields.index(name), read) for name, read in _DATES.items()]


async def list_known(tx: Tx, *, user_ids: list[int]) -> list[Known]:
    """Return those of these people whom there are."""
    return await tx.many(_LIST, _known, user_ids=user_ids, first=0) if user_ids else []


def _known(profile: str, photo: str, tags: str | None) -> Known:
    columns = json.decode(profile)
    for place, read in _DATED:
        if columns[place] is not None:
            columns[place] = read(columns[place])
    return Known(Profile(*columns), tags.split(",") if tags else [], _photo(*json.decode(photo)))


def _photo(user_id: int | None, id: str, position: int, file: str, thumbhash: str, added_at: Any) -> Photo | None:
    if user_id is None:
        return None
    return Photo(user_id, id, position, file, bytes.fromhex(thumbhash), datetime.fromisoformat(added_at))

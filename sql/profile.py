"""Profiles and their tags: what people say of themselves."""

from datetime import date, datetime
from typing import Any, NamedTuple

from pypika import MySQLQuery

from sql import candidate, tag
from sql.account import State
from sql.statement import P, compile_, each, insert_rows
from sql.tables import account, profile, profile_tag
from sql.transaction import Tx

GENDERS = {"male": 1, "female": 2, "nonbinary": 4}
"""Genders as bits, so that the genders sought are a mask; 0 = not said, all."""


class Profile(NamedTuple):
    """A profile; `x y z` are the unit vector to the middle of the cell."""

    user_id: int
    login: str
    found: int
    first_name: str
    last_name: str
    gender: int
    sex: int
    birth_date: date | None
    description: str | None
    wish_age_min: int | None
    wish_age_max: int | None
    wish_distance_max: int | None
    cell: int | None
    x: float | None
    y: float | None
    z: float | None
    fame: int
    place_id: int | None
    active_at: datetime | None
    show_online: int
    show_distance: int
    read_receipts: int
    mail_on: int

    @property
    def vector(self) -> tuple[float, float, float] | None:
        """The unit vector, or None when the place is not known."""
        return None if self.x is None or self.y is None or self.z is None else (self.x, self.y, self.z)

    @property
    def gender_name(self) -> str | None:
        """The gender in words."""
        return next((name for name, bit in GENDERS.items() if bit == self.gender), None)

    @property
    def sex_names(self) -> list[str]:
        """The genders sought in words; none = all."""
        return [name for name, bit in GENDERS.items() if bit & self.sex]


class _User(NamedTuple):
    user_id: int


class _Tag(NamedTuple):
    user_id: int
    tag: str


# What save_profile may set, one fixed statement for each: absent fields are left alone.
_SETTABLE: tuple[tuple[str, ...], ...] = (
    ("first_name",),
    ("last_name",),
    ("gender",),
    ("sex",),
    ("birth_date", "birth_date_approximate"),
    ("description",),
    ("wish_age_min", "wish_age_max", "wish_distance_max"),
    ("cell", "x", "y", "z", "place_id"),
    ("show_online",),
    ("show_distance",),
    ("read_receipts",),
    ("mail_on",),
    ("held",),
)
_SELECT = (
    MySQLQuery.from_(profile)
    .join(account)
    .on(account.id == profile.user_id)
    .select(*(account.login if name == "login" else profile.field(name) for name in Profile._fields))
)
_GET = compile_(_SELECT.where(profile.user_id == P("user_id")))
_LIST = compile_(_SELECT.where(profile.user_id.isin(each("user_ids"))))
_LIST_WITH_RECEIPTS = compile_(
    MySQLQuery.from_(profile)
    .select(profile.user_id)
    .where(profile.user_id.isin(each("user_ids")))
    .where(profile.read_receipts == P("yes"))
)
_INSERT = compile_(
    MySQLQuery.into(profile)
    .columns(profile.user_id, profile.first_name, profile.last_name)
    .insert(P("user_id"), P("first_name"), P("last_name"))
)
_UPDATES = {
    columns: compile_(
        f"UPDATE `profile` SET {','.join(f'`{name}`=%({name})s' for name in columns)} WHERE `user_id`=%(user_id)s"
    )
    for columns in _SETTABLE
}
_LOCK_HELD = compile_(
    MySQLQuery.from_(profile).select(profile.held).where(profile.user_id == P("user_id")).for_update()
)
# Search finds whoever is active, has a photo and is not held back.
_REFRESH_FOUND = compile_(
    "UPDATE `profile` SET `found`=(`held`=%(no)s"
    " AND EXISTS (SELECT `id` FROM `photo` WHERE `photo`.`user_id`=%(user_id)s)"
    " AND EXISTS (SELECT `id` FROM `account` WHERE `account`.`id`=%(user_id)s AND `state`=%(active)s))"
    " WHERE `user_id`=%(user_id)s"
)
_LIST_TAGS = compile_(
    MySQLQuery.from_(profile_tag)
    .select(profile_tag.user_id, profile_tag.tag)
    .where(profile_tag.user_id.isin(each("user_ids")))
    .orderby(profile_tag.user_id)
    .orderby(profile_tag.position)
)
_DELETE_TAGS = compile_(MySQLQuery.from_(profile_tag).delete().where(profile_tag.user_id == P("user_id")))
_DELETE = compile_(MySQLQuery.from_(profile).delete().where(profile.user_id == P("user_id")))
_INSERT_TAGS = insert_rows("profile_tag", ["user_id", "tag", "position"])


async def get(tx: Tx, *, user_id: int) -> Profile | None:
    """Return one profile."""
    return await tx.one(_GET, Profile, user_id=user_id)


async def list_of(tx: Tx, *, user_ids: list[int]) -> dict[int, Profile]:
    """Return those of these profiles that exist."""
    if not user_ids:
        return {}
    return {row.user_id: row for row in await tx.many(_LIST, Profile, user_ids=user_ids)}


async def list_tags(tx: Tx, *, user_ids: list[int]) -> dict[int, list[str]]:
    """Return the tags of each of these people, in their own order."""
    tags: dict[int, list[str]] = {user_id: [] for user_id in user_ids}
    for row in await tx.many(_LIST_TAGS, _Tag, user_ids=user_ids) if user_ids else []:
        tags[row.user_id].append(row.tag)
    return tags


async def list_with_receipts(tx: Tx, *, user_ids: list[int]) -> set[int]:
    """Return who of these people lets others know what they have read."""
    rows = await tx.many(_LIST_WITH_RECEIPTS, _User, user_ids=user_ids, yes=True) if user_ids else []
    return {row.user_id for row in rows}


async def insert(tx: Tx, *, user_id: int, first_name: str, last_name: str) -> None:
    """Begin a profile."""
    await tx.write(_INSERT, user_id=user_id, first_name=first_name, last_name=last_name)


async def update(tx: Tx, *, user_id: int, **columns: Any) -> None:
    """Set one group of columns that go together, see `_SETTABLE`."""
    await tx.write(_UPDATES[tuple(columns)], user_id=user_id, **columns)


async def lock_held(tx: Tx, *, user_id: int) -> bool | None:
    """Tell whether somebody is held back, which nobody else changes until the commit; None for nobody."""
    held = await tx.scalar(_LOCK_HELD, user_id=user_id)
    return None if held is None else bool(held)


async def refresh_found(tx: Tx, *, user_id: int) -> None:
    """Reckon anew whether search finds this person; after every change of what that depends on."""
    await tx.write(_REFRESH_FOUND, user_id=user_id, active=State.ACTIVE, no=False)
    await candidate.refresh(tx, first=user_id, last=user_id)


async def replace_tags(tx: Tx, *, user_id: int, tags: list[str]) -> None:
    """Set the tags of a person, in this order; the caller holds the account."""
    async with tag.counted(tx, user_id=user_id):
        tx.post(_DELETE_TAGS, user_id=user_id)
        if tags:
            tx.post(_INSERT_TAGS, rows=[(user_id, name, position) for position, name in enumerate(tags)])


async def delete(tx: Tx, *, user_id: int) -> None:
    """Drop a profile and its tags; the caller holds the account."""
    async with tag.counted(tx, user_id=user_id):
        tx.post(_DELETE_TAGS, user_id=user_id)
    await tx.write(_DELETE, user_id=user_id)
    await candidate.refresh(tx, first=user_id, last=user_id)

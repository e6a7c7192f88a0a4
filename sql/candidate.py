"""Candidates: the rows that search goes by, made of the profile and its tags, and a sample of them."""

import hashlib
import math
import zlib
from collections.abc import Collection, Iterable
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

from sql.statement import compile_
from sql.transaction import Tx

SLOT_DIGITS = 12
SLOTS = 1 << 4 * SLOT_DIGITS
"""Slots are numbers below this."""


LEVELS = (1, 4, 16, 64, 256, 1024)
"""Edges of the cells of each grid, km."""
ROWS = {level: round(math.pi * 6371.0088 / level) for level in LEVELS}
"""How many rows of cells there are from pole to pole."""
ROW = 1 << 16
"""The number of a cell is that of its row times this, plus that of its column."""
_BITS = 64
NOWHERE = 2**32 - 1
"""The cell of those whose place is not known, or hidden."""


class _User(NamedTuple):
    user_id: int


class _Tagged(NamedTuple):
    """What somebody's rows by tags are made of."""

    user_id: int
    slot: int
    gender: int
    sex: int
    tags: str


class Seen(NamedTuple):
    """What a sample tells of somebody."""

    gender: int
    born: int
    fame: int
    tags: str
    c1: int
    c4: int
    c16: int
    c64: int
    c256: int
    c1024: int
    sex: int
    slot: int
    x: float | None
    y: float | None
    z: float | None

    @property
    def kind(self) -> int:
        """Gender times 8 plus those sought."""
        return self.gender * 8 + self.sex

    @property
    def cells(self) -> tuple[int, ...]:
        """The cells of all levels."""
        return self.c1, self.c4, self.c16, self.c64, self.c256, self.c1024


_ROW = "LEAST(FLOOR((q.`lat`/%(half_turn)s+%(half)s)*%(rows{0})s),%(rows{0})s-%(one)s)"
_COLUMNS = f"GREATEST(%(one)s,FLOOR(%(two)s*%(rows{{0}})s*COS((({_ROW}+%(half)s)/%(rows{{0}})s-%(half)s)*%(pi)s)))"
_CELL = f"COALESCE({_ROW}*%(row)s+MOD(FLOOR((q.`lon`/%(turn)s+%(half)s)*{_COLUMNS}),{_COLUMNS}),%(nowhere)s)"
_MADE = {
    "user_id": "q.`user_id`",
    "slot": "CONV(LEFT(MD5(q.`user_id`),%(slot_digits)s),%(sixteen)s,%(ten)s)",
    "gender": "q.`gender`",
    "sex": "q.`sex`",
    "born": "COALESCE(YEAR(q.`birth_date`)*%(twelve)s+MONTH(q.`birth_date`),%(none)s)",
    "birth_date": "q.`birth_date`",
    "fame": "q.`fame`",
    "show_online": "q.`show_online`",
    "x": "q.`x`",
    "y": "q.`y`",
    "z": "q.`z`",
    "tags": "q.`tags`",
    "taste": "q.`taste`",
    "flavour": "q.`flavour`",
} | {f"c{level}": _CELL.format(level) for level in LEVELS}
_BITS_OF = "(SELECT BIT_OR(%(one)s<<MOD({},%(bits)s)) FROM `profile_tag` t WHERE t.`user_id`=p.`user_id`)"
_SHOWN = "CASE WHEN p.`show_distance`=%(yes)s THEN {} END"
_SOURCE = (
    "SELECT p.`user_id`,p.`gender`,p.`sex`,p.`birth_date`,p.`fame`,p.`show_online`,"
    + "".join(f"{_SHOWN.format(f'p.`{axis}`')} `{axis}`," for axis in "xyz")
    + f"{_SHOWN.format('ASIN(LEAST(%(one)s,GREATEST(-%(one)s,p.`z`)))')} `lat`,"
    f"{_SHOWN.format('ATAN2(p.`y`,p.`x`)')} `lon`,"
    "COALESCE((SELECT GROUP_CONCAT(t.`tag` ORDER BY t.`position`) FROM `profile_tag` t"
    " WHERE t.`user_id`=p.`user_id`),%(empty)s) `tags`,"
    f"{_BITS_OF.format('CRC32(t.`tag`)')} `taste`,{_BITS_OF.format('CRC32(t.`tag`) DIV %(bits)s')} `flavour`"
    " FROM `profile` p WHERE p.`found`=%(yes)s AND p.`user_id` BETWEEN %(first)s AND %(last)s"
)
WRITE = compile_(
    f"INSERT INTO `candidate` ({','.join(f'`{name}`' for name in _MADE)})"
    f" SELECT {','.join(_MADE.values())} FROM ({_SOURCE}) q"
    f" ON DUPLICATE KEY UPDATE {','.join(f'`{name}`=VALUES(`{name}`)' for name in _MADE if name != 'user_id')}"
)
_TAGS = "CRC32(CONCAT_WS(%(comma)s,t.`tag`,o.`tag`))"
WRITE_TAGS = compile_(
    "INSERT INTO `candidate_tag` (`tags`,`gender`,`slot`,`user_id`,`sex`,`taste`,`flavour`)"
    f" SELECT {_TAGS} `both`,c.`gender`,c.`slot`,c.`user_id`,c.`sex`,c.`taste`,c.`flavour` FROM `candidate` c"
    " STRAIGHT_JOIN `profile_tag` t ON t.`user_id`=c.`user_id`"
    " STRAIGHT_JOIN `profile_tag` o ON o.`user_id`=t.`user_id` AND o.`tag`>=t.`tag`"
    " WHERE c.`user_id` BETWEEN %(first)s AND %(last)s ORDER BY `both`"
    " ON DUPLICATE KEY UPDATE `taste`=VALUES(`taste`)"
)
_LIST_TAGGED = compile_(
    "SELECT `user_id`,`slot`,`gender`,`sex`,`tags` FROM `candidate` WHERE `user_id` BETWEEN %(first)s AND %(last)s"
)
_DROP_TAGS = compile_(
    "DELETE FROM `candidate_tag`"
    " WHERE `tags` IN %(tags*)s AND `gender`=%(gender)s AND `slot`=%(slot)s AND `user_id`=%(user_id)s"
)
_DROP = compile_(
    "DELETE c FROM `candidate` c LEFT JOIN `profile` p ON p.`user_id`=c.`user_id`"
    " WHERE c.`user_id` BETWEEN %(first)s AND %(last)s AND (p.`found` IS NULL OR p.`found`=%(no)s)"
)
_LAST_FOUND = compile_("SELECT `user_id` FROM `profile` WHERE `found`=%(yes)s ORDER BY `user_id` DESC LIMIT %(one)s")
_GET = compile_("SELECT `user_id` FROM `candidate` WHERE `user_id`=%(user_id)s")
_LOCK_AFTER = compile_(
    "SELECT `user_id` FROM `profile` WHERE `user_id`>%(after)s ORDER BY `user_id` LIMIT %(limit)s FOR UPDATE"
)
_LIST_SAMPLE = compile_(
    f"SELECT {','.join(f'`{name}`' for name in Seen._fields)} FROM `candidate` FORCE INDEX (`slot`)"
    " WHERE `slot`>%(after)s AND `slot`<%(below)s ORDER BY `slot` LIMIT %(limit)s"
)


def slot_of(user_id: int) -> int:
    """Return somebody's slot, as the database reckons it."""
    return int(hashlib.md5(str(user_id).encode(), usedforsecurity=False).hexdigest()[:SLOT_DIGITS], 16)


def taste_of(tags: Iterable[str]) -> int:
    """Return the bits of some tags, as the database reckons them."""
    return sum({1 << zlib.crc32(tag.encode()) % _BITS for tag in tags})


def flavour_of(tags: Iterable[str]) -> int:
    """Return other bits of theirs: tags that share a bit there mostly share none here."""
    return sum({1 << zlib.crc32(tag.encode()) // _BITS % _BITS for tag in tags})


def key_of(tag: str, other: str | None = None) -> int:
    """Return by what those are found who have a tag, or two; others may have the same."""
    return zlib.crc32(",".join(sorted((tag, other or tag))).encode())


def keys_of(tags: Collection[str]) -> set[int]:
    """Return by what somebody with these tags is found."""
    return {key_of(*two) for two in combinations_with_replacement(tags, 2)}


CONSTANTS: dict[str, Any] = {f"rows{level}": rows for level, rows in ROWS.items()} | {
    "bits": _BITS,
    "pi": math.pi,
    "turn": math.tau,
    "half_turn": math.pi,
    "half": 0.5,
    "row": ROW,
    "nowhere": NOWHERE,
    "slot_digits": SLOT_DIGITS,
    "none": 0,
    "one": 1,
    "two": 2,
    "ten": 10,
    "twelve": 12,
    "sixteen": 16,
    "yes": True,
    "empty": "",
    "comma": ",",
}
"""What `WRITE` and `WRITE_TAGS` reckon with."""


async def refresh(tx: Tx, *, first: int, last: int) -> None:
    """Make the rows of these people anew; the caller holds their profiles, or writes them in this transaction."""
    before = {one.user_id: one for one in await tx.many(_LIST_TAGGED, _Tagged, first=first, last=last)}
    tx.post(_DROP, first=first, last=last, no=False)
    tx.post(WRITE, first=first, last=last, **CONSTANTS)
    after = {one.user_id: one for one in await tx.many(_LIST_TAGGED, _Tagged, first=first, last=last)}
    for was in before.values():
        if was.tags and was != after.get(was.user_id):
            tx.post(_DROP_TAGS, **was._asdict() | {"tags": sorted(keys_of(was.tags.split(",")))})
    if before != after:
        tx.post(WRITE_TAGS, first=first, last=last, **CONSTANTS)


async def is_whole(tx: Tx) -> bool:
    """Tell whether whoever should be found is among them: they are made in the order of their ids."""
    last = await tx.scalar(_LAST_FOUND, yes=True, one=1)
    return last is None or await tx.scalar(_GET, user_id=last) is not None


async def fill(tx: Tx, *, after: int, limit: int) -> list[int]:
    """Make the rows of the next so many people after an id, and return their ids."""
    ids = [row.user_id for row in await tx.many(_LOCK_AFTER, _User, after=after, limit=limit)]
    if ids:
        await refresh(tx, first=ids[0], last=ids[-1])
    return ids


async def list_sample(tx: Tx, *, after: int, below: int, limit: int) -> list[Seen]:
    """Return those with slots between two, in their order: as good a sample as any."""
    return await tx.many(_LIST_SAMPLE, Seen, after=after, below=below, limit=limit)

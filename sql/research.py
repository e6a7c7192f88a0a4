"""Search: who is eligible for a viewer, in which order. One fixed statement for each index to go by and each sort."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from sql.candidate import SLOTS, flavour_of, taste_of
from sql.eligible import (
    BUCKETS,
    DOT,
    ELIGIBLE,
    FILTERS,
    INDEXES,
    LIKELY,
    OUTSIDE,
    PIECES,
    RANK,
    SHARED,
    TIE,
    VALUES,
    fits,
    people,
)
from sql.statement import Statement, compile_
from sql.transaction import Tx


class Found(NamedTuple):
    """A person, and the place in the order: by value, then by tie."""

    user_id: int
    value: int
    tie: int


class Best(NamedTuple):
    """Of parts of a pool, how many there are and the last place of each, and some of them in the order of the score."""

    placed: int
    placed_end: int | None
    placeless: int
    placeless_end: int | None
    ranked: list[Found]


class Score(NamedTuple):
    """The published score, as numbers that the statement can reckon with."""

    near: tuple[int, ...]
    """Points for each bucket of distance."""
    near_unknown: int
    tag: int
    tags_counted: int
    fame_step: int
    age: int
    age_unknown: int


class Search(NamedTuple):
    """What is looked for, for whom and from where; None in a filter lets everybody through."""

    viewer_id: int
    own_gender: int
    own_sex: int
    own_age: int | None
    own_tags: list[str]
    vector: tuple[float, float, float] | None
    """Where distances are measured from; None: they are all unknown."""
    today: date
    cosines: tuple[float, ...]
    """Of the angles that end the buckets of distance, but the last."""
    score: Score
    key: int
    """What makes ties of slots; another one for each viewer and day."""
    genders: tuple[int, ...]
    """The genders sought."""
    born_until: date | None = None
    born_after: date | None = None
    reach: float | None = None
    """The least cosine of the angle to them."""
    fame_min: int | None = None
    fame_max: int | None = None
    tags: tuple[str, ...] = ()
    common_min: int = 0
    shows_online: bool | None = None
    """Only those who show whether they are online."""
    active_after: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return it as the statements take it."""
        values = self._asdict() | self.score._asdict()
        values |= dict(zip("xyz", self.vector or (None, None, None), strict=True))
        values |= {f"cosine{n}": cosine for n, cosine in enumerate(self.cosines)}
        values |= {f"near{n}": points for n, points in enumerate(self.score.near)}
        values["own_tags"] = _by_fours(self.own_tags)
        values["common_tags"] = values["own_tags"] if self.common_min else []
        values["wanted_taste"] = taste_of(self.tags) or None
        values |= _alike("common_taste_", map(taste_of, zip(self.own_tags)), self.common_min)
        values |= _alike("common_flavour_", map(flavour_of, zip(self.own_tags)), self.common_min)
        return values | {"zero": 0, "one": 1, "last_rank": BUCKETS - 1, "buckets": BUCKETS, "circle": SLOTS}


def _by_fours(tags: list[str]) -> list[str]:
    """Return tags, and empty ones that nobody has, so that texts stay few."""
    return [*tags, *[""] * (-len(tags) % 4)]


class Step(NamedTuple):
    """Some of all people, whom an index finds: those with these keys, whose slots lie in this range.

    `least` and `most` bound the value; in a pool, the place: bucket times SLOTS plus tie.
    """

    by: str
    """One of `INDEXES`, or `OUTSIDE`."""
    keys: tuple[Any, ...]
    low: int = 0
    high: int = SLOTS - 1
    least: int = -(10**6)
    most: int = 10**6

    def bound(self, prefix: str = "") -> dict[str, Any]:
        """Return it as the statements take it."""
        is_slice = self.high - self.low < SLOTS - 1
        bound = {"keys": self.keys or (None,), "low": self.low if is_slice else None, "high": self.high}
        return {prefix + name: value for name, value in bound.items()}


_MANY = 10**9
UNKNOWN_LAST = {"ASC": 999_999, "DESC": -1}
"""The value of those of whom it is not known, by order."""
_NEARER, _FARTHER = 2.0, -2.0
"""More and less than any cosine."""

# Whoever stands between two places in the order of (bucket of distance, tie); who is in which bucket, cosines tell.
_BETWEEN = (
    f" AND {DOT}>=%(farthest)s{{nearest? AND {DOT}<%(nearest)s}}"
    f"{{first_tie? AND ({DOT}<%(after_first)s OR {TIE}>=%(first_tie)s)}}"
    f"{{last_tie? AND ({DOT}>=%(before_last)s OR {TIE}<=%(last_tie)s)}}"
)
_BETWEEN_RANKS = (
    f"{{farthest? AND {DOT}>=%(farthest)s}}{{nearest? AND {DOT}<%(nearest)s}}{{is_unknown? AND {DOT} IS NULL}}"
)
_BETWEEN_TIES = (
    f"{{only_placeless? AND c.`x` IS NULL}}{{first_far? AND {TIE}>=%(first_far)s}}{{last_far? AND {TIE}<=%(last_far)s}}"
)


_LIKELY = LIKELY.format("c.`taste`", "taste_") + LIKELY.format("c.`flavour`", "flavour_")


def _once(index: str) -> str:
    """Return what keeps the order of the tables, and one row of each: several tags lead to one person several times."""
    return "DISTINCT STRAIGHT_JOIN" if index == "tag" else "STRAIGHT_JOIN"


def _list(index: str, sort: int, order: str) -> Statement:
    value, beyond = VALUES[sort], ">" if order == "ASC" else "<"
    of_step = _BETWEEN_RANKS if sort == 1 else f" AND {value} BETWEEN %(least)s AND %(most)s"
    if sort == 4:
        of_step = (_LIKELY.replace("c.", "k.") if index == "tag" else _LIKELY) + of_step
    return compile_(
        f"SELECT {_once(index)} c.`user_id`,{value} `value`,{TIE} `tie`"
        f" FROM {people(index)}{fits(index)}{of_step}"
        f"{{value? HAVING `value`{beyond}%(value)s OR (`value`=%(value)s AND `tie`>%(tie)s)}}"
        f" ORDER BY `value` {order},`tie` LIMIT %(limit)s"
    )


_POINTS = (
    f"ELT(d.`rank`+%(one)s,{','.join(f'%(near{n})s' for n in range(BUCKETS))},%(near_unknown)s)"
    f"+LEAST(%(zero)s{{own_tags* {SHARED.format('own_tags', 'c')}}},%(tags_counted)s)*%(tag)s"
    "+c.`fame` DIV %(fame_step)s"
    "+COALESCE(GREATEST(%(zero)s,%(age)s-ABS(TIMESTAMPDIFF(YEAR,c.`birth_date`,%(today)s)-%(own_age)s)),%(age_unknown)s)"
)


def _pool(near: str | None, far: str | None, order: str) -> Statement:
    """The parts of a pool are cut by nearness and tie, then both are ordered by score; all of it comes as one row.

    Window functions would take as long again as all the rest. The outer LIMIT has each score reckoned only once.
    """
    beyond, parts = ">" if order == "ASC" else "<", []
    if near:
        parts.append(
            f"SELECT {_once(near)} c.`user_id`,{RANK} `rank`,{TIE} `tie` FROM {people(near)}{fits(near)}{_BETWEEN}"
            " ORDER BY `rank`,`tie` LIMIT %(pool)s"
        )
    if far:
        parts.append(
            f"SELECT {_once(far)} c.`user_id`,%(buckets)s `rank`,{TIE} `tie` FROM {people(far, 'far_')}{fits(far)}"
            f"{_BETWEEN_TIES} ORDER BY `tie` LIMIT %(far_pool)s"
        )
    both = parts[0] if len(parts) == 1 else f"({parts[0]}) UNION ALL ({parts[1]})"
    return compile_(
        "SELECT COUNT(CASE WHEN s.`rank`<%(buckets)s THEN s.`tie` END) `placed`,"
        "MAX(CASE WHEN s.`rank`<%(buckets)s THEN s.`rank`*%(circle)s+s.`tie` END) `placed_end`,"
        "COUNT(CASE WHEN s.`rank`=%(buckets)s THEN s.`tie` END) `placeless`,"
        "MAX(CASE WHEN s.`rank`=%(buckets)s THEN s.`rank`*%(circle)s+s.`tie` END) `placeless_end`,"
        "SUBSTRING_INDEX(GROUP_CONCAT(CASE WHEN"
        f" %(value)s IS NULL OR s.`value`{beyond}%(value)s OR (s.`value`=%(value)s AND s.`tie`>%(tie)s)"
        " THEN CONCAT_WS(%(between)s,s.`user_id`,s.`value`,s.`tie`) END"
        f" ORDER BY s.`value` {order},s.`tie`),%(comma)s,%(limit)s) `ranked` FROM ("
        f"SELECT STRAIGHT_JOIN d.`user_id`,d.`rank`,d.`tie`,{_POINTS} `value` FROM ({both}) d"
        " JOIN `candidate` c ON c.`user_id`=d.`user_id` LIMIT %(many)s) s"
    )


def _count(index: str) -> Statement:
    """Count who is left after each filter and all before it, then who would be left without each of them."""
    places = range(len(FILTERS))
    kept = [places[: n + 1] for n in places] + [[m for m in places if m != n] for n in places]
    counts = ",".join(f"COUNT(CASE WHEN {' AND '.join(f'd.`f{n}`' for n in some)} THEN %(one)s END)" for some in kept)
    conditions = ",".join(f"(%(one)s{piece}) `f{n}`" for n, piece in enumerate(PIECES.values()))
    return compile_(
        f"SELECT {counts} FROM (SELECT {_once(index)} c.`user_id`,{conditions} FROM {people(index)} AND {ELIGIBLE}"
        " LIMIT %(many)s) d"
    )


_LIST = {
    (index, sort, order): _list(index, sort, order) for index in INDEXES for sort in VALUES for order in UNKNOWN_LAST
} | {(OUTSIDE, 1, order): _list(OUTSIDE, 1, order) for order in UNKNOWN_LAST}
_COUNT = {index: _count(index) for index in INDEXES}

_WAYS: list[tuple[str | None, str | None]] = [
    *((near, far) for near in INDEXES for far in dict.fromkeys(("c1024", near, None))),
    *((None, far) for far in INDEXES),
]
"""To each part of a pool, or to the only one."""
_POOL = {(near, far, order): _pool(near, far, order) for near, far in _WAYS for order in UNKNOWN_LAST}


async def list_found(
    tx: Tx, *, search: Search, step: Step, sort_by: int, order: str, after: Found | None, limit: int
) -> list[Found]:
    """Return those of a step who are eligible and fit the filters, from a place on; `order` is ASC or DESC."""
    values = search.values() | step.bound() | _after(after) | {"unknown_last": UNKNOWN_LAST[order]}
    values |= _of_values(step, search.cosines, UNKNOWN_LAST[order])
    values |= _alike("taste_", map(taste_of, zip(search.own_tags)), step.least)
    values |= _alike("flavour_", map(flavour_of, zip(search.own_tags)), step.least)
    return await tx.many(_LIST[step.by, sort_by, order], Found, **values, limit=limit)


async def list_pool(
    tx: Tx,
    *,
    search: Search,
    placed: Step | None,
    pool: int,
    placeless: Step | None,
    far_pool: int,
    order: str,
    after: Found | None,
    limit: int,
) -> Best:
    """Return the best, or the worst, from a place on, of those of each step who come first by nearness and tie."""
    near, far = placed or _NOBODY, placeless or _NOBODY
    values = search.values() | near.bound() | far.bound("far_") | _after(after)
    values |= _between(near, search.cosines) | _between_ties(far, search.vector is not None)
    values |= {"pool": pool, "far_pool": far_pool, "limit": limit, "between": ":", "comma": ",", "many": _MANY}
    statement = _POOL[placed and placed.by, placeless and placeless.by, order]
    best = await tx.one(statement, _best, **values)
    assert best is not None, "an aggregate has a row"
    return best


_NOBODY = Step("everybody", (), least=0, most=0)


def _best(placed: int, placed_end: int | None, placeless: int, placeless_end: int | None, ranked: str | None) -> Best:
    found = [Found(*map(int, one.split(":"))) for one in (ranked or "").split(",") if one]
    return Best(placed, placed_end, placeless, placeless_end, found)


def _alike(prefix: str, own: Iterable[int], least: int) -> dict[str, Any]:
    """Return what the bits of somebody with so many tags of these bits must be like; some may share one."""
    bits = Counter(own)
    shared = [bit for bit, tags in bits.items() if tags > 1]
    likely = least - sum(bits.values()) + len(bits) + len(shared)
    alike = {"own": sum(bits), "shared": sum(shared), "likely": likely if likely > 0 else None}
    return {prefix + name: value for name, value in alike.items()}


def _after(after: Found | None) -> dict[str, Any]:
    return {"value": after and after.value, "tie": after and after.tie}


def _between(step: Step, cosines: tuple[float, ...]) -> dict[str, Any]:
    """Return the bounds of a step of those whose distance is known, as cosines and ties."""
    (least, first), (most, last) = divmod(step.least, SLOTS), divmod(step.most, SLOTS)
    ends = [_NEARER, *cosines, _FARTHER]  # a bucket lies between the ends before and after it
    return {
        "nearest": ends[least] if least > 0 else None,
        "first_tie": first or None,
        "after_first": ends[least + 1],
        "farthest": ends[most + 1],
        "last_tie": last if last < SLOTS - 1 else None,
        "before_last": ends[most],
    }


def _between_ties(step: Step, is_placed: bool) -> dict[str, Any]:
    """Return the bounds of a step of those whose distance is not known; the viewer's place may be."""
    first, last = step.least - BUCKETS * SLOTS, step.most - BUCKETS * SLOTS
    return {
        "only_placeless": 1 if is_placed and step.by != "c1024" else None,
        "first_far": first if first > 0 else None,
        "last_far": last if last < SLOTS - 1 else None,
    }


def _of_values(step: Step, cosines: tuple[float, ...], unknown: int) -> dict[str, Any]:
    """Return the bounds of a step by values; those of distances as cosines."""
    is_known = step.least >= 0 and step.most < BUCKETS
    ends = [_NEARER, *cosines, _FARTHER]
    return {
        "least": step.least,
        "most": step.most,
        "farthest": ends[step.most + 1] if is_known else None,
        "nearest": ends[step.least] if is_known and step.least else None,
        "is_unknown": 1 if step.least == unknown else None,
    }


class Left(NamedTuple):
    """How many are left after each filter and all before it, and how many there would be without each of them."""

    after: dict[str, int]
    without: dict[str, int]


async def count_left(tx: Tx, *, search: Search, step: Step) -> Left:
    """Count those of a step; whether they are online is not looked at."""
    counts = await tx.one(_COUNT[step.by], _tuple, **search.values(), **step.bound(), many=_MANY)
    assert counts is not None, "an aggregate has a row"
    half = len(FILTERS)
    return Left(dict(zip(FILTERS, counts[:half], strict=True)), dict(zip(FILTERS, counts[half:], strict=True)))


def _tuple(*columns: Any) -> tuple[Any, ...]:
    return columns

"""Search: who is eligible for a viewer, in which order. One fixed statement for each sort and direction."""

from datetime import date, datetime
from typing import Any, NamedTuple

from sql.statement import Statement, compile_
from sql.transaction import Tx

IDS = 2**53
"""Ids are random numbers below this, so that a range of them holds anybody alike."""


class Found(NamedTuple):
    """A person, and the place in the order."""

    user_id: int
    value: int
    tie: str


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
    edges: tuple[int, ...]
    cosines: tuple[float, ...]
    score: Score
    seed: str
    """What ties fall by, with the person."""
    born_until: date | None = None
    born_after: date | None = None
    reach: float | None = None
    """The least cosine of the angle to them."""
    fame_min: int | None = None
    fame_max: int | None = None
    tags: tuple[str, ...] = ()
    common_min: int = 0
    shows_online: bool = False
    """Only those who show whether they are online."""
    active_after: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return it as the statements take it."""
        values = self._asdict() | self.score._asdict()
        values |= dict(zip("xyz", self.vector or (None, None, None), strict=True))
        values |= {f"cosine{n}": cosine for n, cosine in enumerate(self.cosines)}
        values |= {f"edge{n}": edge for n, edge in enumerate(self.edges)}
        values |= {f"near{n}": points for n, points in enumerate(self.score.near)}
        values |= {"own_tags": self.own_tags or [""], "tags": self.tags or [""], "tags_wanted": len(self.tags)}
        return values | {"zero": 0, "yes": 1}


class Part(NamedTuple):
    """A part of everybody, by their ids: a range that goes on from 0 where it passes the last one."""

    start: int
    length: int

    def values(self) -> dict[str, int]:
        """Return it as two ranges without their ends, of which the second may be empty."""
        end = self.start + self.length
        return {"first": self.start, "last": min(end, IDS), "first_again": 0, "last_again": max(end - IDS, 0)}


EVERYBODY = Part(0, IDS)

_UNKNOWN_LAST = {"ASC": 999_999, "DESC": -1}
_BUCKETS = 12
# Somebody's side of the pair, seen from the viewer.
_MINE = "CASE WHEN p.`user_id`>%(viewer_id)s THEN r.`low_{0}` ELSE r.`high_{0}` END"
_PEOPLE = (
    "SELECT p.`user_id`,p.`birth_date`,p.`fame`,p.`active_at`,p.`show_online`,"
    "TIMESTAMPDIFF(YEAR,p.`birth_date`,%(today)s) `age`,"
    "CASE WHEN p.`show_distance`=%(yes)s THEN p.`x`*%(x)s+p.`y`*%(y)s+p.`z`*%(z)s END `dot`,"
    "(SELECT COUNT(*) FROM `profile_tag` t WHERE t.`user_id`=p.`user_id` AND t.`tag` IN %(own_tags*)s) `common`"
    " FROM `profile` p LEFT JOIN `pair` r"
    " ON r.`low_id`=LEAST(p.`user_id`,%(viewer_id)s) AND r.`high_id`=GREATEST(p.`user_id`,%(viewer_id)s)"
    " WHERE p.`found`=%(yes)s AND p.`user_id`<>%(viewer_id)s"
    " AND (p.`user_id`>=%(first)s AND p.`user_id`<%(last)s"
    " OR p.`user_id`>=%(first_again)s AND p.`user_id`<%(last_again)s)"
    " AND (%(own_sex)s=%(zero)s OR p.`gender`&%(own_sex)s) AND (p.`sex`=%(zero)s OR p.`sex`&%(own_gender)s)"
    " AND r.`low_blocked_at` IS NULL AND r.`high_blocked_at` IS NULL"
    f" AND {_MINE.format('liked_at')} IS NULL AND {_MINE.format('passed_at')} IS NULL"
)
_WANTED = "(SELECT COUNT(*) FROM `profile_tag` t WHERE t.`user_id`=e.`user_id` AND t.`tag` IN %(tags*)s)"
FILTERS = {
    "age_min": "(%(born_until)s IS NULL OR e.`birth_date`<=%(born_until)s)",
    "age_max": "(%(born_after)s IS NULL OR e.`birth_date`>%(born_after)s)",
    "distance_max": "(%(reach)s IS NULL OR e.`dot`>=%(reach)s)",
    "fame_min": "(%(fame_min)s IS NULL OR e.`fame`>=%(fame_min)s)",
    "fame_max": "(%(fame_max)s IS NULL OR e.`fame`<=%(fame_max)s)",
    "tags": f"(%(tags_wanted)s=%(zero)s OR {_WANTED}=%(tags_wanted)s)",
    "common_tags_min": "(%(common_min)s=%(zero)s OR e.`common`>=%(common_min)s)",
}
"""The conditions of the filters by their names, in the order in which they are told of."""

_MAY_BE_ONLINE = (
    "(%(shows_online)s=%(zero)s OR e.`show_online`=%(yes)s)"
    " AND (%(active_after)s IS NULL OR e.`active_at` IS NULL OR e.`active_at`>=%(active_after)s)"
)


def _by_distance(result: str, unknown: str) -> str:
    """Return the CASE that maps the cosine between two cells to one of `result0` … by the bucket it falls in."""
    steps = "".join(f" WHEN e.`dot`>=%(cosine{n})s THEN %({result}{n})s" for n in range(_BUCKETS - 1))
    return f"CASE WHEN e.`dot` IS NULL THEN %({unknown})s{steps} ELSE %({result}{_BUCKETS - 1})s END"


_SCORE = (
    f"({_by_distance('near', 'near_unknown')})"
    "+LEAST(e.`common`,%(tags_counted)s)*%(tag)s"
    "+e.`fame` DIV %(fame_step)s"
    "+CASE WHEN e.`age` IS NULL OR %(own_age)s IS NULL THEN %(age_unknown)s"
    " ELSE GREATEST(%(zero)s,%(age)s-ABS(e.`age`-%(own_age)s)) END"
)
_VALUES = {
    0: _SCORE,
    1: _by_distance("edge", "unknown_last"),
    2: "COALESCE(e.`age`,%(unknown_last)s)",
    3: "e.`fame`",
    4: "e.`common`",
}


def _compile(value: str, order: str) -> Statement:
    beyond = ">" if order == "ASC" else "<"
    return compile_(
        f"SELECT c.`user_id`,c.`value`,c.`tie` FROM (SELECT e.`user_id`,{value} `value`,"
        f"MD5(CONCAT(e.`user_id`,%(seed)s)) `tie` FROM ({_PEOPLE}) e"
        f" WHERE {' AND '.join(FILTERS.values())} AND {_MAY_BE_ONLINE}) c"
        f" WHERE %(value)s IS NULL OR c.`value`{beyond}%(value)s OR (c.`value`=%(value)s AND c.`tie`>%(tie)s)"
        f" ORDER BY c.`value` {order},c.`tie` LIMIT %(limit)s"
    )


def _steps() -> str:
    """Return a count for each filter: who is left after it and all before it."""
    conditions = list(FILTERS.values())
    return ",".join(
        f"COUNT(CASE WHEN {' AND '.join(conditions[: n + 1])} THEN %(yes)s END)" for n in range(len(FILTERS))
    )


_LIST = {(sort, order): _compile(value, order) for sort, value in _VALUES.items() for order in _UNKNOWN_LAST}
_COUNT = compile_(f"SELECT {_steps()} FROM ({_PEOPLE}) e")


async def list_found(
    tx: Tx, *, search: Search, part: Part, sort_by: int, order: str, after: Found | None, limit: int
) -> list[Found]:
    """Return those of a part who are eligible and fit the filters, from a place on; `order` is ASC or DESC."""
    values = search.values() | part.values()
    values |= {"value": after and after.value, "tie": after and after.tie, "unknown_last": _UNKNOWN_LAST[order]}
    return await tx.many(_LIST[sort_by, order], Found, **values, limit=limit)


async def count_left(tx: Tx, *, search: Search) -> dict[str, int]:
    """Return how many are left after each filter and all before it; whether they are online is not looked at."""
    counts = await tx.one(_COUNT, _tuple, **search.values(), **EVERYBODY.values())
    assert counts is not None, "an aggregate has a row"
    return dict(zip(FILTERS, counts, strict=True))


def _tuple(*columns: Any) -> tuple[Any, ...]:
    return columns

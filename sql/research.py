"""Search: who is eligible for a viewer, in which order. One fixed statement for each sort and direction."""

from datetime import date
from typing import Any, NamedTuple

from sql.statement import Statement, compile_
from sql.transaction import Tx


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


_UNKNOWN_LAST = {"ASC": 999_999, "DESC": -1}
_DOT = "(p.`x`*%(x)s+p.`y`*%(y)s+p.`z`*%(z)s)"
_AGE = "TIMESTAMPDIFF(YEAR,p.`birth_date`,%(today)s)"
_COMMON = "(SELECT COUNT(*) FROM `profile_tag` t WHERE t.`user_id`=p.`user_id` AND t.`tag` IN %(own_tags*)s)"
_WANTED = "(SELECT COUNT(*) FROM `profile_tag` t WHERE t.`user_id`=p.`user_id` AND t.`tag` IN %(tags*)s)"
_BUCKETS = 12


def _by_distance(result: str, unknown: str) -> str:
    """Return the CASE that maps the dot product of two cells to one of `result0` … by the bucket it falls in."""
    steps = "".join(f" WHEN {_DOT}>=%(cosine{n})s THEN %({result}{n})s" for n in range(_BUCKETS - 1))
    return f"CASE WHEN {_DOT} IS NULL THEN %({unknown})s{steps} ELSE %({result}{_BUCKETS - 1})s END"


_SCORE = (
    f"({_by_distance('near', 'near_unknown')})"
    f"+LEAST({_COMMON},%(tags_counted)s)*%(tag)s"
    "+p.`fame` DIV %(fame_step)s"
    f"+CASE WHEN {_AGE} IS NULL OR %(own_age)s IS NULL THEN %(age_unknown)s"
    f" ELSE GREATEST(%(zero)s,%(age)s-ABS({_AGE}-%(own_age)s)) END"
)
_VALUES = {
    0: _SCORE,
    1: _by_distance("edge", "unknown_last"),
    2: f"COALESCE({_AGE},%(unknown_last)s)",
    3: "p.`fame`",
    4: _COMMON,
}
_ELIGIBLE = (
    " FROM `profile` p LEFT JOIN `pair` r"
    " ON r.`low_id`=LEAST(p.`user_id`,%(viewer_id)s) AND r.`high_id`=GREATEST(p.`user_id`,%(viewer_id)s)"
    " WHERE p.`found`=%(yes)s AND p.`user_id`<>%(viewer_id)s"
    " AND (%(own_sex)s=%(zero)s OR p.`gender`&%(own_sex)s) AND (p.`sex`=%(zero)s OR p.`sex`&%(own_gender)s)"
    " AND r.`low_blocked_at` IS NULL AND r.`high_blocked_at` IS NULL"
    " AND CASE WHEN p.`user_id`>%(viewer_id)s THEN r.`low_liked_at` ELSE r.`high_liked_at` END IS NULL"
)
_FILTERS = (
    " AND (%(born_until)s IS NULL OR p.`birth_date`<=%(born_until)s)"
    " AND (%(born_after)s IS NULL OR p.`birth_date`>%(born_after)s)"
    f" AND (%(reach)s IS NULL OR {_DOT}>=%(reach)s)"
    " AND (%(fame_min)s IS NULL OR p.`fame`>=%(fame_min)s) AND (%(fame_max)s IS NULL OR p.`fame`<=%(fame_max)s)"
    f" AND (%(tags_wanted)s=%(zero)s OR {_WANTED}=%(tags_wanted)s)"
    f" AND (%(common_min)s=%(zero)s OR {_COMMON}>=%(common_min)s)"
)


def _compile(value: str, order: str) -> Statement:
    beyond = ">" if order == "ASC" else "<"
    return compile_(
        f"SELECT c.`user_id`,c.`value`,c.`tie` FROM (SELECT p.`user_id`,{value} `value`,"
        f"MD5(CONCAT(p.`user_id`,%(seed)s)) `tie`{_ELIGIBLE}{_FILTERS}) c"
        f" WHERE %(value)s IS NULL OR c.`value`{beyond}%(value)s OR (c.`value`=%(value)s AND c.`tie`>%(tie)s)"
        f" ORDER BY c.`value` {order},c.`tie` LIMIT %(limit)s"
    )


_LIST = {(sort, order): _compile(value, order) for sort, value in _VALUES.items() for order in _UNKNOWN_LAST}


async def list_found(
    tx: Tx,
    *,
    sort_by: int,
    order: str,
    score: Score,
    edges: tuple[int, ...],
    cosines: tuple[float, ...],
    vector: tuple[float, float, float] | None,
    own_tags: list[str],
    tags: list[str],
    today: date,
    after: tuple[int, str] | None,
    **values: Any,
) -> list[Found]:
    """Return those who are eligible and fit the filters, from a place on; `order` is ASC or DESC."""
    x, y, z = vector or (None, None, None)
    value, tie = after or (None, "")
    unknown_last = _UNKNOWN_LAST[order]
    values |= {"x": x, "y": y, "z": z, "value": value, "tie": tie, "today": today, "unknown_last": unknown_last}
    values |= {f"cosine{n}": cosine for n, cosine in enumerate(cosines)}
    values |= {f"edge{n}": edge for n, edge in enumerate(edges)} | {f"near{n}": p for n, p in enumerate(score.near)}
    values |= score._asdict() | {"own_tags": own_tags or [""], "tags": tags or [""], "tags_wanted": len(tags)}
    return await tx.many(_LIST[sort_by, order], Found, **values, zero=0, yes=1)

"""Search: who is eligible for a viewer, in which order. One fixed statement for each index to go by and each sort."""

from datetime import date, datetime
from typing import Any, NamedTuple

from sql.candidate import SLOTS
from sql.statement import Statement, compile_
from sql.transaction import Tx


class Found(NamedTuple):
    """A person, and the place in the order: by value, then by tie."""

    user_id: int
    value: int
    tie: int


class Best(NamedTuple):
    """Of a pool, how many there are, the last place it reaches to, and some in the order of the score."""

    people: int
    end: int | None
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
    shows_online: bool = False
    """Only those who show whether they are online."""
    active_after: datetime | None = None
    is_filtered: bool = False

    def values(self) -> dict[str, Any]:
        """Return it as the statements take it."""
        values = self._asdict() | self.score._asdict()
        values |= dict(zip("xyz", self.vector or (None, None, None), strict=True))
        values |= {f"cosine{n}": cosine for n, cosine in enumerate(self.cosines)}
        values |= {f"near{n}": points for n, points in enumerate(self.score.near)}
        values |= {f"rank{n}": n for n in range(BUCKETS)} | {"last_rank": BUCKETS - 1}
        values |= {f"own{n}": tag for n, tag in enumerate([*self.own_tags, *[""] * MOST_TAGS][:MOST_TAGS])}
        values |= {"has_tags": bool(self.own_tags), "has_many_tags": len(self.own_tags) > _FEW_TAGS}
        values |= {"tags": self.tags or [""], "tags_wanted": len(self.tags)}
        return values | {"zero": 0, "yes": 1, "circle": SLOTS}


class Step(NamedTuple):
    """Some of all people, whom an index finds: those with these keys, whose slots lie in this range.

    `least` and `most` bound the value; in a pool, the place: bucket times SLOTS plus tie.
    """

    by: str
    """One of `INDEXES`."""
    keys: tuple[Any, ...]
    low: int = 0
    high: int = SLOTS - 1
    least: int = -(10**6)
    most: int = 10**6

    def bound(self) -> dict[str, Any]:
        """Return it as the statements take it."""
        return self._asdict() | {"keys": self.keys or (None,)}


BUCKETS, MOST_TAGS, _FEW_TAGS, _MANY = 12, 20, 8, 10**9
UNKNOWN_LAST = {"ASC": 999_999, "DESC": -1}
"""The value of those of whom it is not known, by order."""
INDEXES = ("c1", "c4", "c16", "c64", "c256", "c1024", "born", "fame", "everybody", "tag")
"""What can be gone by: a grid, the month of birth, fame, nothing, a tag."""

# Somebody's side of the pair, seen from the viewer.
_MINE = "CASE WHEN c.`user_id`>%(viewer_id)s THEN r.`low_{0}` ELSE r.`high_{0}` END"
_TIE = "(c.`slot`^%(key)s)"
_AGE = "TIMESTAMPDIFF(YEAR,c.`birth_date`,%(today)s)"
_DOT = "(c.`x`*%(x)s+c.`y`*%(y)s+c.`z`*%(z)s)"


def _shared(places: range) -> str:
    return "+".join(f"(FIND_IN_SET(%(own{n})s,c.`tags`)>%(zero)s)" for n in places)


_COMMON = (
    f"(CASE WHEN %(has_tags)s THEN {_shared(range(_FEW_TAGS))} ELSE %(zero)s END"
    f"+CASE WHEN %(has_many_tags)s THEN {_shared(range(_FEW_TAGS, MOST_TAGS))} ELSE %(zero)s END)"
)
_WANTED = "(SELECT COUNT(*) FROM `profile_tag` w WHERE w.`user_id`=c.`user_id` AND w.`tag` IN %(tags*)s)"
FILTERS = {
    "age_min": "(%(born_until)s IS NULL OR c.`birth_date`<=%(born_until)s)",
    "age_max": "(%(born_after)s IS NULL OR c.`birth_date`>%(born_after)s)",
    "distance_max": f"(%(reach)s IS NULL OR {_DOT}>=%(reach)s)",
    "fame_min": "(%(fame_min)s IS NULL OR c.`fame`>=%(fame_min)s)",
    "fame_max": "(%(fame_max)s IS NULL OR c.`fame`<=%(fame_max)s)",
    "tags": f"(%(tags_wanted)s=%(zero)s OR {_WANTED}=%(tags_wanted)s)",
    "common_tags_min": f"(%(common_min)s=%(zero)s OR {_COMMON}>=%(common_min)s)",
}
"""The conditions of the filters by their names, in the order in which they are told of."""

_ELIGIBLE = (
    "c.`slot` BETWEEN %(low)s AND %(high)s AND c.`user_id`<>%(viewer_id)s"
    " AND (c.`sex`=%(zero)s OR c.`sex`&%(own_gender)s)"
    " AND r.`low_blocked_at` IS NULL AND r.`high_blocked_at` IS NULL"
    f" AND {_MINE.format('liked_at')} IS NULL AND {_MINE.format('passed_at')} IS NULL"
)
_MAY_BE_ONLINE = (
    "(%(shows_online)s=%(zero)s OR c.`show_online`=%(yes)s)"
    " AND (%(active_after)s IS NULL OR EXISTS (SELECT a.`user_id` FROM `profile` a WHERE a.`user_id`=c.`user_id`"
    " AND (a.`active_at` IS NULL OR a.`active_at`>=%(active_after)s)))"
)
_PAIR = (
    " LEFT JOIN `pair` r ON r.`low_id`=LEAST(c.`user_id`,%(viewer_id)s)"
    " AND r.`high_id`=GREATEST(c.`user_id`,%(viewer_id)s) WHERE "
)


def _people(index: str) -> str:
    """Return the people whom an index finds, of whom it is still to be seen whether they are eligible."""
    if index == "tag":
        return (
            "`profile_tag` k STRAIGHT_JOIN `candidate` c ON c.`user_id`=k.`user_id` AND c.`gender` IN %(genders*)s"
            f"{_PAIR}k.`tag` IN %(keys*)s"
        )
    key = "%(keys*)s IS NOT NULL" if index == "everybody" else f"c.`{index}` IN %(keys*)s"
    of_index = "" if index == "everybody" else f"{key} AND "
    return f"`candidate` c FORCE INDEX (`{index}`){_PAIR}{of_index}c.`gender` IN %(genders*)s"


# How many buckets end before there, counted from the last; of those whose place is not known, INTERVAL counts -1.
_RANK = (
    f"(%(last_rank)s-INTERVAL({_DOT},{','.join(f'%(cosine{n})s' for n in reversed(range(BUCKETS - 1)))}))"
)
_VALUES = {
    1: f"CASE WHEN {_DOT} IS NULL THEN %(unknown_last)s ELSE {_RANK} END",
    2: f"COALESCE({_AGE},%(unknown_last)s)",
    3: "c.`fame`",
    4: _COMMON,
}
_NEAR = (
    "CASE d.`rank`"
    + "".join(f" WHEN %(rank{n})s THEN %(near{n})s" for n in range(BUCKETS))
    + " ELSE %(near_unknown)s END"
)
_SCORE = (
    f"({_NEAR})"
    "+LEAST(d.`common`,%(tags_counted)s)*%(tag)s"
    "+d.`fame` DIV %(fame_step)s"
    "+CASE WHEN d.`age` IS NULL OR %(own_age)s IS NULL THEN %(age_unknown)s"
    " ELSE GREATEST(%(zero)s,%(age)s-ABS(d.`age`-%(own_age)s)) END"
)
_FITS = f"{_ELIGIBLE} AND {' AND '.join(FILTERS.values())} AND {_MAY_BE_ONLINE}"
_IN_STEP = "{value} BETWEEN %(least)s AND %(most)s"
_PLACE = f"({_RANK}*%(circle)s+{_TIE})"


def _list(index: str, value: str, order: str) -> Statement:
    beyond = ">" if order == "ASC" else "<"
    return compile_(
        f"SELECT {'DISTINCT' if index == 'tag' else ''} STRAIGHT_JOIN c.`user_id`,{value} `value`,{_TIE} `tie`"
        f" FROM {_people(index)} AND {_FITS}"
        f" AND {_IN_STEP.format(value=value)}"
        f" HAVING %(value)s IS NULL OR `value`{beyond}%(value)s OR (`value`=%(value)s AND `tie`>%(tie)s)"
        f" ORDER BY `value` {order},`tie` LIMIT %(limit)s"
    )


def _pool(index: str, order: str, fits: str) -> Statement:
    """The pool is cut by nearness and tie, then it is ordered by score; all of it comes as one row.

    Window functions would take as long again as all the rest.
    """
    beyond = ">" if order == "ASC" else "<"
    return compile_(
        "SELECT COUNT(*),MAX(s.`place`),SUBSTRING_INDEX(GROUP_CONCAT(CASE WHEN"
        f" %(value)s IS NULL OR s.`value`{beyond}%(value)s OR (s.`value`=%(value)s AND s.`tie`>%(tie)s)"
        " THEN CONCAT_WS(%(between)s,s.`user_id`,s.`value`,s.`tie`) END"
        f" ORDER BY s.`value` {order},s.`tie`),%(comma)s,%(limit)s) FROM ("
        f"SELECT d.`user_id`,{_SCORE} `value`,d.`tie`,d.`rank`*%(circle)s+d.`tie` `place` FROM ("
        f"SELECT STRAIGHT_JOIN c.`user_id`,{_RANK} `rank`,{_TIE} `tie`,c.`fame`,{_AGE} `age`,{_COMMON} `common`"
        f" FROM {_people(index)} AND {fits} AND {_IN_STEP.format(value=_PLACE)}"
        " ORDER BY `rank`,`tie` LIMIT %(pool)s) d) s"
    )


def _count(index: str) -> Statement:
    """Count who is left after each filter and all before it, then who would be left without each of them."""
    places = range(len(FILTERS))
    kept = [places[: n + 1] for n in places] + [[m for m in places if m != n] for n in places]
    counts = ",".join(f"COUNT(CASE WHEN {' AND '.join(f'd.`f{n}`' for n in some)} THEN %(yes)s END)" for some in kept)
    conditions = ",".join(f"{condition} `f{n}`" for n, condition in enumerate(FILTERS.values()))
    return compile_(
        f"SELECT {counts} FROM (SELECT STRAIGHT_JOIN {conditions} FROM {_people(index)} AND {_ELIGIBLE}"
        " LIMIT %(many)s) d"
    )


_LIST = {
    (index, sort, order): _list(index, value, order)
    for index in INDEXES
    for sort, value in _VALUES.items()
    for order in UNKNOWN_LAST
}
_COUNT = {index: _count(index) for index in INDEXES}
_POOL = {
    (index, order, is_filtered): _pool(index, order, _FITS if is_filtered else _ELIGIBLE)
    for index in INDEXES
    for order in UNKNOWN_LAST
    for is_filtered in (False, True)
}


async def list_found(
    tx: Tx, *, search: Search, step: Step, sort_by: int, order: str, after: Found | None, limit: int
) -> list[Found]:
    """Return those of a step who are eligible and fit the filters, from a place on; `order` is ASC or DESC."""
    values = search.values() | step.bound() | _place(after) | {"unknown_last": UNKNOWN_LAST[order]}
    return await tx.many(_LIST[step.by, sort_by, order], Found, **values, limit=limit)


async def list_pool(
    tx: Tx,
    *,
    search: Search,
    step: Step,
    pool: int,
    order: str,
    after: Found | None,
    limit: int,
) -> Best:
    """Return the best, or the worst, from a place on, of those of a step who come first by nearness and tie."""
    values = search.values() | step.bound() | _place(after) | {"unknown_last": BUCKETS, "pool": pool}
    values |= {"limit": limit, "between": ":", "comma": ","}
    best = await tx.one(_POOL[step.by, order, search.is_filtered], _best, **values)
    assert best is not None, "an aggregate has a row"
    return best


def _best(people: int, end: int | None, ranked: str | None) -> Best:
    return Best(people, end, [Found(*map(int, one.split(":"))) for one in (ranked or "").split(",") if one])


def _place(after: Found | None) -> dict[str, Any]:
    return {"value": after and after.value, "tie": after and after.tie}


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

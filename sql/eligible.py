"""Who is eligible for a viewer: the pieces of text that all searches are made of.

`c` is the candidate, `k` the row of a tag that leads to one, `r` the pair of viewer and candidate.
"""

import re

BUCKETS = 12
"""Of distance."""

INDEXES = ("c1", "c4", "c16", "c64", "c256", "c1024", "born", "fame", "everybody", "tag", "user_id")
"""What can be gone by: a grid, the month of birth, fame, nothing, a tag, who somebody is."""

OUTSIDE = "outside"
"""By everybody but those in some cells of 4 km."""

# Somebody's side of the pair, seen from the viewer.
_MINE = "CASE WHEN c.`user_id`>%(viewer_id)s THEN r.`low_{0}` ELSE r.`high_{0}` END"

TIE = "(c.`slot`^%(key)s)"
"""What decides between equals: another order for each viewer and day."""

DOT = "(c.`x`*%(x)s+c.`y`*%(y)s+c.`z`*%(z)s)"
"""The cosine of the angle between where distances are measured from and them; NULL if it is not known."""

SHARED = "+(FIND_IN_SET(%({0})s,{1}.`tags`) IS TRUE)"
"""One more for a tag of a list, by its name, which somebody has."""

# How many buckets end before there, counted from the last; of those whose place is not known, INTERVAL counts -1.
RANK = f"(%(last_rank)s-INTERVAL({DOT},{','.join(f'%(cosine{n})s' for n in reversed(range(BUCKETS - 1)))}))"

VALUES = {
    1: f"CASE WHEN {DOT} IS NULL THEN %(unknown_last)s ELSE {RANK} END",
    2: "COALESCE(TIMESTAMPDIFF(YEAR,c.`birth_date`,%(today)s),%(unknown_last)s)",
    3: "c.`fame`",
    4: f"(%(zero)s{{own_tags* {SHARED.format('own_tags', 'c')}}})",
}
"""What is sorted by, for each sort but the score."""

LIKELY = "{{{1}likely? AND BIT_COUNT({0}&%({1}own)s)+BIT_COUNT({0}&%({1}shared)s)>=%({1}likely)s}}"
"""That somebody's bits do not rule out that they have enough of the viewer's tags."""

PIECES = {
    "age_min": "{born_until? AND c.`birth_date`<=%(born_until)s}",
    "age_max": "{born_after? AND c.`birth_date`>%(born_after)s}",
    "distance_max": f"{{reach? AND {DOT}>=%(reach)s}}",
    "fame_min": "{fame_min? AND c.`fame`>=%(fame_min)s}",
    "fame_max": "{fame_max? AND c.`fame`<=%(fame_max)s}",
    "tags": "{tags* AND FIND_IN_SET(%(tags)s,c.`tags`)}",
    "common_tags_min": LIKELY.format("c.`taste`", "common_taste_")
    + LIKELY.format("c.`flavour`", "common_flavour_")
    + f" AND (%(zero)s{{common_tags* {SHARED.format('common_tags', 'c')}}})>=%(common_min)s",
}
"""The condition of each filter."""

FILTERS = tuple(PIECES)
"""The filters that statements know, in the order in which they are told of."""

ELIGIBLE = (
    "c.`user_id`<>%(viewer_id)s AND (c.`sex`=%(zero)s OR c.`sex`&%(own_gender)s)"
    " AND r.`low_blocked_at` IS NULL AND r.`high_blocked_at` IS NULL"
    f" AND {_MINE.format('liked_at')} IS NULL AND {_MINE.format('passed_at')} IS NULL"
)
"""Whatever the filters; that genders sought are the right ones, the index has seen to."""

_MAY_BE_ONLINE = (
    "{shows_online? AND c.`show_online`=%(shows_online)s}"
    "{active_after? AND EXISTS (SELECT a.`user_id` FROM `profile` a WHERE a.`user_id`=c.`user_id`"
    " AND (a.`active_at` IS NULL OR a.`active_at`>=%(active_after)s))}"
)
_FITS = (
    "{wanted_taste? AND c.`taste`&%(wanted_taste)s=%(wanted_taste)s}"
    f" AND {ELIGIBLE}{''.join(PIECES.values())}{_MAY_BE_ONLINE}"
)
_PAIR = (
    " LEFT JOIN `pair` r ON r.`low_id`=LEAST(c.`user_id`,%(viewer_id)s)"
    " AND r.`high_id`=GREATEST(c.`user_id`,%(viewer_id)s) WHERE "
)


def people(index: str, prefix: str = "") -> str:
    """Return the people whom an index finds, of whom it is still to be seen whether they are eligible."""
    keys, genders = f"%({prefix}keys*)s", "c.`gender` IN %(genders*)s"
    of_slice = f"{{{prefix}low? AND c.`slot` BETWEEN %({prefix}low)s AND %({prefix}high)s}}"
    if index == "tag":
        return (
            "`candidate_tag` k FORCE INDEX (PRIMARY) STRAIGHT_JOIN `candidate` c ON c.`user_id`=k.`user_id`"
            f"{_PAIR}k.`tags` IN {keys} AND k.{genders[2:]}{of_slice.replace('c.', 'k.')}"
        )
    if index == OUTSIDE:
        return f"`candidate` c FORCE INDEX (`c4`){_PAIR}c.`c4` NOT IN {keys} AND {genders}{of_slice}"
    of_index = "" if index == "everybody" else f"c.`{index}` IN {keys} AND "
    name = "PRIMARY" if index == "user_id" else f"`{index}`"
    return f"`candidate` c FORCE INDEX ({name}){_PAIR}{of_index}{genders}{of_slice}"


def fits(index: str) -> str:
    """Return the conditions for those whom an index finds; what it knows of them itself need not be looked up."""
    if index != "tag":
        return _FITS
    return re.sub(r"c\.(`taste`|`flavour`|`sex`)", r"k.\1", _FITS)

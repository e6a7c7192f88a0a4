"""Tags: which ones people use."""

from server.context import Context
from server.wire.answers import TagCount, TagCounts
from server.wire.events import Order, event
from server.wire.fields import Prefix, folded_tag
from sql import tag

_MOST = 20
_FEWEST = 5
"""A tag that fewer people use tells too much of them."""


@event("tags", order=Order.CONCURRENT, methods=("GET",))
async def complete(ctx: Context, *, prefix: Prefix) -> TagCounts:
    """Return the tags that begin so, most used first."""
    found = await tag.list_by_prefix(ctx.tx, prefix=folded_tag(prefix), fewest=_FEWEST, limit=_MOST)
    return TagCounts(tags=[TagCount(tag=used.tag, count=used.people) for used in found])

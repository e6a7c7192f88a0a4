"""Places: the towns that one can search from."""

from server.context import Context
from server.outside.places import folded
from server.wire.answers import Place, Places
from server.wire.events import Order, event
from server.wire.fields import Prefix
from sql import place

_MOST = 20


@event("places", order=Order.CONCURRENT, methods=("GET",))
async def complete(ctx: Context, *, prefix: Prefix) -> Places:
    """Return the largest towns with a name that begins so, in Latin or Cyrillic letters, whatever their accents."""
    wanted = folded(prefix)
    found = await place.list_by_prefix(ctx.tx, prefix=wanted, limit=_MOST) if wanted else []
    return Places(places=[Place(**town._asdict()) for town in found])

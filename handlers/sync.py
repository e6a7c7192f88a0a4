"""sync: what one was told since a place in one's log."""

from server.context import Context
from server.wire.answers import LoggedEvent, Synced
from server.wire.events import Order, event
from server.wire.fields import Seq
from server.wire.pushes import render
from sql import sync

_PAGE = 200


@event("sync", order=Order.CONCURRENT)
async def sync_after(ctx: Context, *, cursor: Seq | None) -> Synced:
    """Return what came after the cursor, in order; null: only where the log stands; too old or ahead: `resync`."""
    [stream] = await sync.list_streams(ctx.tx, user_ids=[ctx.user_id])
    if cursor is None:
        return Synced(cursor=stream.last_seq, events=[], more=False)
    if not stream.purged_seq <= cursor <= stream.last_seq:
        return Synced(cursor=stream.last_seq, resync=True)
    entries = await sync.list_after(ctx.tx, user_id=ctx.user_id, after=cursor, limit=_PAGE + 1)
    if cursor < stream.last_seq and (not entries or entries[0].seq != cursor + 1):
        return Synced(cursor=stream.last_seq, resync=True)  # it went while it was looked for
    page = entries[:_PAGE]
    return Synced(
        cursor=page[-1].seq if page else cursor,
        events=[LoggedEvent(event=name, data=data) for name, data in await render(ctx, page)],
        more=len(entries) > _PAGE,
    )

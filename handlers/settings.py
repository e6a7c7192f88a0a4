"""Settings: what others may see of one, and how one is told."""

from typing import Any

from msgspec.structs import replace

from handlers import access, details
from server.context import Context
from server.wire.answers import Settings, Shape
from server.wire.events import event
from server.wire.fields import UNSET, Language
from server.wire.pushes import Kind, Push, renders
from sql import account, profile
from sql.account import Account, State


@event("user/settings", pushes=("settings/changed", "presence"))
async def change(
    ctx: Context,
    *,
    show_online: bool = UNSET,
    show_distance: bool = UNSET,
    read_receipts: bool = UNSET,
    mail_on: bool = UNSET,
    language: Language = UNSET,
) -> Settings:
    """Change what is given and nothing else, and return all settings."""
    given = {
        "show_online": show_online,
        "show_distance": show_distance,
        "read_receipts": read_receipts,
        "mail_on": mail_on,
        "language": language,
    }
    own = await access.lock_caller(ctx)
    return await _change(ctx, own, {name: value for name, value in given.items() if value is not UNSET})


async def _change(ctx: Context, own: Account, given: dict[str, Any]) -> Settings:
    before = await _get(ctx, own)
    after = replace(before, **given)
    changed = {name: value for name, value in given.items() if value != getattr(before, name)}
    for name, value in changed.items():
        if name == "language":
            await account.update_language(ctx.tx, id=own.id, language=value)
        else:
            await profile.update(ctx.tx, user_id=own.id, **{name: value})
    if changed:
        await profile.refresh_found(ctx.tx, user_id=own.id)
        ctx.tx.push(own.id, Push(Kind.SETTINGS_CHANGED, own.id))
    return after


async def _get(ctx: Context, own: Account) -> Settings:
    row = await profile.get(ctx.tx, user_id=own.id)
    assert row is not None, "every account has a profile"
    return details.settings_of(row, own)


async def unsubscribe(ctx: Context, user_id: int) -> None:
    """Turn mails off for whoever has the link to do so; for an account that is gone there is nothing to do."""
    own = await account.lock(ctx.tx, id=user_id)
    if own and own.state is State.ACTIVE:
        await _change(ctx, own, {"mail_on": False})


@renders(Kind.SETTINGS_CHANGED)
async def render_changed(ctx: Context, pushes: list[Push]) -> list[Shape | None]:
    """Render `settings/changed`: the settings as they are now."""
    own = await account.get(ctx.tx, id=ctx.user_id)
    return [await _get(ctx, own) if own else None] * len(pushes)

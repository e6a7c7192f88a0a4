"""What the doctor asks of the database."""

from datetime import datetime
from typing import Any, NamedTuple

from sql.statement import compile_, each
from sql.transaction import Tx


class Setting(NamedTuple):
    """One of the database server's variables."""

    name: str
    value: str


class TableForm(NamedTuple):
    """How a table is kept."""

    name: str
    engine: str | None
    collation: str | None


class Waiting(NamedTuple):
    """How much waits, and since when."""

    number: int
    since: datetime | None


class _Version(NamedTuple):
    number: int


_LIST_SETTINGS = compile_(f"SHOW GLOBAL VARIABLES WHERE `variable_name` IN {each('names')}")
_LIST_OWN_SETTINGS = compile_(f"SHOW SESSION VARIABLES WHERE `variable_name` IN {each('names')}")
_GET_TIME = compile_("SELECT UTC_TIMESTAMP()")
_GET_SIZE = compile_(
    "SELECT SUM(`data_length`+`index_length`) FROM `information_schema`.`tables` WHERE `table_schema`=DATABASE()"
)
_LIST_TABLES = compile_(
    "SELECT `table_name`,`engine`,`table_collation` FROM `information_schema`.`tables`"
    " WHERE `table_schema`=DATABASE() ORDER BY `table_name`"
)
_LIST_VERSIONS = compile_("SELECT `version` FROM `migration` ORDER BY `version`")
_GET_LATE_MAILS = compile_(
    "SELECT COUNT(*),MIN(`noted_at`) FROM `outbox` WHERE `attempts`>=%(tries)s OR `due_at`<=%(until)s"
)
_GET_LATE_TRASH = compile_("SELECT COUNT(*),MIN(`due_at`) FROM `photo_trash` WHERE `due_at`<=%(until)s")
_COUNT_ACCOUNTS = compile_(f"SELECT COUNT(*) FROM `account` WHERE `id` IN {each('ids')}")


async def list_settings(tx: Tx, *, names: list[str], own: bool = False) -> dict[str, str]:
    """Return variables of the database server, or what this connection was given; those that it knows."""
    statement = _LIST_OWN_SETTINGS if own else _LIST_SETTINGS
    return dict(await tx.many(statement, Setting, names=names))


async def get_time(tx: Tx) -> datetime:
    """Return the database's clock, UTC."""
    now: datetime = await tx.scalar(_GET_TIME)
    return now


async def get_size(tx: Tx) -> int:
    """Return the bytes of tables and indexes, about."""
    size: Any = await tx.scalar(_GET_SIZE)
    return int(size or 0)


async def list_tables(tx: Tx) -> list[TableForm]:
    """Return all tables there are."""
    return await tx.many(_LIST_TABLES, TableForm)


async def list_versions(tx: Tx) -> list[int]:
    """Return the migrations that were applied."""
    return [row.number for row in await tx.many(_LIST_VERSIONS, _Version)]


async def get_late_mails(tx: Tx, *, tries: int, until: datetime) -> Waiting:
    """Return the mails that were tried so often, or were due then."""
    return (await tx.many(_GET_LATE_MAILS, Waiting, tries=tries, until=until))[0]


async def get_late_trash(tx: Tx, *, until: datetime) -> Waiting:
    """Return the files that nobody names and that should have gone by then."""
    return (await tx.many(_GET_LATE_TRASH, Waiting, until=until))[0]


async def count_accounts(tx: Tx, *, ids: list[int]) -> int:
    """Return how many of these accounts there are."""
    count: int = await tx.scalar(_COUNT_ACCOUNTS, ids=ids)
    return count

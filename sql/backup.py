"""What making and putting back a backup asks of the database."""

from typing import NamedTuple

from sql.statement import compile_
from sql.tables import NAMES
from sql.transaction import Tx


class _Text(NamedTuple):
    text: str


class About(NamedTuple):
    """The database as a backup describes it."""

    schema: int
    server: str


_GET_ABOUT = compile_("SELECT MAX(`version`),VERSION() FROM `migration`")
_LIST_TABLES = compile_("SELECT `table_name` FROM `information_schema`.`tables` WHERE `table_schema`=DATABASE()")
_LIST_FILES = compile_("SELECT DISTINCT `file` FROM `photo`")
_COUNT_ACCOUNTS = compile_("SELECT COUNT(*) FROM `account`")
_RENUMBER = compile_("UPDATE `user_stream` SET `purged_seq`=`last_seq`+%(gap)s,`last_seq`=`last_seq`+%(gap)s")
_DROP_TABLES = compile_("DROP TABLE IF EXISTS " + ",".join(f"`{name}`" for name in NAMES))
_DELETE_EVENTS = compile_("DELETE FROM `user_event` LIMIT %(limit)s")

_GAP = 1_000_000_000
"""More than anybody was told since the backup was made; the numbers go up to 2^53."""
_BATCH = 10_000


async def get_about(tx: Tx) -> About:
    """Return the version of the schema, and which server this is."""
    about = await tx.one(_GET_ABOUT, About)
    assert about is not None
    return about


async def list_tables(tx: Tx) -> list[str]:
    """Return the names of all tables, sorted."""
    return sorted(row.text for row in await tx.many(_LIST_TABLES, _Text))


async def list_files(tx: Tx) -> set[str]:
    """Return the files that photos name."""
    return {row.text for row in await tx.many(_LIST_FILES, _Text)}


async def count_accounts(tx: Tx) -> int:
    """Return how many accounts there are."""
    count: int = await tx.scalar(_COUNT_ACCOUNTS)
    return count


async def renumber(tx: Tx) -> None:
    """Let all logs go on far above any number that was given out: whoever comes back is told to read the state anew.

    What was pushed after the backup was made had numbers too, and those must not come a second time.
    """
    await tx.write(_RENUMBER, gap=_GAP)


async def delete_events(tx: Tx) -> bool:
    """Drop some of the entries that nobody can ask for any more; tell whether there may be others."""
    return await tx.write(_DELETE_EVENTS, limit=_BATCH) == _BATCH


async def drop_tables(tx: Tx) -> None:
    """Drop whatever tables of ours are there."""
    await tx.write(_DROP_TABLES)

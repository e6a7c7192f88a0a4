"""Reports: every statement on the `report` table."""

from sql.statement import compile_
from sql.transaction import Tx

_INSERT = compile_(
    "INSERT INTO `report` (`user_id`,`reporter_id`,`id`,`reason`,`comment`,`reported_at`,`aged`)"
    " VALUES (%(user_id)s,%(reporter_id)s,%(id)s,%(reason)s,%(comment)s,%(reported_at)s,%(aged)s)"
    " ON DUPLICATE KEY UPDATE `id`=`id`"
)
_COUNT_VOTES = compile_(
    "SELECT COUNT(*) FROM (SELECT `reporter_id` FROM `report` WHERE `user_id`=%(user_id)s"
    " GROUP BY `reporter_id` HAVING MAX(`aged`)=%(yes)s AND MAX(`judged`)=%(no)s) `voter`"
)
_JUDGE = compile_("UPDATE `report` SET `judged`=%(yes)s WHERE `user_id`=%(user_id)s")


async def insert(
    tx: Tx, *, user_id: int, reporter_id: int, id: int, reason: int, comment: str | None, aged: bool
) -> bool:
    """Add a report, unless it is there; tell whether it was added."""
    values = {"user_id": user_id, "reporter_id": reporter_id, "id": id, "reason": reason}
    return bool(await tx.write(_INSERT, **values, comment=comment, reported_at=tx.now, aged=aged))


async def count_votes(tx: Tx, *, user_id: int) -> int:
    """Return how many people count against somebody: each once, none whose account was new, none already judged."""
    count: int = await tx.scalar(_COUNT_VOTES, user_id=user_id, yes=True, no=False)
    return count


async def judge(tx: Tx, *, user_id: int) -> None:
    """Note that the staff has looked: those who have reported so far count no more."""
    await tx.write(_JUDGE, user_id=user_id, yes=True)

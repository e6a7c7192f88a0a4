"""The log of what users are told, to write: the last statements before a commit."""

from typing import NamedTuple

from pypika import MySQLQuery

from sql.statement import compile_, each, insert_rows
from sql.tables import user_stream


class Newest(NamedTuple):
    """The newest number of one user, and how often something had left their sight by then."""

    user_id: int
    last_seq: int
    sight_epoch: int


ADVANCE = insert_rows(
    "user_stream",
    ["user_id", "last_seq", "sight_epoch"],
    "ON DUPLICATE KEY UPDATE `last_seq`=`last_seq`+VALUES(`last_seq`),"
    "`sight_epoch`=`sight_epoch`+VALUES(`sight_epoch`)",
)
# In a small table the optimizer would rather read all rows, and wait for those that somebody else has locked.
LIST_NEWEST = compile_(
    MySQLQuery.from_(user_stream)
    .force_index("PRIMARY")
    .select(user_stream.user_id, user_stream.last_seq, user_stream.sight_epoch)
    .where(user_stream.user_id.isin(each("user_ids")))
    .for_update()
)
INSERT = insert_rows("user_event", ["user_id", "seq", "kind", "other_id", "number", "by_id", "at"])
STAMP = insert_rows(
    "notification", ["user_id", "kind", "other_id", "seq"], "ON DUPLICATE KEY UPDATE `seq`=VALUES(`seq`)"
)
"""Notifications are read up to a number of the log, which is known only now."""
BUMP_EPOCH = compile_("UPDATE `user_stream` SET `auth_epoch`=`auth_epoch`+%(one)s WHERE `user_id`=%(user_id)s")

"""Links in mails: every statement on the `link` table."""

import hashlib
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from pypika import MySQLQuery

from sql.statement import P, compile_
from sql.tables import link
from sql.transaction import Tx


class Purpose(IntEnum):
    """What a link is good for; each has signing salt of its own too."""

    VERIFY = 1
    MAIL = 2
    RESET = 3


class Link(NamedTuple):
    """A link that was mailed; `mail` is the address that it confirms, if that is not the account's.

    `login` is the account's as it was then: it stands in the mail.
    """

    login: str
    mail: str | None
    expires_at: datetime


_WHERE = (link.user_id == P("user_id")) & (link.purpose == P("purpose")) & (link.nonce_hash == P("nonce_hash"))
_SELECT = MySQLQuery.from_(link).select(link.login, link.mail, link.expires_at).where(_WHERE)
_GET = compile_(_SELECT)
_LOCK = compile_(_SELECT.for_update())
_INSERT = compile_(
    MySQLQuery.into(link)
    .columns(link.user_id, link.purpose, link.nonce_hash, link.login, link.mail, link.expires_at)
    .insert(P("user_id"), P("purpose"), P("nonce_hash"), P("login"), P("mail"), P("expires_at"))
)
_DELETE_OF = compile_(
    MySQLQuery.from_(link).delete().where(link.user_id == P("user_id")).where(link.purpose == P("purpose"))
)
_DELETE_ALL = compile_(MySQLQuery.from_(link).delete().where(link.user_id == P("user_id")))
_DELETE_EXPIRED = compile_("DELETE FROM `link` WHERE `expires_at`<=%(now)s ORDER BY `expires_at` LIMIT %(limit)s")


def _hash(nonce: str) -> bytes:
    """Only this is kept: a copy of the database opens nothing."""
    return hashlib.sha256(nonce.encode()).digest()


async def get(tx: Tx, *, user_id: int, purpose: Purpose, nonce: str) -> Link | None:
    """Return a link as it is right now."""
    return await tx.one(_GET, Link, user_id=user_id, purpose=purpose, nonce_hash=_hash(nonce))


async def lock(tx: Tx, *, user_id: int, purpose: Purpose, nonce: str) -> Link | None:
    """Return a link that nobody else can use until the commit."""
    return await tx.one(_LOCK, Link, user_id=user_id, purpose=purpose, nonce_hash=_hash(nonce))


async def replace(
    tx: Tx,
    *,
    user_id: int,
    purpose: Purpose,
    nonce: str,
    login: str,
    expires_at: datetime,
    mail: str | None = None,
) -> None:
    """Make a link the only one of a user for one purpose."""
    await tx.write(_DELETE_OF, user_id=user_id, purpose=purpose)
    await tx.write(
        _INSERT,
        user_id=user_id,
        purpose=purpose,
        nonce_hash=_hash(nonce),
        login=login,
        mail=mail,
        expires_at=expires_at,
    )


async def delete_all(tx: Tx, *, user_id: int) -> None:
    """Void all links of a user."""
    await tx.write(_DELETE_ALL, user_id=user_id)


async def delete_expired(tx: Tx, *, limit: int) -> int:
    """Drop links that are no longer good, and return how many; the oldest first."""
    return await tx.write(_DELETE_EXPIRED, now=tx.now, limit=limit)

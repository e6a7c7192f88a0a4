"""Accounts: who may sign in, and whether they can be seen at all."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from pypika import MySQLQuery

from sql import tag
from sql.state import State as State
from sql.statement import LIMIT, P, compile_, each, share
from sql.tables import account
from sql.transaction import Tx


class Account(NamedTuple):
    """An account; `mail` is None for one that was made with somebody else's address."""

    id: int
    login: str
    mail: str | None
    password_hash: str
    state: State
    language: str


class Standing(NamedTuple):
    """The state of one account, kept from changing until the commit."""

    id: int
    state: State


_COLUMNS = (account.id, account.login, account.mail, account.password_hash, account.state, account.language)
_GET = compile_(MySQLQuery.from_(account).select(*_COLUMNS).where(account.id == P("id")))
_GET_BY_LOGIN = compile_(MySQLQuery.from_(account).select(*_COLUMNS).where(account.login == P("login")))
_GET_BY_MAIL = compile_(MySQLQuery.from_(account).select(*_COLUMNS).where(account.mail_key == P("mail_key")))
_GET_CREATED_AT = compile_(MySQLQuery.from_(account).select(account.created_at).where(account.id == P("id")))
_LOCK = compile_(MySQLQuery.from_(account).select(*_COLUMNS).where(account.id == P("id")).for_update())
# In a small table the optimizer would rather read all rows, and wait for those that somebody else has locked.
_STANDING = (
    MySQLQuery.from_(account)
    .force_index("PRIMARY")
    .select(account.id, account.state)
    .where(account.id.isin(each("ids")))
)
_LIST_STANDING = share(_STANDING)
_LIST_STANDING_FREE = share(_STANDING, "SKIP LOCKED")
_LIST_STATES = compile_(MySQLQuery.from_(account).select(account.id, account.state).where(account.id.isin(each("ids"))))
_INSERT = compile_(
    MySQLQuery.into(account)
    .columns(
        account.id,
        account.login,
        account.mail,
        account.mail_key,
        account.password_hash,
        account.state,
        account.language,
        account.created_at,
    )
    .insert(
        P("id"), P("login"), P("mail"), P("mail_key"), P("password_hash"), P("state"), P("language"), P("created_at")
    )
)
_UPDATE_STATE = compile_(MySQLQuery.update(account).set(account.state, P("state")).where(account.id == P("id")))
_UPDATE_LOGIN = compile_(MySQLQuery.update(account).set(account.login, P("login")).where(account.id == P("id")))
_UPDATE_MAIL = compile_(
    MySQLQuery.update(account)
    .set(account.mail, P("mail"))
    .set(account.mail_key, P("mail_key"))
    .where(account.id == P("id"))
)
_UPDATE_LANGUAGE = compile_(
    MySQLQuery.update(account).set(account.language, P("language")).where(account.id == P("id"))
)
_LIST_UNCONFIRMED = compile_(
    MySQLQuery.from_(account)
    .select(account.id, account.state)
    .where(account.state == P("state"))
    .where(account.created_at <= P("until"))
    .orderby(account.created_at)
    .limit(LIMIT)
)
_DELETE = compile_(MySQLQuery.from_(account).delete().where(account.id == P("id")))
_UPDATE_HASH = compile_(
    MySQLQuery.update(account).set(account.password_hash, P("password_hash")).where(account.id == P("id"))
)


def _account(id: int, login: str, mail: str | None, password_hash: str, state: int, language: str) -> Account:
    return Account(id, login, mail, password_hash, State(state), language)


def _standing(id: int, state: int) -> Standing:
    return Standing(id, State(state))


def mail_key(mail: str) -> str:
    """Return what two spellings of one address have in common."""
    return mail.casefold()


async def get(tx: Tx, *, id: int) -> Account | None:
    """Return the account with this id."""
    return await tx.one(_GET, _account, id=id)


async def get_created_at(tx: Tx, *, id: int) -> datetime:
    """Return since when an account is there."""
    created_at: datetime = await tx.scalar(_GET_CREATED_AT, id=id)
    return created_at


async def get_by_login(tx: Tx, *, login: str) -> Account | None:
    """Return the account with this login, in any case of letters."""
    found = await tx.one(_GET_BY_LOGIN, _account, login=login.lower()) if login.isascii() else None
    return found if found and found.login == login.lower() else None  # the database overlooks blanks at the end


async def get_by_mail(tx: Tx, *, mail: str) -> Account | None:
    """Return the account with this address."""
    found = await tx.one(_GET_BY_MAIL, _account, mail_key=mail_key(mail))
    return found if found and found.mail and mail_key(found.mail) == mail_key(mail) else None


async def lock(tx: Tx, *, id: int) -> Account | None:
    """Return the account, which nobody else changes until the commit."""
    return await tx.one(_LOCK, _account, id=id)


async def list_standing(tx: Tx, *, ids: Collection[int], wait: bool = True) -> dict[int, State]:
    """Return the states of those of these accounts that exist; they stay so until the commit.

    Without waiting, those are left out that somebody else is about to change.
    """
    statement = _LIST_STANDING if wait else _LIST_STANDING_FREE
    return dict(await tx.many(statement, _standing, ids=sorted(ids)))


async def list_states(tx: Tx, *, ids: list[int]) -> dict[int, State]:
    """Return the states of those of these accounts that exist, as they are right now."""
    return dict(await tx.many(_LIST_STATES, _standing, ids=ids)) if ids else {}


async def insert(
    tx: Tx, *, id: int, login: str, mail: str | None, password_hash: str, language: str, created_at: datetime
) -> None:
    """Add an unverified account. Raises Duplicate with key `login` or `mail_key`."""
    await tx.write(
        _INSERT,
        id=id,
        login=login,
        mail=mail,
        mail_key=mail_key(mail) if mail else None,
        password_hash=password_hash,
        state=State.UNVERIFIED,
        language=language,
        created_at=created_at,
    )


async def update_state(tx: Tx, *, id: int, state: State) -> None:
    """Set what the account may do; the caller holds it."""
    async with tag.counted(tx, user_id=id):
        tx.post(_UPDATE_STATE, id=id, state=state)


async def update_login(tx: Tx, *, id: int, login: str) -> None:
    """Rename. Raises Duplicate."""
    await tx.write(_UPDATE_LOGIN, id=id, login=login)


async def update_mail(tx: Tx, *, id: int, mail: str) -> None:
    """Set the address. Raises Duplicate."""
    await tx.write(_UPDATE_MAIL, id=id, mail=mail, mail_key=mail_key(mail))


async def update_hash(tx: Tx, *, id: int, password_hash: str) -> None:
    """Set the password's hash."""
    await tx.write(_UPDATE_HASH, id=id, password_hash=password_hash)


async def update_language(tx: Tx, *, id: int, language: str) -> None:
    """Set the language of mails."""
    await tx.write(_UPDATE_LANGUAGE, id=id, language=language)


async def list_unconfirmed(tx: Tx, *, until: datetime, limit: int) -> list[int]:
    """Return accounts made until then whose address was never confirmed, the oldest first."""
    rows = await tx.many(_LIST_UNCONFIRMED, _standing, state=State.UNVERIFIED, until=until, limit=limit)
    return [row.id for row in rows]


async def delete(tx: Tx, *, id: int) -> None:
    """Drop an account; what belongs to it is dropped by its own functions."""
    await tx.write(_DELETE, id=id)

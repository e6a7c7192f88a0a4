"""Who is calling: sessions, by token from the database or as remembered by the socket."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from server.context import Log, Services, Session, SignedIn
from server.wire.errors import SessionEnded, Unauthorized
from server.wire.events import Spec
from sql import session as sessions
from sql.database import DatabaseDown
from sql.transaction import CommitUnknown

log = structlog.get_logger("who")

_TOUCH_EVERY = timedelta(minutes=10)


class Who:
    """Finds out who is calling; every event asks, none remembers the answer."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._idle = services.config.session.idle_days * 86_400
        self._touching: set[asyncio.Task[None]] = set()

    async def by_token(self, token: object) -> SignedIn:
        """Return the session that a token names. Raises Unauthorized, SessionEnded, DatabaseDown."""
        return await self._look_up(*self._services.tokens.read_session(token))

    async def _look_up(self, user_id: int, session_id: str) -> SignedIn:
        row = await self._services.read(lambda tx: sessions.get(tx, user_id=user_id, id=session_id))
        if row is None or not row.is_live(self._services.clock.now(), self._idle):
            raise SessionEnded
        session = Session(row.user_id, row.id, row.expires_at, row.last_seen_at, row.auth_epoch)
        return SignedIn(session, Log(row.last_seq, row.purged_seq))

    async def still_live(self, user_id: int, session_ids: list[str]) -> set[str]:
        """Return which of these sessions are live. Raises DatabaseDown."""
        rows = await self._services.read(lambda tx: sessions.list_of(tx, user_id=user_id, ids=session_ids))
        now = self._services.clock.now()
        return {row.id for row in rows if row.is_live(now, self._idle)}

    async def check(self, session: Session) -> None:
        """Check a session that a socket remembers. Raises SessionEnded, DatabaseDown.

        One that has rested too long here may have been used elsewhere: the database knows.
        """
        now = self._services.clock.now()
        if session.ended or now >= session.expires_at:
            raise SessionEnded
        if (now - session.last_seen_at).total_seconds() >= self._idle:
            session.last_seen_at = (await self._look_up(session.user_id, session.id)).session.last_seen_at

    async def identify(
        self, spec: Spec, payload: Any, remembered: Session | None, token: object = None
    ) -> Session | None:
        """Return who calls this event; `token` and `user_id` leave the payload. Raises Unauthorized, SessionEnded."""
        fields = payload if isinstance(payload, dict) else {}
        session = remembered
        if "token" in fields or token is not None:
            session = (await self.by_token(fields.pop("token", token))).session
        if session:
            await self.check(session)
            self._note_use(session)
        if "user_id" in fields and "user_id" not in spec.model.model_fields:
            claimed = fields.pop("user_id")
            if session is None or type(claimed) is not int or claimed != session.user_id:
                raise Unauthorized
        has_credentials = spec.credentials and "login" in fields and "password" in fields
        if session is None and not spec.public and not has_credentials:
            raise Unauthorized
        return session

    def _note_use(self, session: Session) -> None:
        """Now and then write down, beside the event, that the session is in use."""
        now = self._services.clock.now()
        if now - session.last_seen_at > _TOUCH_EVERY:
            session.last_seen_at = now
            task = asyncio.get_running_loop().create_task(self._write_use(session))
            self._touching.add(task)
            task.add_done_callback(self._touching.discard)

    async def _write_use(self, session: Session) -> None:
        try:
            await self._services.transact(
                lambda tx: sessions.update_last_seen(tx, user_id=session.user_id, id=session.id)
            )
        except (DatabaseDown, CommitUnknown) as fault:
            log.warning("session.use_not_noted", reason=str(fault), seldom=True)

"""Tokens: signed, each good for one purpose and for a time; what they name can be ended in the database."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from itsdangerous import BadData, BadSignature, SignatureExpired, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from server.clock import Clock
from server.wire.errors import InvalidLink, InvalidPayload, SessionEnded, Unauthorized

_LONGEST = 512
_HOUR = 3600
_SKEW = 60
_DAY = 86_400
_MARK = 16
UNSUBSCRIBE_DAYS = 60


class _Signer(TimestampSigner):
    """Takes the time from our clock."""

    def __init__(self, *args: Any, clock: Clock, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock.time())


class Tokens:
    """Signs and reads tokens; `keys` newest first, older ones still read."""

    def __init__(
        self, keys: Sequence[str], clock: Clock, *, session_days: int, link_hours: float, reset_minutes: float
    ) -> None:
        self._keys = list(reversed(keys))
        self._sealing: dict[str, list[bytes]] = {}
        self._clock = clock
        self._session_age = session_days * _DAY
        self._link_ages = {"verify": link_hours * _HOUR, "mail": link_hours * _HOUR, "reset": reset_minutes * 60}
        self._session = self._serializer("session")

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._keys,
            salt=f"matcha42.{purpose}",
            signer=_Signer,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256, "clock": self._clock},
        )

    def session(self, user_id: int, session_id: str) -> str:
        """Return the token of a session."""
        return _text(self._session.dumps([user_id, session_id]))

    def read_session(self, token: object) -> tuple[int, str]:
        """Return user and session of a token. Raises Unauthorized, or SessionEnded if it was good once."""
        if not isinstance(token, str) or len(token) > _LONGEST:
            raise Unauthorized("This token is not good. Sign in.")
        try:
            user_id, session_id = self._load(self._session, token, self._session_age)
        except SignatureExpired:
            raise SessionEnded from None
        except (BadData, ValueError):
            raise Unauthorized("This token is not good. Sign in.") from None
        return int(user_id), str(session_id)

    def page(self, what: str, place: list[Any]) -> str:
        """Return a cursor: a place in one list of one person, good for an hour."""
        return _text(self._serializer(f"page.{what}").dumps(place))

    def read_page(self, what: str, cursor: str) -> list[Any]:
        """Return the place that a cursor names. Raises InvalidPayload when it is old or of another list."""
        try:
            return list(self._load(self._serializer(f"page.{what}"), cursor, _HOUR))
        except (BadData, ValueError):
            raise InvalidPayload.of("cursor", "expired", "This page is gone. Start from the first one.") from None

    def link(self, purpose: str, user_id: int, nonce: str) -> str:
        """Return the id that a link in a mail carries."""
        return _text(self._serializer(f"link.{purpose}").dumps([user_id, nonce]))

    def read_link(self, purposes: Sequence[str], token: str) -> tuple[str, int, str]:
        """Return purpose, user and nonce of a link made for one of these purposes. Raises InvalidLink."""
        for purpose in purposes if len(token) <= _LONGEST else ():
            try:
                user_id, nonce = self._load(self._serializer(f"link.{purpose}"), token, self._link_ages[purpose])
            except (BadData, ValueError):
                continue
            return purpose, int(user_id), str(nonce)
        raise InvalidLink

    def unsubscribe(self, user_id: int) -> str:
        """Return what turns mails off for somebody, and does nothing else."""
        return _text(self._serializer("unsubscribe").dumps([user_id]))

    def read_unsubscribe(self, token: str) -> int:
        """Return whose mails are to be turned off. Raises InvalidLink."""
        if len(token) > _LONGEST:
            raise InvalidLink
        try:
            [user_id] = self._load(self._serializer("unsubscribe"), token, UNSUBSCRIBE_DAYS * _DAY)
        except (BadData, ValueError):
            raise InvalidLink from None
        return int(user_id)

    def seal(self, purpose: str, content: bytes) -> str:
        """Return content under a short signature, for what is signed by the hundred; when it ends is its own matter."""
        return base64_encode(content + _mark(self._seals(purpose)[0], content)).decode()

    def unseal(self, purpose: str, token: str) -> bytes | None:
        """Return what was sealed for this purpose; None for anything else."""
        try:
            whole = base64_decode(token) if len(token) <= _LONGEST else b""
        except BadData:
            return None
        content, mark = whole[:-_MARK], whole[-_MARK:]
        is_ours = any(hmac.compare_digest(mark, _mark(key, content)) for key in self._seals(purpose))
        return content if is_ours and base64_encode(whole).decode() == token else None

    def _seals(self, purpose: str) -> list[bytes]:
        """Return the keys of a purpose, newest first."""
        if purpose not in self._sealing:
            salt = f"matcha42.{purpose}".encode()
            self._sealing[purpose] = [hmac.digest(key.encode(), salt, "sha256") for key in reversed(self._keys)]
        return self._sealing[purpose]

    def _load(self, serializer: URLSafeTimedSerializer, token: str, max_age: float) -> Any:
        """Read a token in its one spelling (Base64 has several for one signature) and in its time.

        Servers' clocks differ a little: a token from a moment ahead is good.
        """
        signature = token.rpartition(".")[2]
        if base64_encode(base64_decode(signature)).decode() != signature:
            raise BadSignature("not the spelling that we use")
        try:
            content, signed_at = serializer.loads(token, return_timestamp=True)
        except BadData as fault:
            raise fault.with_traceback(None) from None  # it leads back to where it is kept: only a collection finds it
        if not -_SKEW <= self._clock.time() - signed_at.timestamp() <= max_age:
            raise SignatureExpired("not in its time")
        return content


def _mark(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:_MARK]


def _text(token: Any) -> str:
    return token if isinstance(token, str) else str(token, "ascii")

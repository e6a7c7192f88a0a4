"""What can go wrong: one class for each error name of the server, and one for the connection itself."""

from collections.abc import Mapping
from typing import Any


class MatchaError(Exception):
    """An answer that is not 200; an error name this SDK does not know is raised as this class itself."""

    code: int = 0
    name: str = ""

    def __init__(self, message: str = "", *, code: int | None = None, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = type(self).code if code is None else code
        self.name = data.get("name", type(self).name)
        self.data = data
        """All the server said about the error."""

    @property
    def fields(self) -> dict[str, Any]:
        """What is wrong with each field (`gps.lat`, `image.0`): `{code, params, message}`."""
        return self.data.get("fields") or {}

    @property
    def retry_after(self) -> float | None:
        """Seconds after which it is worth trying again."""
        return self.data.get("retry_after")

    @property
    def error_id(self) -> str | None:
        """The id under which the server's log has the details."""
        return self.data.get("error_id")

    @property
    def unknown(self) -> bool:
        """True when the server or the network cannot say whether it was done."""
        return bool(self.data.get("unknown", False))

    def __str__(self) -> str:
        faults = "; ".join(f"{field}: {fault.get('message')}" for field, fault in self.fields.items())
        return " ".join(filter(None, [self.message or self.name, faults and f"({faults})"]))


class ConnectionLost(MatchaError):
    """There is no connection, or it went away before the answer came (then `unknown` is true)."""

    name = "connection_lost"


class OutboxError(MatchaError):
    """The file of the outbox is another user's, in use by another client, or cannot be read or written."""

    name = "outbox_error"


class InvalidPayload(MatchaError):
    """Fields are missing, unknown, of the wrong type or out of range; `fields` says which."""

    code, name = 400, "invalid_payload"


class UnknownEvent(MatchaError):
    """The server has no event of this name."""

    code, name = 400, "unknown_event"


class NotFound(MatchaError):
    """There is nobody by this id whom the caller may see."""

    code, name = 400, "not_found"


class AlreadyExists(MatchaError):
    """The login is taken, or this `random_id` belongs to another text."""

    code, name = 400, "already_exists"


class NotConnected(MatchaError):
    """The two people are not connected."""

    code, name = 400, "not_connected"


class PhotoRequired(MatchaError):
    """The act needs a photo of one's own first."""

    code, name = 400, "photo_required"


class InvalidImage(MatchaError):
    """The bytes are not an image the server takes."""

    code, name = 400, "invalid_image"


class InvalidLink(MatchaError):
    """The link was used before, was replaced, or has expired."""

    code, name = 400, "invalid_link"


class InvalidCredentials(MatchaError):
    """The login or the password is wrong."""

    code, name = 400, "invalid_credentials"


class NotVerified(MatchaError):
    """The mail address has not been confirmed yet."""

    code, name = 400, "not_verified"


class Forbidden(MatchaError):
    """The caller may not do this."""

    code, name = 400, "forbidden"


class Unauthorized(MatchaError):
    """Nobody is signed in, or the token is no good."""

    code, name = 401, "unauthorized"


class SessionEnded(MatchaError):
    """The session was ended or has expired: sign in again."""

    code, name = 401, "session_ended"


class RateLimited(MatchaError):
    """Too fast; `retry_after` says when to go on."""

    code, name = 429, "rate_limited"


class Internal(MatchaError):
    """The server's fault; `error_id` names the entry in its log."""

    code, name = 500, "internal"


class Unavailable(MatchaError):
    """The server cannot do this right now; `retry_after` says when to try again."""

    code, name = 503, "unavailable"


class Blacklisted(MatchaError):
    """The receiver is on the caller's own black list."""

    code, name = 900, "blacklisted"


ERRORS: dict[str, type[MatchaError]] = {kind.name: kind for kind in MatchaError.__subclasses__()}


def error_from(answer: Mapping[str, Any]) -> MatchaError:
    """Return the error that an answer of the server carries."""
    error = answer.get("error")
    error = dict(error) if isinstance(error, Mapping) else {}
    kind = ERRORS.get(error.get("name", ""), MatchaError)
    return kind(error.pop("message", ""), code=answer.get("code"), **error)

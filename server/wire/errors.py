"""The closed list of errors that an answer can carry."""

import math
from typing import Any, ClassVar, Literal, NotRequired, TypedDict


class Fault(TypedDict):
    """What is wrong with one field: `code` and `params` for programs, `message` for people."""

    code: str
    params: dict[str, Any]
    message: str


class _Nothing(TypedDict):
    """Nothing beside name and message."""


class _Fields(TypedDict):
    fields: dict[str, Fault]


class _Pause(TypedDict):
    retry_after: int


class _Doubt(_Pause):
    unknown: NotRequired[Literal[True]]


class _Entry(TypedDict):
    error_id: str


class MatchaError(Exception):
    """An answer other than 200; a subclass for each name of the closed list."""

    code: ClassVar[int] = 400
    name: ClassVar[str]
    text: ClassVar[str]
    carries: ClassVar[type] = _Nothing
    """What stands in the error beside its name and its message."""

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or self.text)
        self.details = details

    def answer(self) -> dict[str, Any]:
        """Return the error as it stands on the wire."""
        return {"code": self.code, "error": {"name": self.name, "message": str(self), **self.details}}


class InvalidPayload(MatchaError):
    """Fields are missing, unknown, of the wrong type or out of range; `fields` says which."""

    name = "invalid_payload"
    text = "Some fields are not right."
    carries = _Fields

    def __init__(self, fields: dict[str, dict[str, Any]], message: str | None = None) -> None:
        super().__init__(message, fields=fields)

    @classmethod
    def of(cls, field: str, code: str, message: str, **params: Any) -> "InvalidPayload":
        """Return the error for one field."""
        return cls({field: {"code": code, "params": params, "message": message}})


class UnknownEvent(MatchaError):
    """No event has this name."""

    name = "unknown_event"
    text = "There is no such event."


class NotFound(MatchaError):
    """There is nobody there whom the caller may see."""

    name = "not_found"
    text = "There is nobody here by that id."


class AlreadyExists(MatchaError):
    """The login is taken, or the random_id was used for another text."""

    name = "already_exists"
    text = "That already exists."


class NotConnected(MatchaError):
    """The two people are not connected."""

    name = "not_connected"
    text = "You are not connected with this person."


class PhotoRequired(MatchaError):
    """This needs a photo of one's own first."""

    name = "photo_required"
    text = "Add a photo of yourself first."


class InvalidImage(MatchaError):
    """The bytes are not an image that can be taken."""

    name = "invalid_image"
    text = "This is not an image that we can take."


class InvalidLink(MatchaError):
    """The link was used, replaced or has expired."""

    name = "invalid_link"
    text = "This link does not work any more. Ask for a new one."


class InvalidCredentials(MatchaError):
    """Login or password is wrong."""

    name = "invalid_credentials"
    text = "Login or password is wrong."


class NotVerified(MatchaError):
    """The mail address has not been confirmed."""

    name = "not_verified"
    text = "Confirm your mail address first: follow the link in the mail that we sent."


class Forbidden(MatchaError):
    """The caller may not do this."""

    name = "forbidden"
    text = "You may not do this."


class Unauthorized(MatchaError):
    """Nobody is signed in."""

    code = 401
    name = "unauthorized"
    text = "Sign in first."


class SessionEnded(MatchaError):
    """The token was good once: its session ended or expired."""

    code = 401
    name = "session_ended"
    text = "This session has ended. Sign in again."


class RateLimited(MatchaError):
    """Too fast; `retry_after` in seconds."""

    code = 429
    name = "rate_limited"
    text = "Too fast. Try again a little later."
    carries = _Pause

    def __init__(self, retry_after: float, message: str | None = None, *, limit: str = "") -> None:
        super().__init__(message, retry_after=max(1, math.ceil(retry_after)))
        self.limit = limit
        """What was reached, as the option is called: for the log alone."""


class Internal(MatchaError):
    """Our fault; `error_id` stands in the log too."""

    code = 500
    name = "internal"
    text = "Something went wrong on our side."
    carries = _Entry


class Unavailable(MatchaError):
    """A dependency is down, or the server is draining; `unknown` when a commit's fate is not known."""

    code = 503
    name = "unavailable"
    text = "The service cannot do this right now. Try again in a moment."
    carries = _Doubt

    def __init__(self, retry_after: float = 1, *, unknown: bool = False) -> None:
        super().__init__(None, retry_after=max(1, math.ceil(retry_after)), **({"unknown": True} if unknown else {}))


class Blacklisted(MatchaError):
    """The receiver is on the caller's own black list."""

    code = 900
    name = "blacklisted"
    text = "You have blocked this person. Unblock them to write."


ERRORS: dict[str, type[MatchaError]] = {kind.name: kind for kind in MatchaError.__subclasses__()}

ALWAYS = (InvalidPayload, Unauthorized, SessionEnded, RateLimited, Internal, Unavailable)
"""Any event may answer these."""

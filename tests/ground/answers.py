"""What the contract says an answer looks like."""

from typing import Any

ERRORS = {
    400: {
        "invalid_payload",
        "unknown_event",
        "not_found",
        "already_exists",
        "not_connected",
        "photo_required",
        "invalid_image",
        "invalid_link",
        "invalid_credentials",
        "not_verified",
        "forbidden",
    },
    401: {"unauthorized", "session_ended"},
    429: {"rate_limited"},
    500: {"internal"},
    503: {"unavailable"},
    900: {"blacklisted"},
}
_DETAILS = {
    "invalid_payload": {"fields"},
    "rate_limited": {"retry_after"},
    "internal": {"error_id", "unknown"},
    "unavailable": {"retry_after", "unknown"},
}
_INNARDS = ("Traceback", 'File "', "SELECT ", "INSERT ", "pymysql", "aiomysql", "pydantic", "NoneType", " object at 0x")


def ok(answer: dict[str, Any]) -> Any:
    """Return the data of an answer that must be a success."""
    assert answer.get("code") == 200, f"expected a success: {answer}"
    assert set(answer) == {"code", "data"}, answer
    return answer["data"]


def refused(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the error of an answer that must carry one of these names, in the shape of the contract."""
    check(answer)
    assert answer["code"] != 200, f"expected {' or '.join(names)}: {answer}"
    assert answer["error"]["name"] in names, f"expected {' or '.join(names)}: {answer}"
    error: dict[str, Any] = answer["error"]
    return error


def check(answer: dict[str, Any]) -> None:
    """An answer is a success or an error of the closed list, and tells nothing of the server's inside."""
    if answer.get("code") == 200:
        assert set(answer) == {"code", "data"}, answer
        return
    assert set(answer) == {"code", "error"}, answer
    error = answer["error"]
    assert error["name"] in ERRORS[answer["code"]], answer
    assert isinstance(error["message"], str) and error["message"], answer
    assert set(error) - {"name", "message"} <= _DETAILS.get(error["name"], set()), answer
    for path, fault in error.get("fields", {}).items():
        assert isinstance(path, str) and set(fault) == {"code", "params", "message"}, answer
    text = str(answer)
    assert not [word for word in _INNARDS if word in text], answer

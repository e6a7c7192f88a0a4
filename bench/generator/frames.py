"""Frames: what a client of Socket.IO sends, ready for the wire, and what comes back cut into messages."""

import json
from typing import Any

_MASKED = 0x80
_NO_MASK = bytes(4)  # a mask of zeros leaves the text as it is; the server takes it off all the same


def text_frame(text: bytes) -> bytes:
    """Return a masked WebSocket frame of text below 64 KiB."""
    size = len(text)
    head = bytes((0x81, _MASKED | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + _NO_MASK + text


def event(name: str, *payload: Any, id: int | None = None) -> bytes:
    """Return the frame of an event; with an id it asks for an answer."""
    number = b"" if id is None else b"%d" % id
    return text_frame(b"42" + number + json.dumps([name, *payload], ensure_ascii=False, separators=(",", ":")).encode())


def connect(auth: Any) -> bytes:
    """Return the frame that joins the namespace `/`."""
    return text_frame(b"40" + (json.dumps(auth).encode() if auth else b""))


PONG = text_frame(b"3")


def upgrade(host: str, port: int, headers: dict[str, str]) -> bytes:
    """Return the request that opens a WebSocket; no compression is offered."""
    lines = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode()


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole messages in data, and what is left over; a frame that closes reads as an empty message."""
    messages = []
    start, end = 0, len(data)
    while end - start >= 2:
        size, head = data[start + 1], start + 2
        if size == 126:
            size, head = int.from_bytes(data[start + 2 : start + 4], "big"), start + 4
        elif size == 127:
            size, head = int.from_bytes(data[start + 2 : start + 10], "big"), start + 10
        if head + size > end:
            break
        messages.append(b"" if data[start] & 0x0F == 8 else data[head : head + size])
        start = head + size
    return messages, data[start:]

"""Socket.IO packets, read strictly: nothing is trusted, nothing unbounded is kept."""

import re
from typing import Any

import msgspec
from socketio import packet

from server.wire.fields import MOST_IMAGES

CONNECT, DISCONNECT, EVENT, ACK = packet.CONNECT, packet.DISCONNECT, packet.EVENT, packet.ACK
CONNECT_ERROR, BINARY_EVENT = packet.CONNECT_ERROR, packet.BINARY_EVENT

_HEAD = re.compile(r"([0-6])(?:(\d{1,3})-)?(?:(/[^,?]{0,64})(?:\?[^,]{0,200})?(?:,|$))?(\d{1,15})?", re.ASCII)


class InvalidPacket(ValueError):
    """The packet breaks the protocol: the socket is closed."""


class Packet(packet.Packet):  # type: ignore[misc]
    """A packet from a client; `malformed` when its JSON or its attachments make no sense."""

    malformed = False
    keeps = False
    """Whether attachments are kept; of those that nobody asked for only the number is."""

    @property
    def is_whole(self) -> bool:
        """Tell whether all its attachments have come."""
        return bool(len(self.attachments) == self.attachment_count)

    def decode(self, encoded_packet: object) -> int:
        """Read the packet and return how many attachments follow. Raises InvalidPacket."""
        head = _HEAD.match(encoded_packet) if isinstance(encoded_packet, str) else None
        if not head or not isinstance(encoded_packet, str):
            raise InvalidPacket("not a Socket.IO packet")
        self.packet_type = int(head[1])
        self.namespace = head[3]
        self.id = int(head[4]) if head[4] else None
        self.data = self._json(encoded_packet[head.end() :])
        attachments = int(head[2] or 0)
        if (self.packet_type == BINARY_EVENT) != bool(head[2]) or attachments > MOST_IMAGES:
            raise InvalidPacket("attachments where none are taken, or too many")
        return attachments

    def _json(self, text: str) -> Any:
        if not text:
            return None
        try:
            return msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
            self.malformed = True
            return None

    def add_attachment(self, attachment: object) -> None:
        """Take the next attachment. Raises InvalidPacket."""
        if not isinstance(attachment, bytes):
            raise InvalidPacket("text where an attachment was announced")
        self.attachments.append(attachment if self.keeps else b"")
        if self.is_whole:
            self._fill()

    def _fill(self) -> None:
        try:
            self.data = self._filled(self.data)
        except RecursionError:
            self.malformed = True
        self.malformed |= any(attachment is not None for attachment in self.attachments)

    def _filled(self, data: Any) -> Any:
        """Put each attachment in its one place; a number that names none, or one twice, is malformed."""
        if isinstance(data, list):
            return [self._filled(item) for item in data]
        if not isinstance(data, dict):
            return data
        if data.get("_placeholder") is not True:
            return {key: self._filled(value) for key, value in data.items()}
        number = data.get("num")
        if type(number) is not int or not 0 <= number < len(self.attachments) or self.attachments[number] is None:
            self.malformed = True
            return None
        attachment, self.attachments[number] = self.attachments[number], None
        return attachment


def event_frame(name: str, data: dict[str, Any]) -> bytes:
    """Return the Engine.IO frame of an event to a client."""
    return b"42" + msgspec.json.encode([name, data])


def encoded_event_frame(event: bytes) -> bytes:
    """Return the Engine.IO frame of an event to a client; `event` is JSON, a list of name and data."""
    return b"42" + event


def ack_frame(id: int, answer: bytes) -> bytes:
    """Return the Engine.IO frame of an acknowledgement; `answer` is JSON."""
    return b"43%d[%s]" % (id, answer)


def connect_frame(sid: str) -> bytes:
    """Return the Engine.IO frame that welcomes a client."""
    return b"40" + msgspec.json.encode({"sid": sid})


def connect_error_frame(namespace: str | None, answer: dict[str, Any]) -> bytes:
    """Return the Engine.IO frame that refuses a client."""
    where = f"{namespace}," if namespace and namespace != "/" else ""
    return b"44" + where.encode() + msgspec.json.encode({"message": answer["error"]["name"], "data": answer})


DISCONNECT_FRAME = b"41"

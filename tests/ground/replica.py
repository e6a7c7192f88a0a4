"""A replica: what a client keeps of its own world, and how pushes change it, by the contract alone."""

from typing import Any

from tests.ground.answers import ok
from tests.ground.raw import RawSocket

SETTINGS = ("show_online", "show_distance", "read_receipts", "mail_on", "language")


class Replica:
    """The world of one person: own profile and settings, connections, conversations, notifications, relations."""

    def __init__(self, me: int) -> None:
        self.me = me
        self.cursor = 0
        self.profile: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.connected: set[int] = set()
        self.messages: dict[int, dict[int, str]] = {}
        self.read: dict[tuple[int, int], int] = {}
        """How far somebody has read what somebody has written, by (reader, other)."""
        self.notices: dict[tuple[str, int], tuple[int, bool]] = {}
        """Number and whether it is read, by kind and person."""
        self.liked: set[int] = set()
        self.blocked: set[int] = set()

    @classmethod
    async def fresh(cls, socket: RawSocket, me: int, others: list[int]) -> "Replica":
        """Read everything anew."""
        new = cls(me)
        own = ok(await socket.call("user/me"))
        new.cursor = own["cursor"]
        new.profile = {name: own[name] for name in ("first_name", "description", "tags")}
        new.settings = ok(await socket.call("user/settings", {}))
        new.connected = {one["user"]["user_id"] for one in ok(await socket.call("user/connections"))["connections"]}
        new.blocked = {one["user_id"] for one in ok(await socket.call("user/blocks"))["blocks"]}
        for notice in ok(await socket.call("notifications/list", {"limit": 50}))["notifications"]:
            new.notices[notice["kind"], notice["user"]["user_id"]] = notice["seq"], notice["read"]
        for other in others:
            await new._read_about(socket, other)
        return new

    async def _read_about(self, socket: RawSocket, other: int) -> None:
        shown = await socket.call("message/history", {"target_user_id": other, "limit": 100})
        if shown["code"] == 200 and shown["data"]["messages"]:
            self.messages[other] = {one["seq"]: one["message"] for one in shown["data"]["messages"]}
            self.read[self.me, other] = shown["data"]["my_read_seq"]
            self.read[other, self.me] = shown["data"]["their_read_seq"]
        seen = await socket.call("profile", {"target_user_id": other})
        if seen["code"] == 200 and seen["data"]["liked"]:
            self.liked.add(other)

    def apply(self, name: str, data: dict[str, Any]) -> None:
        """Change what a push says."""
        assert data["seq"] == self.cursor + 1, "each number once, in order"
        self.cursor = data["seq"]
        getattr(self, "_" + name.replace("/", "_"))(data)

    def _message_new(self, data: dict[str, Any]) -> None:
        other, new = data["user_id"], data["message"]
        self.messages.setdefault(other, {})[new["seq"]] = new["message"]
        for pair in ((self.me, other), (other, self.me)):
            self.read.setdefault(pair, 0)

    def _message_read(self, data: dict[str, Any]) -> None:
        by, other = data["by"], data["user_id"]
        self.read[(by, other) if by == self.me else (by, self.me)] = data["read_seq"]

    def _notification(self, data: dict[str, Any]) -> None:
        self.notices[data["kind"], data["user"]["user_id"]] = data["seq"], False

    def _notifications_read(self, data: dict[str, Any]) -> None:
        for key, (seq, _) in self.notices.items():
            if seq <= data["up_to"]:
                self.notices[key] = seq, True

    def _connection(self, data: dict[str, Any]) -> None:
        (self.connected.add if data["state"] == "connected" else self.connected.discard)(data["user_id"])

    def _profile_changed(self, data: dict[str, Any]) -> None:
        self.profile = {name: data[name] for name in self.profile}

    def _settings_changed(self, data: dict[str, Any]) -> None:
        self.settings = {name: data[name] for name in SETTINGS}

    def _relation_changed(self, data: dict[str, Any]) -> None:
        for people, holds in ((self.liked, data["liked"]), (self.blocked, data["blocked"])):
            (people.add if holds else people.discard)(data["user_id"])

    def _void(self, data: dict[str, Any]) -> None:
        """What was here may not be seen any more."""

    def shown(self, gone: set[int], were_gone: set[int]) -> dict[str, Any]:
        """Return all that a push tells of; about those who are gone from sight nothing is compared.

        What a block took away for good, a visit for instance, nobody is told: it looks like a deletion.
        """
        unread = {
            other for other, texts in self.messages.items() if any(seq > self.read[self.me, other] for seq in texts)
        }
        return {
            "profile": self.profile,
            "settings": self.settings,
            "connected": self.connected - gone,
            "messages": {other: texts for other, texts in self.messages.items() if other not in were_gone},
            "read": {pair: seq for pair, seq in self.read.items() if not were_gone & set(pair) and seq},
            "visits": {
                key: kept for key, kept in self.notices.items() if key[0] == "visit" and key[1] not in were_gone
            },
            "unread": unread - were_gone,
            "liked": self.liked - were_gone,
            "blocked": self.blocked,
        }

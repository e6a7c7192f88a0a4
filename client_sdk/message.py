"""Messages between two connected people."""

from collections.abc import AsyncIterator

from msgspec import UNSET, UnsetType

from client_sdk.draft import Draft
from client_sdk.errors import AlreadyExists
from client_sdk.noun import Noun, draw
from client_sdk.types import History, Message, Sent


class Messages(Noun):
    """Messages: texts of 1 to 4000 characters, numbered from 1 in each conversation by their `seq`."""

    def post(self, user_id: int, text: str, random_id: int | None = None) -> Draft:
        """Put a text into the outbox, to be sent as soon as possible after those posted to this person before.

        Returns at once; `await` what it returns to wait until the message has arrived. Lost connections, limits and
        a server that is down only delay it. With a file, it is on the disk when this returns.

        Raises Unauthorized, ConnectionLost, SessionEnded when nobody is signed in or the client is closed, and
        OutboxError when the file can't be written. Awaiting it raises Blacklisted, NotFound, NotConnected,
        InvalidPayload, and AlreadyExists for another text's `random_id`; then also `DraftRefused` is told.
        """
        return self._client.outbox.post(user_id, text, random_id)

    async def send(self, user_id: int, text: str, random_id: int | None = None) -> Sent:
        """Send a text now, beside the outbox, and return where it stands; a lost connection doesn't double it.

        Raises Blacklisted, NotFound, NotConnected, InvalidPayload, RateLimited, and AlreadyExists for another text's
        `random_id`; ConnectionLost when there was no answer in time: only with the same `random_id` is it safe to
        repeat that.
        """
        if random_id is not None:
            return await self._send(user_id, text, random_id)
        while True:
            try:
                return await self._send(user_id, text, draw())
            except AlreadyExists:
                continue  # that number was used for another text, long ago

    async def history(
        self,
        user_id: int,
        before: int | UnsetType = UNSET,
        after: int | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
    ) -> History:
        """Return up to `limit` messages (20; at most 100), newest first, or with `after` (a `seq`) oldest first.

        Also of somebody one was connected with. Raises NotFound, NotConnected, InvalidPayload.
        """
        return await self._again(
            History, "message/history", target_user_id=user_id, before=before, after=after, limit=limit
        )

    async def all(self, user_id: int, after: int = 0) -> AsyncIterator[Message]:
        """Yield the conversation from after a `seq` to its end, oldest first. Raises NotFound, NotConnected."""
        while page := await self.history(user_id, after=after, limit=_LONGEST):
            for message in page:
                yield message
            after = page[-1].seq

    async def read(self, user_id: int, seq: int) -> None:
        """Say that everything up to `seq` was read. Raises NotFound, NotConnected."""
        await self._client.insist("message/read", target_user_id=user_id, seq=seq)

    async def typing(self, user_id: int) -> None:
        """Let somebody know that one is writing to them. Raises NotFound, NotConnected."""
        await self._client.call("message/typing", target_user_id=user_id)

    async def _send(self, user_id: int, text: str, random_id: int) -> Sent:
        return await self._again(Sent, "message/send", target_user_id=user_id, message=text, random_id=random_id)


_LONGEST = 100

"""Being here, and seeing who else is."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from client_sdk.backoff import Backoff
from client_sdk.errors import MatchaError
from client_sdk.noun import Noun
from client_sdk.pushes import Presence, Push
from client_sdk.types import Standing, Watched

if TYPE_CHECKING:
    from client_sdk.client import Client


class Presences(Noun):
    """Presence."""

    def __init__(self, client: "Client") -> None:
        super().__init__(client)
        self._watched: dict[int, Standing] = {}
        """How those stand who are watched, as far as is known; replaced, never changed."""
        self._renewal: asyncio.Task[None] | None = None

    async def online(self) -> None:
        """Be here for five minutes, socket or not, and no longer away. Raises Unavailable."""
        await self._client.insist("user/set_online")

    async def offline(self) -> None:
        """Be away until `online` or the next connection. Raises Unavailable."""
        await self._client.insist("user/set_offline")

    async def watch(self, user_ids: Sequence[int]) -> Watched:
        """Return how up to 100 people stand, and be pushed `Presence` when that changes, until the next call.

        Of people one is not connected with, nothing is told. After a lost connection the client watches the same
        people again, and tells as `Presence` who came or went meanwhile; unless this failed. Raises InvalidPayload.
        """
        self.forget()  # a new connection meanwhile has to repeat this call, not the last one
        watched = await self._again(Watched, "presence/watch", user_ids=user_ids)
        self._watched = {int(user_id): standing for user_id, standing in watched.presence.items()}
        return watched

    # For the client

    def heard(self, push: Push) -> None:
        """Take note of somebody who came or went."""
        if isinstance(push, Presence) and push.user_id in self._watched:
            self._watched = self._watched | {push.user_id: Standing(online=push.online, last_seen=push.last_seen)}

    def reopened(self) -> None:
        """Watch the same people over a new connection."""
        self.stop()
        if self._watched:
            self._renewal = asyncio.create_task(self._renew())

    def forget(self) -> None:
        """Watch nobody again."""
        self.stop()
        self._watched = {}

    def stop(self) -> None:
        """Give up watching again."""
        if self._renewal is not None:
            self._renewal.cancel()

    async def _renew(self) -> None:
        backoff = Backoff(self._client._random)
        while True:
            try:
                watched = await self._once(Watched, "presence/watch", user_ids=list(self._watched))
            except MatchaError as error:
                if error.code not in (429, 500, 503):
                    return  # the connection is lost again, and the next one brings the next try; or it is no use
                backoff.fail(error.retry_after)
                await self._client._wait(backoff.delay())
            else:
                self._compare(watched)
                return

    def _compare(self, watched: Watched) -> None:
        """Tell who came or went meanwhile."""
        for user_id, before in self._watched.items():
            now = watched[user_id]
            if now.online != before.online:
                self._client._publish(Presence(user_id=user_id, online=now.online, last_seen=now.last_seen))

"""Relations: likes, requests, connections, passes, blocks."""

from msgspec import UNSET, UnsetType

from client_sdk.noun import Noun
from client_sdk.types import Blocks, Connections, Liked, Likes, Requested


class Relations(Noun):
    """Relations between the caller and others. All of them raise NotFound for whom the caller may not see."""

    async def like(self, user_id: int) -> Liked:
        """Like someone; when it is mutual, the two are connected. Raises PhotoRequired, RateLimited."""
        return await self._again(Liked, "user/like", target_user_id=user_id)

    async def unlike(self, user_id: int) -> None:
        """Take a like back; this ends a connection."""
        await self._client.insist("user/unlike", target_user_id=user_id)

    async def connect(self, login: str) -> Requested:
        """Ask the person with this login to connect: a like that they are told about."""
        return await self._again(Requested, "user/connect", target_id=login)

    async def disconnect(self, user_id: int) -> None:
        """End a connection: both likes go, the history stays."""
        await self._client.insist("user/disconnect", target_user_id=user_id)

    async def pass_(self, user_id: int) -> None:
        """Say that one is not interested: search shows this person no more, until `unpass` or a like."""
        await self._client.insist("user/pass", target_user_id=user_id)

    async def unpass(self, user_id: int) -> None:
        """Undo a pass."""
        await self._client.insist("user/unpass", target_user_id=user_id)

    async def block(self, user_id: int) -> None:
        """Put someone on the black list: neither side sees the other any more."""
        await self._client.insist("user/block", target_user_id=user_id)

    async def unblock(self, user_id: int) -> None:
        """Take someone off the black list; nothing else comes back."""
        await self._client.insist("user/unblock", target_user_id=user_id)

    async def likes(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Likes:
        """Return a page of the people who like one and are not connected, newest first."""
        return await self._again(Likes, "user/likes", limit=limit, cursor=cursor or UNSET)

    async def blocks(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Blocks:
        """Return a page of one's black list, newest first, also of those who are gone since."""
        return await self._again(Blocks, "user/blocks", limit=limit, cursor=cursor or UNSET)

    async def connections(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Connections:
        """Return a page of the people one is connected with, last activity first."""
        return await self._again(Connections, "user/connections", limit=limit, cursor=cursor or UNSET)

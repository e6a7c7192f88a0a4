"""Relations: likes, requests, connections, passes, blocks."""

from collections.abc import AsyncIterator

from msgspec import UNSET, UnsetType

from client_sdk.noun import MOST, Noun, each
from client_sdk.types import Block, Blocks, Connection, Connections, Like, Liked, Likes, Requested


class Relations(Noun):
    """Relations between the caller and others; all may be repeated.

    Aiming at oneself is InvalidPayload, and so is a `limit` outside 1 to 50 (it is 20 by default) or a cursor of more
    than an hour ago.
    """

    async def like(self, user_id: int) -> Liked:
        """Like someone; when it is mutual, the two are connected. Raises NotFound, PhotoRequired, RateLimited."""
        return await self._again(Liked, "user/like", target_user_id=user_id)

    async def unlike(self, user_id: int) -> None:
        """Take a like back, which ends a connection; whoever the id is, or if it is nobody."""
        await self._client.insist("user/unlike", target_user_id=user_id)

    async def connect(self, login: str) -> Requested:
        """Ask the person with this login to connect: a like that they are told about.

        Raises NotFound, PhotoRequired, RateLimited.
        """
        return await self._again(Requested, "user/connect", target_id=login)

    async def disconnect(self, user_id: int) -> None:
        """End a connection: both likes go, the history stays; whoever the id is, or if it is nobody."""
        await self._client.insist("user/disconnect", target_user_id=user_id)

    async def pass_(self, user_id: int) -> None:
        """Say that one is not interested: search shows this person no more, until `unpass` or a like.

        Raises NotFound.
        """
        await self._client.insist("user/pass", target_user_id=user_id)

    async def unpass(self, user_id: int) -> None:
        """Undo a pass; whoever the id is, or if it is nobody."""
        await self._client.insist("user/unpass", target_user_id=user_id)

    async def block(self, user_id: int) -> None:
        """Put someone on the black list: neither side sees the other any more. Raises NotFound."""
        await self._client.insist("user/block", target_user_id=user_id)

    async def unblock(self, user_id: int) -> None:
        """Take someone off the black list; nothing else comes back. Whoever the id is, or if it is nobody."""
        await self._client.insist("user/unblock", target_user_id=user_id)

    async def likes(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Likes:
        """Return a page of the people who like one and are not connected, newest first."""
        return await self._again(Likes, "user/likes", limit=limit, cursor=cursor or UNSET)

    def all_likes(self) -> AsyncIterator[Like]:
        """Yield everyone who likes one and is not connected, newest first, page by page."""
        return each(lambda cursor: self.likes(MOST, cursor))

    async def blocks(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Blocks:
        """Return a page of one's black list, newest first, also of those who are gone since."""
        return await self._again(Blocks, "user/blocks", limit=limit, cursor=cursor or UNSET)

    def all_blocks(self) -> AsyncIterator[Block]:
        """Yield one's black list, newest first, page by page."""
        return each(lambda cursor: self.blocks(MOST, cursor))

    async def connections(self, limit: int | UnsetType = UNSET, cursor: str | UnsetType | None = UNSET) -> Connections:
        """Return a page of the people one is connected with, last activity first."""
        return await self._again(Connections, "user/connections", limit=limit, cursor=cursor or UNSET)

    def all_connections(self) -> AsyncIterator[Connection]:
        """Yield everyone one is connected with, last activity first, page by page."""
        return each(lambda cursor: self.connections(MOST, cursor))

"""The log of pushes, to be read after an absence; the client does this by itself."""

from client_sdk.noun import Noun
from client_sdk.types import SyncPage


class Sync(Noun):
    """The log."""

    async def since(self, cursor: int | None) -> SyncPage:
        """Return up to 200 pushes after `cursor`, a `seq`; None asks for the newest cursor only.

        `resync` says that the cursor is too old, or ahead of the log: then there are none.
        """
        return await self._again(SyncPage, "sync", cursor=cursor)

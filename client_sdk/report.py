"""Reports: telling the staff of someone."""

from enum import IntEnum

from msgspec import UNSET, UnsetType

from client_sdk.noun import Noun


class Reason(IntEnum):
    """Why someone is reported."""

    FAKE = 1
    SPAM_OR_SCAM = 2
    HARASSMENT = 3
    INDECENT_PHOTO = 4
    UNDER_AGE = 5
    OTHER = 6


class Reports(Noun):
    """Reports of others."""

    async def send(self, user_id: int, reason: int, comment: str | UnsetType = UNSET) -> None:
        """Report someone, who never learns by whom; see `Reason`. Works for any id.

        A comment has up to 1000 characters. Raises InvalidPayload, RateLimited.
        """
        await self._client.insist("report", target_user_id=user_id, report_id=reason, comment=comment)

"""Settings: what others may see of one, and how one is told."""

from typing import TypedDict, Unpack

from client_sdk.noun import Noun
from client_sdk.types import Settings


class Choices(TypedDict, total=False):
    """What may be chosen; what is left out stays."""

    show_online: bool
    show_distance: bool
    read_receipts: bool
    mail_on: bool
    language: str
    """`en`, `ru`, `fr`."""


class OwnSettings(Noun):
    """One's own settings."""

    async def change(self, **choices: Unpack[Choices]) -> Settings:
        """Change what is given, and return all settings; with nothing given, only return them.

        Raises InvalidPayload.
        """
        return await self._again(Settings, "user/settings", **choices)

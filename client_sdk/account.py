"""Accounts: registering and confirming."""

from typing import Unpack

from client_sdk.noun import Noun
from client_sdk.profile import Details
from client_sdk.types import Registered


class NewAccount(Details, total=False):
    """What may be told about oneself when registering."""

    language: str


class Accounts(Noun):
    """Accounts."""

    async def register(
        self, login: str, mail: str, password: str, first_name: str, last_name: str, **details: Unpack[NewAccount]
    ) -> int:
        """Register, and return the new user's id; the server mails a link. Raises AlreadyExists, InvalidPayload."""
        fields = {"login": login, "mail": mail, "password": password, "first_name": first_name, "last_name": last_name}
        return (await self._once(Registered, "user/registr", **fields, **details)).user_id

    async def verify(self, ver_id: str, login: str) -> int:
        """Confirm the mail address with what the mailed link says, and return the user's id. Raises InvalidLink."""
        return (await self._once(Registered, "user/verification", ver_id=ver_id, login=login)).user_id

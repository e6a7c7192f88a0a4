"""Accounts: registering and confirming, and passwords, forgotten and new."""

from typing import Unpack

from msgspec import UNSET, UnsetType

from client_sdk.noun import Noun
from client_sdk.profile import Details, with_images
from client_sdk.types import Registered


class NewAccount(Details, total=False):
    """What may be told about oneself when registering."""

    language: str


class Accounts(Noun):
    """Accounts."""

    async def register(
        self, login: str, mail: str, password: str, first_name: str, last_name: str, **details: Unpack[NewAccount]
    ) -> int:
        """Register, and return the new user's id; the server mails a link, to be used before signing in.

        A password has 10 to 256 characters and is none that others guess. Nobody is told whether an address has an
        account: if it does, it is mailed that instead. Raises AlreadyExists (the login), InvalidPayload, InvalidImage,
        RateLimited, Unavailable.
        """
        fields = {"login": login, "mail": mail, "password": password, "first_name": first_name, "last_name": last_name}
        return (await self._once(Registered, "user/registr", **fields, **with_images(details))).user_id

    async def verify(self, ver_id: str, login: str) -> int:
        """Confirm the mail address with what the mailed link says, and return the user's id.

        The link is `…/verify#ver_id=…&login=…` and works once. Raises InvalidLink.
        """
        return (await self._once(Registered, "user/verification", ver_id=ver_id, login=login)).user_id

    async def resend_verification(self, mail: str) -> None:
        """Have the link that confirms an address mailed again; nobody is told whether there was one, nor of a limit."""
        await self._client.insist("user/resend_verification", mail=mail)

    async def forgot_password(self, mail: str) -> None:
        """Have a link mailed that replaces the password, once and within 30 minutes.

        Nobody is told whether the address has an account, nor of a limit.
        """
        await self._client.insist("user/forgot_pass", mail=mail)

    async def reset_password(
        self, new_pass: str, *, reset_id: str | UnsetType = UNSET, old_pass: str | UnsetType = UNSET
    ) -> None:
        """Set a new password, by what the mailed link says or by the old password.

        All other sessions end; by a link this one too. Raises InvalidLink, InvalidCredentials, InvalidPayload,
        NotVerified, Forbidden, RateLimited, Unauthorized, Unavailable.
        """
        await self._client.call("user/reset_pass", new_pass=new_pass, reset_id=reset_id, old_pass=old_pass)

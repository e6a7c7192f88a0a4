"""Profiles: one's own and those of others."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TypedDict, Unpack

from client_sdk.noun import Noun
from client_sdk.types import Gps, Me, OwnProfile, Profile, Wish


class Details(TypedDict, total=False):
    """What a person may say about themselves; what is left out stays, None clears."""

    gender: str | None
    age: int | None
    birth_date: date | str | None
    description: str | None
    sex: Sequence[str] | None
    tags: Sequence[str] | None
    gps: Gps | Mapping[str, float] | None
    wish: Wish | Mapping[str, int | None] | None


class Changes(Details, total=False):
    """What may be changed; a new login or mail needs `old_pass`."""

    first_name: str
    last_name: str
    new_login: str
    new_mail: str
    old_pass: str


class Profiles(Noun):
    """Profiles."""

    async def me(self) -> Me:
        """Return one's own profile, and what only oneself sees."""
        return await self._again(Me, "user/me")

    async def get(self, user_id: int) -> Profile:
        """Return someone's profile; they see the visit. Raises NotFound."""
        return await self._again(Profile, "profile", target_user_id=user_id)

    async def save(self, **changes: Unpack[Changes]) -> OwnProfile:
        """Change the given fields of one's own profile and return it. Raises InvalidPayload, AlreadyExists."""
        return await self._again(OwnProfile, "user/save_profile", **changes)

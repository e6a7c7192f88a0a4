"""Profiles: one's own and those of others."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypedDict, Unpack

from client_sdk.noun import Noun
from client_sdk.types import Gps, Me, OwnProfile, Profile, Wish

_MOST_IMAGES, _LARGEST_IMAGE = 5, 1_000_000


class Details(TypedDict, total=False):
    """What a person may say about themselves; what is left out stays, None clears."""

    gender: str | None
    """`male`, `female`, `nonbinary`."""
    age: int | None
    """18 to 120 years; or give the day:"""
    birth_date: date | str | None
    image: Sequence[str | bytes | Path] | None
    """All photos in order, the main one first: a `photo_id` of one's own each, or the bytes or path of a new image."""
    description: str | None
    """Up to 4000 characters."""
    sex: Sequence[str] | None
    """The genders that are sought; none of them means all."""
    tags: Sequence[str] | None
    """Up to 20, of up to 32 letters, digits and `-`."""
    gps: Gps | Mapping[str, float] | None
    """Degrees; made coarse before it is stored."""
    wish: Wish | Mapping[str, int | None] | None
    """Ages in years and the distance in km; nobody else sees it."""


class Changes(Details, total=False):
    """What may be changed; a new login or mail needs `old_pass`."""

    first_name: str
    last_name: str
    new_login: str
    new_mail: str
    old_pass: str


def with_images(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with paths of images read. Raises OSError, ValueError (the server would close the socket)."""
    image = fields.get("image")
    if not isinstance(image, list | tuple):
        return dict(fields)
    image = [part.read_bytes() if isinstance(part, Path) else part for part in image]
    new = [part for part in image if isinstance(part, bytes)]
    if len(new) > _MOST_IMAGES or any(len(part) > _LARGEST_IMAGE for part in new):
        raise ValueError(f"At most {_MOST_IMAGES} images of {_LARGEST_IMAGE:,} bytes each.")
    return {**fields, "image": image}


class Profiles(Noun):
    """Profiles."""

    async def me(self) -> Me:
        """Return one's own profile, and what only oneself sees."""
        return await self._again(Me, "user/me")

    async def get(self, user_id: int) -> Profile:
        """Return someone's profile; they see the visit. Raises NotFound, InvalidPayload (oneself), RateLimited."""
        return await self._again(Profile, "profile", target_user_id=user_id)

    async def save(self, **changes: Unpack[Changes]) -> OwnProfile:
        """Change the given fields of one's own profile and return it.

        A new mail address counts once the link is used that it is mailed.

        Raises InvalidPayload, InvalidImage, AlreadyExists (the login), InvalidCredentials, NotVerified, Forbidden (with
        a new login or mail), RateLimited, Unavailable; OSError, ValueError for images that can't be read or sent.
        """
        return await self._again(OwnProfile, "user/save_profile", **with_images(changes))

"""Cards, profiles and messages as one viewer may see them."""

import asyncio
from datetime import datetime
from typing import Any, NamedTuple

from handlers.matching.age import age_on
from handlers.matching.distance import bucket
from handlers.matching.score import points
from server.context import Context
from server.wire.answers import Card, Message, OwnProfile, Presence, iso
from sql import card, message, photo, profile
from sql.photo import Photo
from sql.profile import Profile


class Crowd(NamedTuple):
    """What cards of several people are made of: a statement or a round trip for each part, however many they are."""

    people: dict[int, Profile]
    tags: dict[int, list[str]]
    photos: dict[int, Photo]
    online: set[int] | None
    """Who is here, whether they show it or not; None when that can't be known now."""


class Viewer:
    """The one who looks: own profile and tags, against which others are measured."""

    def __init__(self, ctx: Context, own: Profile, tags: list[str]) -> None:
        self._services = ctx.services
        self.own = own
        self.tags = tags
        self.vector = own.vector
        self.today = ctx.today
        self.now = ctx.now

    def age_of(self, person: Profile) -> int | None:
        """Return the age of somebody today."""
        return age_on(person.birth_date, self.today) if person.birth_date else None

    def card(self, person: Profile, crowd: Crowd) -> dict[str, Any]:
        """Return the fields of a card; who hides something from others does not see it of them either."""
        shows_place = bool(self.own.show_distance and person.show_distance)
        distance = bucket(self.vector, person.vector) if shows_place else None
        common = [tag for tag in crowd.tags[person.user_id] if tag in self.tags]
        age = self.age_of(person)
        parts = points(
            distance=distance,
            common_tags=len(common),
            fame=person.fame,
            age=age,
            own_age=self.age_of(self.own),
        )
        main = crowd.photos.get(person.user_id)
        seen = self.presence(person, crowd.online)
        return {
            "user_id": person.user_id,
            "login": person.login,
            "first_name": person.first_name,
            "age": age,
            "gender": person.gender_name,
            "photo": self._services.photos.shape(self.own.user_id, main) if main else None,
            "place": self._services.places.name(person.place_id) if shows_place and person.place_id else None,
            "distance": distance,
            "fame": person.fame,
            "common_tags": common,
            "online": seen.online,
            "last_seen": seen.last_seen,
            "score": parts.score,
            "why": parts.why,
        }

    def presence(self, person: Profile, online: set[int] | None) -> Presence:
        """Return what this viewer may know of somebody's coming and going."""
        if not (self.own.show_online and person.show_online):
            return Presence(online=None, last_seen=None)
        is_here = None if online is None else person.user_id in online
        seen_at = self.now if is_here else person.active_at
        return Presence(online=is_here, last_seen=iso(_ten_minutes(seen_at)) if seen_at else None)


def _ten_minutes(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0)


async def list_people(ctx: Context, user_ids: list[int]) -> tuple[Viewer, Crowd]:
    """Return the viewer, and what the cards of these people are made of."""
    wanted = list(dict.fromkeys([*user_ids, ctx.user_id]))
    known, online = await asyncio.gather(
        card.list_known(ctx.tx, user_ids=wanted), ctx.services.presence.online(user_ids)
    )
    people = {row.profile.user_id: row.profile for row in known}
    tags = {row.profile.user_id: row.tags for row in known}
    photos = {row.profile.user_id: row.photo for row in known if row.photo}
    viewer = Viewer(ctx, people[ctx.user_id], tags[ctx.user_id])
    return viewer, Crowd(people, tags, photos, online)


async def list_cards(ctx: Context, user_ids: list[int]) -> dict[int, Card]:
    """Return the cards of these people; whether the viewer may see them is the caller's to check."""
    if not user_ids:
        return {}
    viewer, crowd = await list_people(ctx, user_ids)
    return {id: Card(**viewer.card(crowd.people[id], crowd)) for id in user_ids if id in crowd.people}


def own_fields(ctx: Context, own: Profile, tags: list[str], photos: list[Photo]) -> dict[str, Any]:
    """Return the fields of one's own profile."""
    shown = [ctx.services.photos.shape(own.user_id, row) for row in photos]
    return {
        "user_id": own.user_id,
        "login": own.login,
        "first_name": own.first_name,
        "last_name": own.last_name,
        "age": age_on(own.birth_date, ctx.today) if own.birth_date else None,
        "gender": own.gender_name,
        "description": own.description,
        "sex": own.sex_names,
        "tags": tags,
        "photo": shown[0] if shown else None,
        "photos": shown,
        "place": ctx.services.places.name(own.place_id) if own.place_id else None,
        "fame": own.fame,
    }


async def get_own(ctx: Context, user_id: int) -> tuple[Profile, OwnProfile]:
    """Return one's own profile, as a row and as it goes out."""
    row = await profile.get(ctx.tx, user_id=user_id)
    assert row is not None, "every account has a profile"
    tags = await profile.list_tags(ctx.tx, user_ids=[user_id])
    photos = await photo.list_of(ctx.tx, user_id=user_id)
    return row, OwnProfile(**own_fields(ctx, row, tags[user_id], photos))


def as_seen_by(viewer_id: int, row: message.Message) -> Message:
    """Return a message; its random_id only to the one who sent it."""
    return Message(
        seq=row.seq,
        from_user_id=row.sender_id,
        message=row.body,
        sent_at=iso(row.sent_at),
        random_id=row.random_id if row.sender_id == viewer_id else None,
    )

"""Cards, profiles and messages as one viewer may see them."""

from datetime import date
from typing import Any

from handlers.matching.age import age_on
from handlers.matching.distance import bucket
from handlers.matching.score import points
from server.context import Context
from server.wire.answers import Card, Message, OwnProfile, iso
from sql import message, profile
from sql.profile import Profile


class Viewer:
    """The one who looks: own profile and tags, against which others are measured."""

    def __init__(self, own: Profile, tags: list[str], today: date) -> None:
        self.own = own
        self.tags = tags
        self.today = today

    def age_of(self, person: Profile) -> int | None:
        """Return the age of somebody today."""
        return age_on(person.birth_date, self.today) if person.birth_date else None

    def card(self, person: Profile, tags: list[str]) -> dict[str, Any]:
        """Return the fields of a card."""
        distance = bucket(self.own.vector, person.vector)
        common = [tag for tag in tags if tag in self.tags]
        age = self.age_of(person)
        parts = points(
            distance=distance,
            common_tags=len(common),
            fame=person.fame,
            age=age,
            own_age=self.age_of(self.own),
        )
        return {
            "user_id": person.user_id,
            "login": person.login,
            "first_name": person.first_name,
            "age": age,
            "gender": person.gender_name,
            "photo": None,
            "place": None,
            "distance": distance,
            "fame": person.fame,
            "common_tags": common,
            "online": None,
            "last_seen": None,
            "score": parts.score,
            "why": parts.why,
        }


async def list_people(ctx: Context, user_ids: list[int]) -> tuple[Viewer, dict[int, Profile], dict[int, list[str]]]:
    """Return the viewer, and profiles and tags of these people: two statements, however many they are."""
    wanted = list(dict.fromkeys([*user_ids, ctx.user_id]))
    people = await profile.list_of(ctx.tx, user_ids=wanted)
    tags = await profile.list_tags(ctx.tx, user_ids=wanted)
    return Viewer(people[ctx.user_id], tags[ctx.user_id], ctx.today), people, tags


async def list_cards(ctx: Context, user_ids: list[int]) -> dict[int, Card]:
    """Return the cards of these people; whether the viewer may see them is the caller's to check."""
    if not user_ids:
        return {}
    viewer, people, tags = await list_people(ctx, user_ids)
    return {id: Card(**viewer.card(people[id], tags[id])) for id in user_ids if id in people}


def own_fields(own: Profile, tags: list[str], today: date) -> dict[str, Any]:
    """Return the fields of one's own profile."""
    return {
        "user_id": own.user_id,
        "login": own.login,
        "first_name": own.first_name,
        "last_name": own.last_name,
        "age": age_on(own.birth_date, today) if own.birth_date else None,
        "gender": own.gender_name,
        "description": own.description,
        "sex": own.sex_names,
        "tags": tags,
        "photo": None,
        "photos": [],
        "place": None,
        "fame": own.fame,
    }


async def get_own(ctx: Context, user_id: int) -> tuple[Profile, OwnProfile]:
    """Return one's own profile, as a row and as it goes out."""
    row = await profile.get(ctx.tx, user_id=user_id)
    assert row is not None, "every account has a profile"
    tags = await profile.list_tags(ctx.tx, user_ids=[user_id])
    return row, OwnProfile(**own_fields(row, tags[user_id], ctx.today))


def as_seen_by(viewer_id: int, row: message.Message) -> Message:
    """Return a message; its random_id only to the one who sent it."""
    return Message(
        seq=row.seq,
        from_user_id=row.sender_id,
        message=row.body,
        sent_at=iso(row.sent_at),
        random_id=row.random_id if row.sender_id == viewer_id else None,
    )

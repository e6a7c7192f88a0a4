"""The tables, by name."""

from pypika import Table

account = Table("account")
block = Table("block")
candidate = Table("candidate")
link = Table("link")
message = Table("message")
moderation_case = Table("moderation_case")
notification = Table("notification")
nudge = Table("nudge")
outbox = Table("outbox")
pair = Table("pair")
photo = Table("photo")
photo_look = Table("photo_look")
photo_trash = Table("photo_trash")
candidate_tag = Table("candidate_tag")
popularity = Table("popularity")
profile = Table("profile")
profile_tag = Table("profile_tag")
quota = Table("quota")
reminder = Table("reminder")
report = Table("report")
session = Table("session")
tag_use = Table("tag_use")
town = Table("town")
town_edition = Table("town_edition")
town_name = Table("town_name")
user_event = Table("user_event")
user_stream = Table("user_stream")
visit = Table("visit")

NAMES = sorted(
    ("migration", "migration_lease", *(name for name, table in globals().items() if isinstance(table, Table)))
)
"""All of them, also those that only the migrations know."""

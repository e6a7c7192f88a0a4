"""The tables, by name."""

from pypika import Table

account = Table("account")
link = Table("link")
message = Table("message")
outbox = Table("outbox")
pair = Table("pair")
profile = Table("profile")
profile_tag = Table("profile_tag")
quota = Table("quota")
session = Table("session")
user_event = Table("user_event")
user_stream = Table("user_stream")

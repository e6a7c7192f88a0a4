"""A bot that introduces people to each other: MATCHA_TOKEN=… python -m client_sdk.examples.matchmaker_bot.

It likes back whoever likes it, for which it needs a photo, and so gets to talk with them. Those who write
"introduce me" are told of each other if they share tags, until they write "stop" or leave. Nobody else is ever named,
and nothing is told but the login and the shared tags. MATCHA_URL is the server, if it is not http://localhost:8080.
"""

import os

from client_sdk import Client, ConnectionChanged, MessageNew, Notification
from client_sdk.types import Profile

bot = Client(os.environ.get("MATCHA_URL", "http://localhost:8080"), token=os.environ["MATCHA_TOKEN"])
willing: dict[int, Profile] = {}


@bot.on(Notification)
async def like_back(event: Notification) -> None:
    """Like whoever likes the bot; that connects the two."""
    if event.user and event.kind in ("like", "request"):
        await bot.relation.like(event.user.user_id)


@bot.on(MessageNew)
async def listen(event: MessageNew) -> None:
    """Take somebody in, or let them go."""
    words = event.message.message.strip().casefold()
    if words == "introduce me" and not event.mine:
        willing[event.user_id] = await bot.profile.get(event.user_id)
        introduce(willing[event.user_id])
    elif words == "stop":
        willing.pop(event.user_id, None)


@bot.on(ConnectionChanged)
async def forget(event: ConnectionChanged) -> None:
    """Let go whoever left, blocked the bot, or deleted their account."""
    willing.pop(event.user_id, None)


def introduce(person: Profile) -> None:
    """Tell a newcomer and the others, each of whom asked for it, of each other."""
    for other in willing.values():
        shared = ", ".join(sorted({*person.tags} & {*other.tags}))
        if shared and other is not person:
            bot.message.post(person.user_id, f"You and {other.login} share: {shared}.")
            bot.message.post(other.user_id, f"You and {person.login} share: {shared}.")


bot.run()

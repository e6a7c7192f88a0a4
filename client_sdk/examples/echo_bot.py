"""A bot that says back what it is told: MATCHA_TOKEN=… python -m client_sdk.examples.echo_bot.

MATCHA_URL is the server, if it is not http://localhost:8080.
"""

import os

from client_sdk import Client, MessageNew

bot = Client(os.environ.get("MATCHA_URL", "http://localhost:8080"), token=os.environ["MATCHA_TOKEN"])


@bot.on(MessageNew)
async def echo(event: MessageNew) -> None:
    """Answer every message of somebody else with its own text."""
    if not event.mine:
        event.reply(event.message.message)


bot.run()

"""A bot that reminds people of their dates: MATCHA_TOKEN=… python -m client_sdk.examples.reminder_bot.

"remind me tomorrow at 19:00 dinner with Bob", or "today at …", in the time zone of the machine that it runs on. What it
was told before it was started is forgotten. MATCHA_URL is the server, if it is not http://localhost:8080.
"""

import asyncio
import os
import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from client_sdk import Client, MessageNew

WORDS = re.compile(r"remind me (today|tomorrow) at ([01]?\d|2[0-3]):([0-5]\d) (.+)", re.IGNORECASE | re.DOTALL)


def remind(
    bot: Client,
    now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    later: Callable[..., Any] = lambda *call: asyncio.get_running_loop().call_later(*call),
) -> None:
    """Let a bot remind people; tests give the clock, and do `later` what is to be done after some seconds."""

    @bot.on(MessageNew)
    async def listen(event: MessageNew) -> None:
        asked = WORDS.fullmatch(event.message.message)
        if asked and not event.mine:
            day, hour, minute, what = asked.groups()
            date = event.message.sent_at.astimezone().date() + timedelta(days=day.lower() == "tomorrow")
            when = datetime.combine(date, time(int(hour), int(minute))).astimezone()
            later((when - now()).total_seconds(), event.reply, f"You asked me to remind you: {what}")
            event.reply(f"I will, on {when:%d.%m. at %H:%M}.")


if __name__ == "__main__":
    bot = Client(os.environ.get("MATCHA_URL", "http://localhost:8080"), token=os.environ["MATCHA_TOKEN"])
    remind(bot)
    bot.run()

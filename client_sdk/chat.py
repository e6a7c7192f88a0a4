"""A chat in the terminal."""

import asyncio
import sys
import unicodedata
from collections.abc import Coroutine
from contextlib import closing
from typing import Any

from client_sdk.client import Client
from client_sdk.errors import ConnectionLost, InvalidPayload, NotConnected, RateLimited, SessionEnded
from client_sdk.lines import Lines
from client_sdk.pushes import ConnectionChanged, MessageNew, Push, Resync
from client_sdk.subscription import Subscription
from client_sdk.types import Card, Message

ENDED = "The session has ended. Start again to sign in."


async def chat(client: Client, login: str) -> None:
    """Talk with one person, line by line, until `/quit` or the end of the input; wait until they want to connect."""
    with closing(Lines(sys.stdin.fileno(), stop="/quit")) as lines:
        person = await _meet(client, login, lines.stopped)
        if person is not None:
            events = client.events(MessageNew, ConnectionChanged)  # from here on, before the history is read
            shown = await _show_history(client, person)
            print(f"Connected with {person.login}. Type a line to send it, /quit to leave.", flush=True)
            await _first(_listen(client, person, events, shown), _speak(client, person, lines))


async def _meet(client: Client, login: str, stopped: asyncio.Event) -> Card | None:
    """Return the person once connected with them, and ask for that if need be; None if that takes too long."""
    changes: Subscription[Push] = client.events(ConnectionChanged, Resync)
    person = await _find(client, login)
    if person is None and (await client.relation.connect(login)).state == "connected":
        person = await _find(client, login)
    if person is None:
        print(f"You asked {login} to connect. Waiting until {login} asks you too; /quit to give up.", flush=True)
        met = await _first(_await_change(client, login, changes), stopped.wait())
        person = met if isinstance(met, Card) else None
    return person


async def _await_change(client: Client, login: str, changes: Subscription[Push]) -> Card:
    async for _ in changes:
        person = await _find(client, login)
        if person is not None:
            return person
    raise SessionEnded(ENDED)


async def _find(client: Client, login: str) -> Card | None:
    """Return the card of the connected person with this login."""
    async for connection in client.relation.all_connections():
        if connection.user.login.casefold() == login.casefold():
            return connection.user
    return None


async def _show_history(client: Client, person: Card) -> int:
    """Print the last twenty messages and return the `seq` of the newest."""
    history = await client.message.history(person.user_id, limit=20)
    for message in reversed(history):
        _print(message, person)
    return await _read_up_to(client, person, history[0].seq if history else 0)


async def _listen(client: Client, person: Card, events: Subscription[Any], shown: int) -> None:
    """Print what the other person says, until the connection with them ends."""
    async for event in events:
        if event.user_id != person.user_id:
            continue
        if isinstance(event, ConnectionChanged) and event.state == "closed":
            raise NotConnected(f"You and {person.login} are no longer connected.")
        if isinstance(event, MessageNew) and event.message.seq > shown:
            shown = event.message.seq
            await _hear(client, person, event.message)
    raise SessionEnded(ENDED)


async def _hear(client: Client, person: Card, message: Message) -> None:
    if message.from_user_id == person.user_id:
        _print(message, person)
        await _read_up_to(client, person, message.seq)


async def _read_up_to(client: Client, person: Card, seq: int) -> int:
    if seq:
        await client.message.read(person.user_id, seq)
    return seq


async def _speak(client: Client, person: Card, lines: Lines) -> None:
    """Send line after line."""
    async for line in lines:
        try:
            await _send(client, person, line)
        except (ConnectionLost, InvalidPayload) as error:
            print(f"Not sent: {error}", file=sys.stderr, flush=True)


async def _send(client: Client, person: Card, line: str) -> None:
    while True:
        try:
            await client.message.send(person.user_id, line)
        except RateLimited as error:
            await asyncio.sleep(error.retry_after or 1)
        else:
            return


async def _first(*doing: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of what is done first, and stop the others."""
    tasks = [asyncio.create_task(coroutine) for coroutine in doing]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _print(message: Message, person: Card) -> None:
    name = person.login if message.from_user_id == person.user_id else "you"
    print(f"{message.sent_at.astimezone():%H:%M} {name}: {_plain(message.message)}", flush=True)


def _plain(text: str) -> str:
    """Return the text without what could command a terminal."""
    return "".join("\ufffd" if unicodedata.category(sign) == "Cc" and sign != "\n" else sign for sign in text)

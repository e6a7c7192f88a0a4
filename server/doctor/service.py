"""The service: its keys, invented people, mails and photos that wait, and whether it could be backed up."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

from server import keys
from server.backup.dump import tool
from server.clock import Clock
from server.demo import portraits
from server.demo.identity import person_id
from server.doctor.findings import Finding, Level, Look, Unseen
from server.keys import KeysError
from sql import doctor


async def secrets(look: Look) -> AsyncIterator[Finding]:
    """The keys are there, are secrets, and are changed now and then."""
    if look.config.session.keys:
        return  # their length, and that they are no examples, was seen to when they were read
    file = keys.path(look.data)
    if not file.exists():
        raise Unseen("no key was made yet: that happens at the first start")
    try:
        keys.read(file)
    except KeysError as fault:
        yield Finding("secrets.keys", str(fault), "The server does not start.", "See there.")
        return
    age = datetime.now(UTC) - datetime.fromtimestamp(file.stat().st_mtime, UTC)
    if age > timedelta(days=look.bounds.key_days):
        yield Finding(
            "secrets.age",
            f"The key that signs is {age.days} days old.",
            "Whoever got hold of an old backup can be anybody, as long as its key is in use.",
            "python -m server rotate-keys, and start the server again: nobody has to sign in anew.",
            Level.ADVICE,
        )


async def invented(look: Look) -> AsyncIterator[Finding]:
    """Invented people are not among real ones, and where they are to be made, that can be done."""
    demo = look.config.demo
    there = await look.ask(partial(doctor.count_accounts, ids=[person_id(demo.seed, number) for number in (0, 1, 2)]))
    if there and look.is_public:
        yield Finding(
            "demo.people",
            "Invented people are in the database, and others reach the server.",
            "Their one password was shown at each start; whoever has it is any of them. And nobody is told apart.",
            "Begin with an empty data folder and MATCHA_DEMO_USERS=0.",
        )
    if demo.users and look.is_public:
        yield Finding(
            "demo.users",
            f"demo.users is {demo.users}, and others reach the server.",
            "Where nobody has registered yet, the next start makes invented people.",
            "Set demo.users to 0 (MATCHA_DEMO_USERS=0).",
        )
    if there and demo.users and demo.bots and look.is_public:
        yield Finding(
            "demo.bots",
            f"Programs act for {demo.bots} of the invented people.",
            "People talk to them without knowing.",
            "Set demo.bots to 0 (MATCHA_DEMO_BOTS=0).",
        )


async def drawn(look: Look) -> AsyncIterator[Finding]:
    """Where invented people are still to be made, there are portraits for them."""
    demo = look.config.demo
    there = await look.ask(partial(doctor.count_accounts, ids=[person_id(demo.seed, 0)]))
    if there or not demo.users:
        return
    try:
        portraits.read(demo.portraits or portraits.POOL)
    except portraits.NoPortraits as fault:
        yield Finding("demo.portraits", str(fault), "The first start ends with this.", "See there.")


async def mails(look: Look) -> AsyncIterator[Finding]:
    """Mails leave."""
    until = _late(look)
    waiting = await look.ask(partial(doctor.get_late_mails, tries=look.bounds.tries, until=until))
    if waiting.number:
        yield Finding(
            "mail.outbox",
            f"{waiting.number} mails wait to be sent, the oldest since {waiting.since:%Y-%m-%d %H:%M} UTC.",
            "Links do not arrive; after mail.give_up_days each is dropped.",
            "The log says why (`mail.postponed`); see mail.smtp.",
        )


async def trash(look: Look) -> AsyncIterator[Finding]:
    """Files of photos that were taken away go."""
    waiting = await look.ask(partial(doctor.get_late_trash, until=_late(look)))
    if waiting.number:
        yield Finding(
            "photos.trash",
            f"{waiting.number} files of photos that nobody names are still there.",
            "What people have removed is kept on the disk.",
            "The log says why (`photos.not_cleared`): most often files that are not the server's (see folder.owner).",
        )


def _late(look: Look) -> datetime:
    if look.pid is None:
        raise Unseen("the server does not run here, so things wait")
    return Clock().now() - timedelta(minutes=look.bounds.late_minutes)


async def backups(look: Look) -> AsyncIterator[Finding]:
    """A backup could be made."""
    if tool() is None and look.is_public:
        yield Finding(
            "backup.tool",
            "mariadb-dump is not on this machine.",
            "No backup can be made.",
            "apt-get install mariadb-client",
        )

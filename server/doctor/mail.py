"""Mail: whether it would leave, without sending any."""

import asyncio
from collections.abc import AsyncIterator
from email.utils import parseaddr
from typing import Final

import aiosmtplib
from email_validator import EmailNotValidError, validate_email

from server.doctor.findings import Finding, Look
from server.outside.mail import connection

_PATIENCE: Final = 10.0


async def sender(look: Look) -> AsyncIterator[Finding]:
    """The sender is an address that others can answer to."""
    address = parseaddr(look.config.mail.sender)[1]
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as fault:
        if look.is_public or look.config.mail.smtp:
            yield Finding(
                "mail.sender",
                f"Mails come from {address}, which is no public address: {fault}",
                "Mail servers take them for spam, or refuse them.",
                "Set mail.sender (MATCHA_MAIL_SENDER) to an address of your domain, with SPF and DKIM records for it.",
            )


async def smtp(look: Look) -> AsyncIterator[Finding]:
    """The mail server lets us in."""
    if look.config.mail.smtp is None:
        if look.is_public:
            yield Finding(
                "mail.smtp",
                "No mail server is set: mails are files in the data folder.",
                "Nobody who registers gets a link, so nobody can sign in.",
                "Set mail.smtp: MATCHA_MAIL_SMTP=smtp://user:password@host:587",
            )
        return
    client = aiosmtplib.SMTP(**connection(look.config.mail.smtp), timeout=_PATIENCE)
    try:
        async with asyncio.timeout(_PATIENCE):
            await client.connect()
            await client.quit()
    except aiosmtplib.SMTPAuthenticationError as fault:
        yield _refused(f"The mail server refuses user or password: {fault.message}")
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
        yield _refused(f"The mail server cannot be used: {str(fault) or 'no answer in time'}")
    finally:
        client.close()


def _refused(what: str) -> Finding:
    return Finding(
        "mail.smtp",
        what,
        "Links to confirm an address or replace a password are not sent; mails wait some days, then are dropped.",
        "Correct mail.smtp (MATCHA_MAIL_SMTP); with a password it has to offer STARTTLS, or be smtps://.",
    )

"""What a test does to accounts from behind: links out of mails, bans and deletions in the database."""

import re
from email.message import EmailMessage
from enum import IntEnum
from typing import Any
from urllib.parse import unquote


class State(IntEnum):
    """States of an account as they stand in the database."""

    BANNED = 2
    DELETED = 3


async def set_state(server: Any, person: Any, state: State) -> None:
    """Ban or delete somebody as another process would: in the database, which is all that the server can see of it."""
    run = server.database.fetch
    await run(
        "UPDATE tag_use u JOIN profile_tag t ON t.tag = u.tag JOIN account a ON a.id = t.user_id"
        " SET u.people = u.people - 1 WHERE a.id = %s AND a.state = 1",
        person.id,
    )
    await run("UPDATE account SET state = %s WHERE id = %s", int(state), person.id)
    await run("UPDATE profile SET found = 0 WHERE user_id = %s", person.id)
    await run("DELETE FROM candidate WHERE user_id = %s", person.id)
    await run("DELETE FROM candidate_tag WHERE user_id = %s", person.id)
    await run("UPDATE user_stream SET auth_epoch = auth_epoch + 1 WHERE user_id = %s", person.id)
    if state is State.DELETED:
        await run("UPDATE pair SET connected = 0 WHERE %s IN (low_id, high_id)", person.id)


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """Return what is read in a mail, as plain text or as HTML."""
    body = mail.get_body((kind,))
    assert body is not None, f"a mail without {kind} text"
    text: str = body.get_content()
    return text


def verification(mail: EmailMessage) -> dict[str, str]:
    """Return the payload of `user/verification` that the link in a mail stands for."""
    found = re.search(r"/verify#ver_id=([^&\s]+)&login=(\S+)", text_of(mail))
    assert found, f"no link in the mail: {text_of(mail)}"
    return {"ver_id": unquote(found[1]), "login": unquote(found[2])}


def reset_id(mail: EmailMessage) -> str:
    """Return the secret of the link in a mail that replaces a password."""
    found = re.search(r"/reset#reset_id=(\S+)", text_of(mail))
    assert found, f"no link in the mail: {text_of(mail)}"
    return unquote(found[1])


def unsubscribe_path(mail: EmailMessage) -> str:
    """Return path and query of the link in a mail that turns such mails off."""
    found = re.search(r"/unsubscribe\?token=\S+", text_of(mail))
    assert found, f"no link in the mail: {text_of(mail)}"
    return found[0]

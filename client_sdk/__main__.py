"""From a terminal: python -m client_sdk register | verify | chat."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from client_sdk.account import NewAccount
from client_sdk.chat import chat
from client_sdk.client import Client
from client_sdk.errors import MatchaError, NotVerified

URL = "http://localhost:8080"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 when it did not work, 2 when it was not understood."""
    given = _parser().parse_args(arguments)
    try:
        asyncio.run(given.run(given))
    except MatchaError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m client_sdk",
        description="Talk to a matcha42 server from a terminal.",
        epilog="The password is asked for, or taken from MATCHA_PASSWORD.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_register(commands)
    _add_verify(commands)
    _add_chat(commands)
    return parser


def _add_register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("register", help="make an account")
    command.add_argument("--url", type=_server, default=URL, help=f"the server (default: {URL})")
    command.add_argument("--login", required=True)
    command.add_argument("--mail", required=True)
    command.add_argument("--first-name", required=True)
    command.add_argument("--last-name", required=True)
    command.add_argument("--photo", type=_picture, help="a JPEG, PNG or WebP of yourself; likes need one")
    command.set_defaults(run=_register)


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("verify", help="confirm the mail address with the link that was mailed")
    command.add_argument("link", type=_link, help="the whole link, in quotes")
    command.add_argument("--url", type=_server, help="the server (default: where the link leads)")
    command.set_defaults(run=_verify)


def _add_chat(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("chat", help="talk with someone; both must want to connect")
    command.add_argument("--url", type=_server, default=URL, help=f"the server (default: {URL})")
    command.add_argument("--login", required=True, help="your login or mail")
    command.add_argument("--with", required=True, dest="other", metavar="LOGIN", help="the other person's login")
    command.set_defaults(run=_chat)


async def _register(given: argparse.Namespace) -> None:
    password = _password(new=True)
    async with Client(given.url) as client:
        photo: NewAccount = {"image": [given.photo]} if given.photo else {}
        await client.account.register(given.login, given.mail, password, given.first_name, given.last_name, **photo)
    print(f"Registered as {given.login}. A link is on its way to {given.mail}; open it, or give it to:")
    print("  python -m client_sdk verify 'LINK'")
    print("(A server that has no way to send mail keeps it as a file in its data folder, in mail/new.)")


async def _verify(given: argparse.Namespace) -> None:
    server, ver_id, login = given.link
    url = given.url or server
    async with Client(url) as client:
        await client.account.verify(ver_id, login)
    elsewhere = "" if url == URL else f" --url {url}"
    print(f"The mail address of {login} is confirmed. To talk with someone:")
    print(f"  python -m client_sdk chat{elsewhere} --login {login} --with LOGIN")


async def _chat(given: argparse.Namespace) -> None:
    password = _password()
    async with Client(given.url) as client:
        try:
            await client.session.login(given.login, password)
        except NotVerified as error:
            raise MatchaError(f"{error.message} Then: python -m client_sdk verify 'LINK'") from None
        await chat(client, given.other)


def _password(*, new: bool = False) -> str:
    """Return the password; a new one that is typed, and so not seen, is typed twice."""
    password = os.environ.get("MATCHA_PASSWORD")
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise MatchaError("Set MATCHA_PASSWORD: there is no terminal to ask for a password.")
    password = getpass.getpass("A new password, of 10 characters or more: " if new else "Password: ")
    if new and password != getpass.getpass("Once more: "):
        raise MatchaError("These are two different passwords.")
    return password


def _server(text: str) -> str:
    """Return the address of a server."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"it does not look like {URL}")
    return text


def _picture(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError("there is no such file")
    return path


def _link(text: str) -> tuple[str, str, str]:
    """Return the server, the id and the login that a mailed link names."""
    parts = urlsplit(text)
    said = parse_qs(parts.fragment)
    if not (parts.netloc and "ver_id" in said and "login" in said):
        raise argparse.ArgumentTypeError("it does not look like http://…/verify#ver_id=…&login=…")
    return f"{parts.scheme}://{parts.netloc}", said["ver_id"][0], said["login"][0]


if __name__ == "__main__":
    sys.exit(main())

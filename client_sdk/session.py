"""Sessions: logging in and out."""

from client_sdk.noun import Noun
from client_sdk.types import LoggedIn, SessionList


class Sessions(Noun):
    """Sessions."""

    async def login(self, login: str, password: str) -> LoggedIn:
        """Sign this client in, by login or mail; on a client that is signed in already, only get another token.

        The session lasts 30 days, or 7 without use. Raises InvalidCredentials, NotVerified, Forbidden (the account is
        closed), RateLimited, Unavailable; OutboxError when the client's outbox is somebody else's.
        """
        answer = await self._once(LoggedIn, "user/login", login=login, password=password)
        if self._client.token is None:
            self._client._sign_in(answer)
        return answer

    async def logout(self, login: str | None = None, password: str | None = None) -> None:
        """End this session and with it this client; with login and password, end all sessions of that account.

        Raises Unauthorized, InvalidCredentials, NotVerified, Forbidden, RateLimited, Unavailable.
        """
        if login is not None:
            await self._client.call("user/logout", login=login, password=password)
            return
        await self._client.call("user/logout")
        self._client._sign_out()

    async def list(self) -> SessionList:
        """Return where one is signed in, newest first, a hundred at most."""
        return await self._again(SessionList, "user/sessions")

    async def end(self, session_id: str) -> None:
        """End one of one's own sessions; its sockets are closed. Raises NotFound."""
        await self._client.call("user/end_session", session_id=session_id)

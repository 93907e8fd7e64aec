"""Logins of people at the dashboard, and tickets for the stream. Kept in memory: after a restart one logs in again.

POST /v1/login ──▶ cookie (HttpOnly, SameSite=Strict) + csrf; every write carries Tapewire-Csrf as well
POST /v1/stream/ticket ──▶ a text for one connection, within ten seconds
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from services.api import authors
from services.api.authors import NS, Author
from services.api.keys import Failures
from services.api.problems import Problem
from tapewire.config import Api
from tapewire.fix.auth import Password, hash_password

COOKIE: Final = "tapewire_session"
TICKET_NS: Final = 10 * NS
MAX_TICKETS: Final = 4096
MAX_LOGINS_AT_ONCE: Final = 16
"""Waiting for a hash; more are told to come again."""


class Login:
    """One login, and all that was opened with it: it ends for both at once."""

    __slots__ = ("author", "csrf", "ended", "until")

    def __init__(self, author: Author, csrf: str, until: int) -> None:
        """`until`: UTC ns."""
        self.author, self.csrf, self.until = author, csrf, until
        self.ended = False
        """Logged out, or one too many."""

    def lasts(self, now: int) -> bool:
        return not self.ended and now < self.until


class Admitted(NamedTuple):
    """Who came with a ticket."""

    author: Author
    login: Login | None
    """It may go on as long as this lasts; None: a key asked for the ticket."""


class Sessions:
    """Tokens are kept as their SHA-256: who reads our memory's dump cannot use them."""

    def __init__(self, api: Api, failures: Failures) -> None:
        """Raises CredentialError."""
        self._users = {user.name: (authors.of_user(user), Password(user.password_hash)) for user in api.users}
        self._nobody = Password(hash_password(secrets.token_urlsafe(16)))
        self._lasts, self._most = int(api.session_timeout * NS), api.max_sessions
        self._failures = failures
        self._logins: OrderedDict[bytes, Login] = OrderedDict()
        self._waiting = 0
        self._pool = ThreadPoolExecutor(1, "api login")

    def __len__(self) -> int:
        return len(self._logins)

    async def log_in(self, user: str, password: str, now: int, address: str) -> tuple[str, Login]:
        """A new session: its token and what it is. Raises Problem (401, 429)."""
        self._failures.check(address, now)
        if self._waiting >= MAX_LOGINS_AT_ONCE:
            raise Problem(429, "too many logins at once", reason="logins", headers={"Retry-After": "2"})
        # Counted before its outcome is known: many at once are no way around the limit.
        self._failures.add(address, now)
        author, credential = self._users.get(user, (None, self._nobody))
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            given = password.encode("utf-8", "surrogatepass")
            holds = await loop.run_in_executor(self._pool, credential.is_of, given)
        finally:
            self._waiting -= 1
        if author is None or not holds:
            raise Problem(401, "no user of this name has this password", reason="login")
        self._failures.forgive(address)
        token, login = secrets.token_urlsafe(32), Login(author, secrets.token_urlsafe(24), now + self._lasts)
        self._logins[_mark(token)] = login
        while len(self._logins) > self._most:
            self._logins.popitem(last=False)[1].ended = True
        return token, login

    def find(self, token: str, now: int) -> Login | None:
        """The session of a cookie, if it still lasts."""
        mark = _mark(token)
        login = self._logins.get(mark)
        if login is not None and not login.lasts(now):
            del self._logins[mark]
            return None
        return login

    def log_out(self, token: str) -> None:
        """Ends the login, its tickets and its streams."""
        login = self._logins.pop(_mark(token), None)
        if login is not None:
            login.ended = True

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Tickets:
    """For the stream: a browser can send no headers with a WebSocket."""

    def __init__(self) -> None:
        self._issued: OrderedDict[bytes, tuple[Admitted, int]] = OrderedDict()

    def issue(self, author: Author, now: int, login: Login | None = None) -> str:
        """A ticket for one connection, which ends with `login`. Bounded: with too many the oldest is worth nothing any
        more."""
        ticket = secrets.token_urlsafe(24)
        self._issued[_mark(ticket)] = (Admitted(author, login), now + TICKET_NS)
        while len(self._issued) > MAX_TICKETS:
            self._issued.popitem(last=False)
        return ticket

    def take(self, ticket: str, now: int) -> Admitted:
        """Whose it is; once, and in time. Raises Problem (401)."""
        admitted, until = self._issued.pop(_mark(ticket), (None, 0))
        if admitted is None or until <= now or (admitted.login is not None and not admitted.login.lasts(now)):
            raise Problem(401, "the ticket is unknown, used, or too old; ask for another", reason="ticket")
        return admitted


def same(given: str, expected: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _mark(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

"""Who asks: an API key, a user with a login, or an account on the bus; what it may do, and how much of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from services.api.problems import Problem
from tapewire.config import ApiKey, ApiUser

BUS_NUMBER: Final = 65_535
"""What orders that came by the bus carry as their session; keys and users have lower ones."""
NS: Final = 10**9


class Bucket:
    """A token bucket: `rate` a second, `burst` at once. Times are UTC ns; a clock set back adds nothing."""

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._left, self._at = float(burst), 0

    def take(self, now: int) -> bool:
        """One more; False: there is none left."""
        passed = now - self._at
        if passed > 0:
            self._left = min(self.burst, self._left + passed * self.rate / NS)
            self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    @property
    def remaining(self) -> int:
        return int(self._left)

    @property
    def reset_s(self) -> int:
        """Seconds until it is full again."""
        return math.ceil((self.burst - self._left) / self.rate)

    @property
    def retry_s(self) -> int:
        """Seconds until there is one."""
        return max(1, math.ceil((1.0 - self._left) / self.rate))


class Author:
    """One of them, for as long as this process lives."""

    __slots__ = ("accounts", "bucket", "is_user", "name", "number", "open", "origins", "scopes", "sees_all")

    def __init__(
        self,
        name: str,
        number: int,
        scopes: Iterable[str],
        accounts: Iterable[int],
        bucket: Bucket,
        *,
        origins: Iterable[str] = (),
        is_user: bool = False,
    ) -> None:
        self.name, self.number = name, number
        """`number`: what orders on the tape carry as their session."""
        self.scopes, self.accounts = frozenset(scopes), frozenset(accounts)
        self.sees_all = not self.scopes.isdisjoint(("risk", "admin"))
        self.origins = frozenset(origins)
        """Pages that may use it; of a user those of the whole API."""
        self.bucket, self.is_user = bucket, is_user
        self.open = 0
        """Requests that are under way."""

    @property
    def visible(self) -> frozenset[int] | None:
        """The accounts it may see; None: every one."""
        return None if self.sees_all else self.accounts

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def sees(self, account: int) -> bool:
        return self.sees_all or account in self.accounts

    def acts_for(self, account: int) -> bool:
        """Whether it may send orders for this account."""
        return "trade" in self.scopes and account in self.accounts

    def charge(self, now: int) -> None:
        """Counts one request. Raises Problem (429) beyond its rate."""
        if not self.bucket.take(now):
            bucket = self.bucket
            raise Problem(
                429,
                f"{self.name} may send {bucket.rate:g} requests a second, {bucket.burst} at once",
                reason="rate",
                headers={"Retry-After": str(bucket.retry_s)},
            )

    def need(self, scope: str) -> None:
        """Raises Problem (403) without this scope."""
        if scope not in self.scopes:
            raise Problem(403, f"{self.name} has not the scope {scope}", reason="scope", limit=scope)

    def need_sight(self, account: int) -> None:
        """Raises Problem (403) for an account that it may not see."""
        if not self.sees(account):
            raise Problem(
                403, f"{self.name} may not see account {account}", field="account", reason="account", value=str(account)
            )

    def need_account(self, account: int) -> None:
        """Raises Problem (403) for an account that it may not trade for."""
        if not self.acts_for(account):
            raise Problem(
                403,
                f"{self.name} may not trade for account {account}",
                field="account",
                reason="account",
                value=str(account),
            )


def of_key(key: ApiKey) -> Author:
    return Author(key.name, key.number, key.scopes, key.accounts, Bucket(key.rate, key.burst), origins=key.origins)


def of_user(user: ApiUser) -> Author:
    return Author(user.name, user.number, user.scopes, user.accounts, Bucket(user.rate, user.burst), is_user=True)


def bus(account: int, rate: float = 1000.0, burst: int = 2000) -> Author:
    """Whoever the bus lets publish for this account."""
    return Author(f"bus:{account}", BUS_NUMBER, ("read", "trade"), (account,), Bucket(rate, burst))

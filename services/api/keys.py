"""Signed requests: whose key it is, that the signature holds, that it is new.

    signed text     Tapewire-Timestamp \\n Tapewire-Nonce \\n METHOD \\n path?query \\n sha256hex(body)
    signature       base64 of HMAC-SHA256 with the shared secret, or of Ed25519 by the client's private key

An unknown key, a bad signature, an old timestamp and a used nonce cost the same time up to the signature. Who fails too
often from one address is told to wait; a good signature from there is still taken, up to CHECKS_A_SECOND: many may
share one address, and one of them must not keep the others out. Nonces of writes are on the API's tape, and so are
known after a restart.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple, Protocol

from services.api import authors
from services.api.authors import NS, Author
from services.api.problems import Problem
from tapewire.config import Api, ApiKey
from tapewire.fix.auth import Ed25519Key, HmacKey, read_secret

MAX_NONCE: Final = 47
"""Bytes of a nonce: it stands on the tape in 48."""
MAX_SIGNATURE: Final = 128
MAX_TIMESTAMP: Final = 16
MAX_SENDERS: Final = 65_536
CHECKS_A_SECOND: Final = 500
"""Signatures that are still looked at from an address that fails too often: about 50 ms of CPU for Ed25519."""
MS: Final = 1_000_000


class Signed(NamedTuple):
    """What a request says of its author. Texts as they stand in its headers, latin-1."""

    key: str
    timestamp: str
    """UTC ms."""
    nonce: str
    """1 to 47 printable ASCII characters, never used twice."""
    signature: str
    method: str
    target: str
    """Path and query, as it was sent."""
    body: bytes


class Credential(Protocol):
    def signed(self, text: str, signature: str) -> bool: ...


def signed_text(timestamp: str, nonce: str, method: str, target: str, body: bytes) -> str:
    """What is signed."""
    return f"{timestamp}\n{nonce}\n{method}\n{target}\n{hashlib.sha256(body).hexdigest()}"


@lru_cache(maxsize=4096)
def sender(address: str) -> str:
    """Who may be behind an address: of IPv6 its first 64 bits, since whoever has one such address has all of them."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped is not None:
        return address
    return str(ip_network((found, 64), strict=False))


class Failures:
    """Failed proofs by sender, so that nobody can go on guessing. Bounded: what failed longest ago is forgotten."""

    def __init__(self, most: int, interval_ns: int) -> None:
        self._most, self._interval = most, interval_ns
        self._by_sender: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._checked: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def check(self, address: str, now: int) -> None:
        """Raises Problem (429) for an address that has to wait."""
        if (problem := self.waits(address, now)) is not None:
            raise problem

    def waits(self, address: str, now: int) -> Problem | None:
        """What an address is told that has to wait (429); None: it has not."""
        found = self._by_sender.get(sender(address))
        if found is None or found[0] < self._most or (left := found[1] + self._interval - now) <= 0:
            return None
        return Problem(
            429,
            f"{found[0]} failed attempts from this address; wait, and check key, secret and clock",
            reason="failures",
            headers={"Retry-After": str(-(-left // NS))},
        )

    def may_check(self, address: str, now: int) -> bool:
        """Whether one more signature from an address that has to wait is looked at, for its neighbours' sake."""
        second, checked = self._checked.pop(sender(address), (0, 0))
        if not 0 <= now - second < NS:
            second, checked = now, 0
        self._checked[sender(address)] = (second, checked + 1)
        while len(self._checked) > MAX_SENDERS:
            self._checked.popitem(last=False)
        return checked < CHECKS_A_SECOND

    def add(self, address: str, now: int) -> None:
        """One more that failed."""
        count, since = self._by_sender.pop(sender(address), (0, now))
        if since + self._interval <= now:
            count, since = 0, now
        self._by_sender[sender(address)] = (count + 1, since)
        while len(self._by_sender) > MAX_SENDERS:
            self._by_sender.popitem(last=False)

    def forgive(self, address: str) -> None:
        """Takes one back."""
        if (found := self._by_sender.get(sender(address))) is not None and found[0] > 0:
            self._by_sender[sender(address)] = (found[0] - 1, found[1])


class Nonces:
    """The nonces of one key that count as used, each until its request would be too old anyway."""

    __slots__ = ("_most", "_until")

    def __init__(self, most: int) -> None:
        self._until: OrderedDict[str, int] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, nonce: str) -> bool:
        return nonce in self._until

    def take(self, nonce: str, until: int, now: int) -> bool:
        """False: there is no room for more. `until`, `now`: UTC ns; `until` is about the same time after each `now`."""
        kept = self._until
        while kept and next(iter(kept.values())) <= now:
            kept.popitem(last=False)
        if len(kept) >= self._most:
            return False
        kept[nonce] = until
        return True


class _Held(NamedTuple):
    author: Author
    credential: Credential
    nonces: Nonces


class Keys:
    """The keys of the configuration."""

    def __init__(self, api: Api, failures: Failures) -> None:
        """Raises CredentialError: a secret that cannot be read, or no public key."""
        self._window = int(api.receive_window * NS)
        self._failures = failures
        self._held = {
            key.name: _Held(authors.of_key(key), _credential(key), Nonces(api.max_nonces)) for key in api.keys
        }
        self._by_number = {one.author.number: one for one in self._held.values()}
        self._nobody = HmacKey(secrets.token_bytes(32))

    def used(self, number: int, nonce: str, at: int, now: int) -> None:
        """A nonce off the tape, used at `at` (UTC ns) by the key of that number."""
        one = self._by_number.get(number)
        if one is not None and (until := at + 2 * self._window) > now:
            one.nonces.take(nonce, until, now)

    @property
    def remembered_ns(self) -> int:
        """How far back a nonce can matter."""
        return 2 * self._window

    @property
    def authors(self) -> Iterable[Author]:
        return [one.author for one in self._held.values()]

    def verify(self, signed: Signed, now: int, address: str) -> Author:
        """Who has signed this, at `now` (UTC ns). Raises Problem (401, 429); its nonce is used up otherwise."""
        wait = self._failures.waits(address, now)
        if wait is not None and not self._failures.may_check(address, now):
            raise wait
        held = self._held.get(signed.key)
        credential = self._nobody if held is None else held.credential
        text = signed_text(signed.timestamp, signed.nonce, signed.method, signed.target, signed.body)
        holds = len(signed.signature) <= MAX_SIGNATURE and credential.signed(text, signed.signature)
        if held is None or not holds:
            self._failures.add(address, now)
            raise wait or _unproven("the key is unknown, or the signature is not that of this request", "signature")
        self._check_time(signed.timestamp, now)
        nonce = signed.nonce
        if not 0 < len(nonce) <= MAX_NONCE or not nonce.isascii() or not nonce.isprintable():
            raise _unproven(f"expected 1 to {MAX_NONCE} printable ASCII characters", "nonce", "Tapewire-Nonce")
        if nonce in held.nonces:
            self._failures.add(address, now)
            raise _unproven("this nonce was used before", "replay", "Tapewire-Nonce")
        if not held.nonces.take(nonce, now + 2 * self._window, now):
            raise Problem(
                429,
                f"no more nonces of {held.author.name} can be remembered; slow down",
                reason="nonces",
                headers={"Retry-After": str(-(-self._window // NS))},
            )
        return held.author

    def _check_time(self, timestamp: str, now: int) -> None:
        field = "Tapewire-Timestamp"
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > MAX_TIMESTAMP:
            raise _unproven("expected UTC milliseconds as digits", "timestamp", field)
        off = now - int(timestamp) * MS
        if abs(off) > self._window:
            raise _unproven(
                f"it is {abs(off) // MS} ms {'behind' if off > 0 else 'ahead of'} our clock; expected at most "
                f"{self._window // MS}",
                "timestamp",
                field,
            )


def _unproven(detail: str, reason: str, field: str = "") -> Problem:
    return Problem(401, detail, reason=reason, field=field, headers={"WWW-Authenticate": "Tapewire"})


def _credential(key: ApiKey) -> Credential:
    return HmacKey(read_secret(key.secret_file)) if key.auth == "hmac" else Ed25519Key(key.public_key)

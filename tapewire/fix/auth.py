"""Logon secrets: passwords (scrypt), API keys (HMAC-SHA256, Ed25519), the receive window, and what was seen before.

A credential never shows itself: not in repr, not in an error, not in a log. `redacted` and `for_the_backend` take
secrets out of messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

from tapewire.errors import CredentialError
from tapewire.fix.message import SOH, Message, build

SCRYPT_N: Final = 1 << 14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
SALT_BYTES: Final = 16
SECRET_BYTES: Final = 32
MAX_SECRET_FILE: Final = 4096
MAX_PASSWORD: Final = 256
SECRET_TAGS: Final = frozenset({96, 554, 925})
DEFAULT_WINDOW_MS: Final = 5_000
MAX_WINDOW_MS: Final = 60_000
MS: Final = 1_000_000


class Credential(Protocol):
    """What a session must prove. `slow`: `proves` takes tens of milliseconds of CPU and belongs into a thread."""

    slow: bool

    def proves(self, logon: Message) -> bool: ...


class Password:
    """A scrypt hash: `scrypt$<n>$<r>$<p>$<salt>$<hash>`, the last two in base64."""

    slow = True

    def __init__(self, hashed: str) -> None:
        try:
            name, n, r, p, salt, digest = hashed.split("$")
            self._n, self._r, self._p = int(n), int(r), int(p)
            self._salt, self._digest = _base64(salt), _base64(digest)
            fits = name == "scrypt" and self._n & (self._n - 1) == 0 and 1 << 14 <= self._n <= 1 << 17
            fits = fits and self._r == SCRYPT_R and 1 <= self._p <= 4 and len(self._salt) >= SALT_BYTES
            fits = fits and len(self._digest) == SECRET_BYTES
        except ValueError:
            fits = False
        if not fits:
            raise CredentialError(
                "password_hash: expected scrypt$16384$8$1$<salt>$<hash>, as `tapewire fix key` prints it"
            )

    def proves(self, logon: Message) -> bool:
        return self.is_of(logon.get(554).encode("latin-1"))

    def is_of(self, given: bytes) -> bool:
        """Whether this is the password."""
        # Bounded before any work is done for it; an empty one is hashed as well, so that both take the same time.
        return hmac.compare_digest(
            _scrypt(given[:MAX_PASSWORD], self._salt, self._n, self._r, self._p), self._digest
        ) and 0 < len(given) <= MAX_PASSWORD  # fmt: skip


class HmacKey:
    """A secret both sides share."""

    slow = False

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SALT_BYTES:
            raise CredentialError(f"an HMAC secret of {len(secret)} bytes; expected {SALT_BYTES} or more")
        self._keyed = hmac.new(secret, digestmod="sha256")
        """To be copied: the key is worked in once, not for every text."""

    def proves(self, logon: Message) -> bool:
        return self.signed(signed_text(logon), logon.get(96))

    def signed(self, text: str, signature: str) -> bool:
        """Whether `signature` is that of `text`, both latin-1; in constant time."""
        keyed = self._keyed.copy()
        keyed.update(text.encode("latin-1"))
        return hmac.compare_digest(base64.b64encode(keyed.digest()), signature.encode("latin-1"))


class Ed25519Key:
    """The client's public key, 32 bytes in base64; nothing secret is kept here."""

    slow = False

    def __init__(self, public: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            self._public = Ed25519PublicKey.from_public_bytes(_base64(public))
        except ValueError:
            raise CredentialError("public_key: expected base64 of the 32 bytes of an Ed25519 public key") from None

    def proves(self, logon: Message) -> bool:
        return self.signed(signed_text(logon), logon.get(96))

    def signed(self, text: str, signature: str) -> bool:
        """Whether `signature` is that of `text`, both latin-1."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._public.verify(_base64(signature), text.encode("latin-1"))
        except (InvalidSignature, ValueError):
            return False
        return True


def signed_text(logon: Message) -> str:
    """What is signed: 52, 35, 34, 49 and 56, joined by SOH. A field that is missing counts as empty."""
    return SOH.join(logon.get(tag) for tag in (52, 35, 34, 49, 56))


def hmac_signature(secret: bytes, text: str) -> str:
    """Base64 of HMAC-SHA256."""
    return base64.b64encode(hmac.digest(secret, text.encode("latin-1"), "sha256")).decode()


def ed25519_signature(private: bytes, text: str) -> str:
    """Base64 of the signature by a private key of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(private).sign(text.encode("latin-1"))).decode()


def hash_password(password: str, salt: bytes | None = None) -> str:
    """What the configuration keeps of a password. CredentialError: empty, or longer than 256 bytes."""
    data = password.encode()
    if not 0 < len(data) <= MAX_PASSWORD:
        raise CredentialError(f"a password of {len(data)} bytes; expected 1 to {MAX_PASSWORD}")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    digest = _scrypt(data, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    texts = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join(("scrypt", str(SCRYPT_N), str(SCRYPT_R), str(SCRYPT_P), *texts))


def new_ed25519() -> tuple[bytes, str]:
    """A private key of 32 bytes, and its public key in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate().private_bytes_raw()
    return private, public_ed25519(private)


def public_ed25519(private: bytes) -> str:
    """The public key of a private one, in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()).decode()


def read_secret(path: Path) -> bytes:
    """The base64 secret in a file that only its owner, this process's user, can read. CredentialError otherwise."""
    try:
        return _base64(read_private(path))
    except ValueError:
        raise CredentialError(f"{path}: expected one line of base64") from None


def read_private(path: Path, most: int = MAX_SECRET_FILE) -> str:
    """The text of such a file, at most so many bytes. CredentialError: it cannot be read, or others can, too."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        why = f"{path}: the secret cannot be read: {error.strerror}; expected a file of mode 0600 there"
        raise CredentialError(why) from None
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise CredentialError(
                f"{path}: holds a secret, so it must be a file of the user that runs this ({os.geteuid()}) with mode "
                f"0600; it is of {status.st_uid} with mode {stat.S_IMODE(status.st_mode):04o}. Use chown, chmod 600"
            )
        data = file.read(most + 1)
    if len(data) > most:
        raise CredentialError(f"{path}: longer than the {most} bytes that a secret may have here")
    return data.decode("latin-1").strip()


def write_secret(path: Path, secret: bytes) -> None:
    """A new file of mode 0600. CredentialError: it is there already, or cannot be made."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(base64.b64encode(secret) + b"\n")
    except OSError as error:
        raise CredentialError(f"{path}: the secret cannot be written: {error.strerror}") from None


def make_front_token(path: Path) -> str:
    """A new token by which the front shows the gateway that a Logon has passed it; made by the gateway as it starts."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    write_secret(part, secrets.token_bytes(SECRET_BYTES))
    part.replace(path)
    return front_token(path)


def front_token(path: Path) -> str:
    """The token as it stands in 96. CredentialError: the gateway has not started yet, or the file is not safe."""
    return base64.b64encode(read_secret(path)).decode()


def is_front(token: str, given: str) -> bool:
    """Whether 96 of a Logon is the front's token, in constant time."""
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "surrogateescape"))


def for_the_backend(logon: Message, token: str) -> bytes:
    """The Logon that the session layer gets: no secret of the client, but the front's token in 95 and 96."""
    fields = [pair for pair in logon.pairs() if pair[0] not in (8, 9, 10, 95) and pair[0] not in SECRET_TAGS]
    return build(logon[8], [*fields, (95, len(token)), (96, token)])


def redacted(raw: bytes) -> str:
    """A message for a log: `|` for SOH, secrets as `***`. Works on anything that begins like one, garbled or not."""
    parts = raw.decode("latin-1").split(SOH)
    hidden = {str(tag) for tag in SECRET_TAGS}
    return "|".join(f"{part.partition('=')[0]}=***" if part.partition("=")[0] in hidden else part for part in parts)


class Replays:
    """Logons that were accepted, until their window is over, so that a recorded one is worth nothing. Bounded: when it
    is full, nobody new is let in until the oldest has gone."""

    def __init__(self, most: int = 65_536) -> None:
        self._until: OrderedDict[str, int] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._until)

    def take(self, logon: Message, now: int) -> bool:
        """False: this Logon was accepted before, or there is no room. `now`: UTC ns, as of the window's check."""
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        name = hashlib.sha256(signed_text(logon).encode("latin-1")).hexdigest()
        if name in self._until or len(self._until) >= self._most:
            return False
        # SendingTime may lie a window ahead of us, and hold for a window behind: twice the largest covers all.
        until = now + 2 * MAX_WINDOW_MS * MS
        self._keep(name, until)
        self._until[name] = until
        return True

    def _keep(self, name: str, until: int) -> None:
        """Before it counts as accepted."""


class KeptReplays(Replays):
    """The same, in a file besides: a Logon is worth nothing after a restart either. One line each, the SHA-256 of what
    was signed and until when (UTC ns) it is kept. Not forced to the disk: a machine takes longer than the window to
    come back."""

    def __init__(self, path: Path, now: int, most: int = 65_536) -> None:
        """`now`: UTC ns. Raises OSError."""
        super().__init__(most)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._lines = path, 0
        if path.exists():
            for line in path.read_text("ascii", "replace").splitlines():
                name, _, until = line.partition(" ")
                if until.isdecimal() and int(until) > now:  # the last line may be torn; it was not accepted then
                    self._until[name] = int(until)
        self._file = self._rewritten()

    def close(self) -> None:
        os.close(self._file)

    def _keep(self, name: str, until: int) -> None:
        if self._lines > 2 * self._most:
            self.close()
            self._file = self._rewritten()
        os.write(self._file, f"{name} {until}\n".encode())
        self._lines += 1

    def _rewritten(self) -> int:
        """A file of what still counts, in place of the one that is there; open for more."""
        part = self._path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write("".join(f"{name} {until}\n" for name, until in self._until.items()).encode())
        part.replace(self._path)
        self._lines = len(self._until)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=SECRET_BYTES)


def _base64(text: str) -> bytes:
    """ValueError: not base64, with its padding."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None

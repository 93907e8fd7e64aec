"""A blocking connection to NATS, for one thread that asks and waits, or waits and answers.

Between an ask and its answer nothing else is to be done, so an event loop would only add its turns: a round trip takes
a fifth of what nats-py's request takes (bench/split.py). It reconnects when its owner says so, and keeps nothing
meanwhile: who asks repeats, who answers is asked again. TLS, nkeys and tokens are those of every other connection
(nats_access).
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import nkeys

from tapewire.config.sections import Nats
from tapewire.errors import TransportError
from tapewire.transports import nats_access
from tapewire.transports.nats import without_secret

READ_BYTES = 1 << 18
MAX_LINE = 1 << 16  # of a control line: INFO is the longest
DEFAULT_PORT = 4222
MAX_BUFFER = 64 << 20


class Message(NamedTuple):
    """A message as it came."""

    subject: str
    reply: str
    data: bytes


class NatsLine:
    """One connection. Every method raises TransportError when the bus is away; `connect` anew then."""

    def __init__(self, settings: Nats, name: str) -> None:
        """Raises TransportError for a key or certificate that cannot be read: no bus that is away and comes back."""
        nats_access.check(settings, name)
        self._settings, self._name = settings, name
        self.inbox = nats_access.inbox(settings.user or name)
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._subscribed: list[str] = []
        self.max_payload = 0
        """Bytes, as the server says; 0 before the first connection."""

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def subscribe(self, pattern: str) -> None:
        """From now on, and after every connection to come."""
        self._subscribed.append(pattern)
        if self._socket is not None:
            self._send(b"SUB %b %d\r\n" % (pattern.encode(), len(self._subscribed)))

    def connect(self) -> None:
        """Returns once the server has taken who we are and what we subscribe to."""
        self.close()
        url = urlsplit(self._settings.url)
        limit = self._settings.connect_timeout
        try:
            plain = socket.create_connection((url.hostname or "127.0.0.1", url.port or DEFAULT_PORT), limit)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket, self._buffer = plain, bytearray()
            info = json.loads(self._line(limit).removeprefix(b"INFO "))
            access = nats_access.options(self._settings, self._name)
            if (context := access.get("tls")) is not None:
                self._socket = context.wrap_socket(plain, server_hostname=url.hostname)
            elif info.get("tls_required"):
                raise TransportError(f"{self._where()} wants TLS: set nats.ca, or a URL that begins with tls://")
            self.max_payload = int(info["max_payload"])
            hello = self._hello(info.get("nonce", ""), access, url.username, url.password)
            subscriptions = [b"SUB %b %d\r\n" % (one.encode(), i) for i, one in enumerate(self._subscribed, 1)]
            self._send(b"CONNECT %b\r\n%bPING\r\n" % (json.dumps(hello).encode(), b"".join(subscriptions)))
            while (line := self._line(limit)) != b"PONG":
                self._control(line)
        except (OSError, ssl.SSLError, ValueError, KeyError) as error:
            self.close()
            raise TransportError(
                f"cannot reach a NATS server at {self._where()}: {error or type(error).__name__}"
            ) from None
        except TransportError:
            self.close()
            raise

    def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        to = f"{subject} {reply}" if reply else subject
        if len(data) > self.max_payload:
            raise TransportError(
                f"{subject}: {len(data)} bytes; the server's max_payload is {self.max_payload}: raise it"
            )
        self._send(b"PUB %b %d\r\n%b\r\n" % (to.encode(), len(data), data))

    def receive(self, seconds: float) -> Message | None:
        """The next message; None if there is none within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._line(deadline - time.monotonic())
            except TimeoutError:
                return None
            if not line.startswith(b"MSG "):
                self._control(line)
                continue
            words = line.decode().split(" ")
            size = int(words[-1])
            # What has begun to come comes whole, or the connection is no good.
            self._fill(size + 2, max(self._settings.connect_timeout, deadline - time.monotonic()))
            data = bytes(memoryview(self._buffer)[:size])
            del self._buffer[: size + 2]
            return Message(words[1], words[3] if len(words) == 5 else "", data)

    def tend(self) -> None:
        """Answers the server's PING, while nobody waits here. What came for nobody is let go."""
        while self._socket is not None and self.receive(0.0) is not None:
            pass

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _control(self, line: bytes) -> None:
        if line == b"PING":
            self._send(b"PONG\r\n")
        elif line.startswith(b"-ERR"):
            raise self._broken(line[4:].decode(errors="replace").strip(" '"))
        elif not line.startswith((b"PONG", b"INFO", b"+OK")):
            raise self._broken(f"it sent {line[:40]!r}, which is no message")

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            raise TransportError(f"no connection to {self._where()}")
        try:
            self._socket.settimeout(self._settings.connect_timeout)
            self._socket.sendall(data)
        except OSError as error:
            raise self._broken(str(error)) from None

    def _line(self, seconds: float) -> bytes:
        """The next control line. Raises TimeoutError if it does not come whole."""
        deadline = time.monotonic() + seconds
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise self._broken(f"a line of more than {MAX_LINE} bytes")
            self._read(deadline - time.monotonic())
        line = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 2]
        return line

    def _fill(self, size: int, seconds: float) -> None:
        if size > MAX_BUFFER:
            raise self._broken(f"a message of {size} bytes")
        deadline = time.monotonic() + seconds
        try:
            while len(self._buffer) < size:
                self._read(deadline - time.monotonic())
        except TimeoutError:
            raise self._broken("the rest of a message did not come") from None

    def _read(self, seconds: float) -> None:
        if self._socket is None:
            raise TransportError(f"no connection to {self._where()}")
        try:
            self._socket.settimeout(max(seconds, 0.0))
            got = self._socket.recv(READ_BYTES)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        except OSError as error:
            raise self._broken(str(error)) from None
        if not got:
            raise self._broken("the server closed it")
        self._buffer += got

    def _broken(self, why: str) -> TransportError:
        self.close()
        return TransportError(f"connection to {self._where()}: {why}")

    def _where(self) -> str:
        return without_secret(self._settings.url)

    def _hello(self, nonce: str, access: dict[str, Any], user: str | None, password: str | None) -> dict[str, Any]:
        said: dict[str, Any] = {
            "verbose": False,
            "pedantic": False,
            "name": self._name,
            "lang": "python",
            "protocol": 1,
        }
        seed: str | None = access.get("nkeys_seed_str")
        if (creds := access.get("user_credentials")) is not None:
            blocks = [line for line in str(creds).splitlines() if line and not line.startswith(("-", "*"))]
            said["jwt"], seed = blocks[0].strip(), _seed(blocks)
        if seed is not None:
            pair = nkeys.from_seed(bytearray(seed.strip().encode()))
            said["sig"] = base64.b64encode(pair.sign(nonce.encode())).decode()
            if "jwt" not in said:
                said["nkey"] = pair.public_key.decode()
        elif user is not None and password is not None:
            said["user"], said["pass"] = user, password
        elif user is not None:
            said["auth_token"] = user
        return said


def _seed(lines: list[str]) -> str:
    """Of the file of a token: its line that begins as a seed of a user does."""
    return next(line.strip() for line in lines if line.startswith("SU"))

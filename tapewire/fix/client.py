"""A FIX client over a blocking socket, independent of any engine: for certification, tests and small tools.

It keeps both numbers, answers TestRequest and ResendRequest, asks for what is missing, hands messages over in order.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tapewire.errors import FixError
from tapewire.fix.auth import ed25519_signature, hmac_signature
from tapewire.fix.framing import Framer
from tapewire.fix.message import SOH, Message, Reason, build, fields_of
from tapewire.fix.timestamps import Stamp

MAX_MESSAGE: Final = 1 << 20
READ_BYTES: Final = 1 << 16
SEND_TIMEOUT_S: Final = 10.0
MOST_KEPT: Final = 100_000  # messages of the transcript

Fields = Iterable[tuple[int, object]]


class Disconnected(FixError):
    """The other side closed the connection."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 0, Reason.OTHER)


@dataclass(frozen=True, slots=True)
class Login:
    """Who a client is and how it proves it."""

    sender: str
    target: str
    username: str
    auth: Literal["password", "hmac", "ed25519", "none"]
    secret: bytes = field(repr=False)
    """The password, the HMAC secret, or the private key; empty for none."""
    begin: str = "FIX.4.4"

    def proof(self, sent: str, seq: int) -> list[tuple[int, object]]:
        """The fields of a Logon that prove it, for its 52 and 34."""
        if self.auth == "none":
            return []
        if self.auth == "password":
            return [(553, self.username), (554, self.secret.decode())]
        text = SOH.join((sent, "A", str(seq), self.sender, self.target))
        sign = hmac_signature if self.auth == "hmac" else ed25519_signature
        signature = sign(self.secret, text)
        return [(553, self.username), (95, len(signature)), (96, signature)]

    def logon(self, seq: int, now: int, heartbeat: int = 30, extra: Fields = ()) -> bytes:
        """A Logon. `now`: UTC ns."""
        sent = Stamp().millis(now)
        version: Fields = [(1137, "9")] if self.begin == "FIXT.1.1" else []
        head = [(35, "A"), (34, seq), (49, self.sender), (52, sent), (56, self.target), (98, 0), (108, heartbeat)]
        return build(self.begin, [*head, *extra, *version, *self.proof(sent, seq)])


class Sent(NamedTuple):
    """One line of a transcript."""

    outgoing: bool
    raw: bytes


class FixClient:
    """One connection at a time; the numbers outlive it. `transcript` has every message of both directions."""

    def __init__(
        self,
        host: str,
        port: int,
        login: Login,
        tls: ssl.SSLContext | None = None,
        source: str = "",
        heartbeat: int = 30,
        timeout: float = 5.0,
    ) -> None:
        """`source`: the local address to come from. `heartbeat`: seconds, HeartBtInt. `timeout`: seconds that each
        answer is waited for where a call does not say otherwise."""
        self.host, self.port, self.login, self.tls, self.source = host, port, login, tls, source
        self.heartbeat, self.timeout = heartbeat, timeout
        self.next_out = 1
        self.next_in = 1
        self.transcript: list[Sent] = []
        self.resend_requests = 0
        """How often we had to ask for missing messages."""
        self._socket: socket.socket | None = None
        self._framer = Framer(MAX_MESSAGE)
        self._ready: list[Message] = []
        self._ahead: dict[int, Message] = {}
        self._stamp = Stamp()
        self._spoke = 0.0
        self._asked_from = 0

    # -- connection

    @property
    def connected(self) -> bool:
        """Whether there is a connection that nobody has closed as far as we know."""
        return self._socket is not None

    def connect(self, timeout: float | None = None) -> None:
        """Raises OSError."""
        self.close()
        origin = (self.source, 0) if self.source else None
        plain = socket.create_connection((self.host, self.port), timeout or self.timeout, origin)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = self.tls.wrap_socket(plain, server_hostname=self.host) if self.tls else plain
        self._framer = Framer(MAX_MESSAGE)
        self._ready.clear()
        self._ahead.clear()
        self._asked_from = 0

    def close(self) -> None:
        """Ends the connection without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def logon(self, extra: Fields = (), *, reset: bool = False, timeout: float | None = None) -> Message:
        """Connects if needed and logs on; the answer, Logon or Logout. Raises Disconnected, TimeoutError."""
        if self._socket is None:
            self.connect(timeout)
        if reset:
            self.next_out = self.next_in = 1
            extra = [(141, "Y"), *extra]
        self.send_raw(self.login.logon(self.next_out, time.time_ns(), self.heartbeat, extra))
        self.next_out += 1
        answer = self.expect("A", "5", timeout=timeout)
        if answer.type == "A" and answer.get(141) == "Y" and not reset:
            self.next_out, self.next_in = 2, 2
        return answer

    def logout(self, text: str = "", timeout: float | None = None) -> Message:
        """Says goodbye and waits for the answer."""
        self.send("5", [(58, text)] if text else [])
        answer = self.expect("5", timeout=timeout)
        self.close()
        return answer

    # -- sending

    def send(self, kind: str, fields: Fields = (), *, seq: int | None = None, head: Fields = ()) -> int:
        """Sends a message and returns its number. `seq`: another one than is due, which stays due. `head`: more fields
        of the header, such as 43 and 122."""
        number = self.next_out if seq is None else seq
        self.send_raw(self.message(kind, fields, number, head))
        if seq is None:
            self.next_out += 1
        return number

    def message(self, kind: str, fields: Fields, seq: int, head: Fields = ()) -> bytes:
        """The bytes of a message of ours, sent now."""
        given = list(head)
        times = [] if any(tag == 52 for tag, _ in given) else [(52, self._stamp.millis(time.time_ns()))]
        first = [(35, kind), (34, seq), (49, self.login.sender), *times, (56, self.login.target)]
        return build(self.login.begin, [*first, *given, *fields])

    def send_raw(self, raw: bytes) -> None:
        """Any bytes, right or wrong."""
        if self._socket is None:
            raise Disconnected("not connected")
        self._keep(Sent(True, raw))
        self._spoke = time.monotonic()
        try:
            self._socket.settimeout(SEND_TIMEOUT_S)
            self._socket.sendall(raw)
        except (ConnectionError, ssl.SSLError) as error:
            raise Disconnected(f"the connection broke while sending: {error}") from None

    # -- receiving

    def expect(self, *kinds: str, timeout: float | None = None, where: Fields = ()) -> Message:
        """The next message of one of these types with these values; others are passed over, but stay in the transcript.

        Raises TimeoutError saying what came instead, Disconnected, or FixError if the numbers break.
        """
        wanted = [(tag, str(value)) for tag, value in where]
        passed, timeout = [], timeout or self.timeout
        for message in self.messages(timeout):
            if message.type in kinds and all(message.get(tag) == value for tag, value in wanted):
                return message
            passed.append(message.type)
        values = "".join(f" with {tag}={value}" for tag, value in wanted)
        raise TimeoutError(f"no {' or '.join(kinds)}{values} within {timeout:g} s; there came {passed or 'nothing'}")

    def messages(self, timeout: float) -> Iterator[Message]:
        """Messages in the order of their numbers, as they come within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            while self._ready:
                yield self._ready.pop(0)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for raw in self._read(left):
                self._keep(Sent(False, raw))
                self._take(fields_of(raw))

    def is_closed(self, timeout: float) -> bool:
        """Whether the other side ends the connection within `timeout` seconds."""
        try:
            for _ in self.messages(timeout):
                pass
        except Disconnected:
            return True
        return False

    def _read(self, timeout: float) -> Sequence[bytes]:
        if self._socket is None:
            raise Disconnected("not connected")
        self._beat()
        self._socket.settimeout(max(min(timeout, self.heartbeat / 4), 0.001))
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return ()
        except (ConnectionError, ssl.SSLError) as error:
            self.close()
            raise Disconnected(f"the connection broke: {error}") from None
        if not data:
            self.close()
            raise Disconnected("the other side closed the connection")
        return self._framer.feed(data)

    def _beat(self) -> None:
        if self.next_out > 1 and time.monotonic() - self._spoke >= self.heartbeat:
            self.send("0")

    def _take(self, message: Message) -> None:
        """Puts a message in its place by its number, and answers what a session must answer."""
        seq = message.seq
        if message.type == "4" and message.get(123) != "Y":
            self.next_in = message.integer(36)
        elif message.get(141) == "Y" and message.type == "A":
            self.next_in = 2
        elif seq > self.next_in:
            if message.type not in ("A", "5"):
                self._ahead[seq] = message
            else:
                self._ready.append(message)
            if message.type == "2":
                self._resend(message)
            if self._asked_from != self.next_in and message.type != "5":
                self._asked_from = self.next_in
                self.resend_requests += 1
                self.send("2", [(7, self.next_in), (16, 0)])
            return
        elif seq < self.next_in:
            if message.get(43) != "Y" and message.type != "5":
                raise FixError(f"MsgSeqNum {seq} without PossDupFlag; expected {self.next_in}", 34, Reason.OTHER)
            if message.type == "5":
                self._ready.append(message)
            return
        else:
            self.next_in = message.integer(36) if message.type == "4" else seq + 1
        self._answer(message)
        self._ready.append(message)
        if (following := self._ahead.pop(self.next_in, None)) is not None:
            self._take(following)
        for old in [number for number in self._ahead if number < self.next_in]:
            del self._ahead[old]

    def _answer(self, message: Message) -> None:
        if message.type == "1":
            self.send("0", [(112, message[112])])
        elif message.type == "2":
            self._resend(message)

    def _resend(self, request: Message) -> None:
        """Requests of a client are never sent again: what they asked for has aged. One gap fill covers them."""
        begin = request.integer(7)
        if begin < self.next_out:
            sent = self._stamp.millis(time.time_ns())
            head = [(43, "Y"), (122, sent), (52, sent)]
            self.send("4", [(123, "Y"), (36, self.next_out)], seq=begin, head=head)

    def _keep(self, line: Sent) -> None:
        if len(self.transcript) < MOST_KEPT:
            self.transcript.append(line)

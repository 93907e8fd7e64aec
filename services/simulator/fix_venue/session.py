"""The server's side of one FIX session: numbers, heartbeats, resends. Without sockets; time is an argument.

    message ──▶ received() ──▶ requests, in order of their numbers
                  │
    send() ───────┴──▶ out: bytes, or Close                         what was sent stays, by its number, for resends

               attach            Logon accepted              Logout, Close
    away ──────────────▶ waiting ──────────────▶ on ───────────────────────▶ away

Numbers and what was sent outlive a connection, and end with the process. A venue that begins anew at each logon
(`restarts`) keeps nothing: what it would have told while nobody was there is never told by the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tapewire.errors import FixError
from tapewire.fix.message import Message, Reason, frame, printable
from tapewire.fix.timestamps import Stamp

SECOND_NS: Final = 10**9
MAX_AHEAD: Final = 10_000  # messages that wait for one that is missing
MAX_KEPT: Final = 1_000_000  # messages kept for resends
ADMIN: Final = frozenset("A012345")
LOGOUT_WAIT_NS: Final = 2 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Rules:
    """What venues do differently in the session layer."""

    begin: str = "FIX.4.4"
    resends: bool = True
    """Whether messages are sent again when asked for; else a gap ends the session."""
    restarts: bool = False
    """Both numbers begin at 1 at each logon, asked for or not."""
    heartbeat: tuple[int, int] = (1, 300)
    """Smallest and largest HeartBtInt (108), seconds; what is outside is refused."""
    caps_heartbeat: bool = False
    """Whether more than the largest counts as the largest instead."""
    micros: bool = False
    """Whether times are sent with six places in place of three."""
    says_reset: bool = True
    """Whether the Logon that answers one with ResetSeqNumFlag (141) has it, too."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends. `abort`: without letting what was sent before arrive."""

    abort: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What went out under a number."""

    kind: str
    body: str
    ts: int


class Session:
    """One counterparty's session. `ours` and `theirs`: CompIDs."""

    def __init__(self, rules: Rules, ours: str, theirs: str) -> None:
        self.rules, self.ours, self.theirs = rules, ours, theirs
        self.next_in = self.next_out = 1
        self.sent: dict[int, Sent] = {}
        """Application messages that may be asked for again."""
        self.out: list[bytes | Close] = []
        self.on = False
        self.heartbeat_ns = 30 * SECOND_NS
        self._ahead: dict[int, Message] = {}
        self._asked_until = 0
        self._heard = self._spoke = 0
        self._tested = False
        self._leaving = 0
        self._stamp = Stamp()

    # -- beginning and end

    def log_on(self, logon: Message, now: int, answer: str = "") -> list[Message]:
        """Takes an accepted Logon and answers it; `answer`: further fields, each with its SOH. What it gives is what
        `received` gives. Refuses by itself what only numbers and 108 can tell."""
        lowest, highest = self.rules.heartbeat
        seconds = logon.integer(108)
        if self.rules.caps_heartbeat:
            seconds = min(seconds, highest)
        if not lowest <= seconds <= highest:
            self.refuse(f"HeartBtInt (108) is {seconds}; expected {lowest} to {highest}", now)
            return []
        reset = self.rules.restarts or logon.get(141) == "Y"
        if reset:
            self.next_in = self.next_out = 1
            self.sent.clear()
        self.heartbeat_ns = seconds * SECOND_NS
        self._heard = self._spoke = now
        self._tested, self._leaving, self._asked_until = False, 0, 0
        self._ahead.clear()
        if logon.seq < self.next_in:
            self.refuse(f"MsgSeqNum too low, expecting {self.next_in} but received {logon.seq}", now)
            return []
        self.on = True
        flag = "141=Y\x01" if logon.get(141) == "Y" and self.rules.says_reset else ""
        self.send("A", f"98=0\x01108={seconds}\x01{flag}{answer}", now)
        return self._in_order(logon, now)

    def refuse(self, text: str, now: int) -> None:
        """Ends a connection whose Logon is not accepted."""
        self.send("5", f"58={printable(text)}\x01", now)
        self.close()

    def log_out(self, text: str, now: int) -> None:
        """Says goodbye; the connection ends when the client has answered, or some seconds later."""
        if self.on and not self._leaving:
            self.send("5", f"58={printable(text)}\x01", now)
            self._leaving = now + LOGOUT_WAIT_NS

    def close(self, abort: bool = False) -> None:
        self.on = False
        self.out.append(Close(abort))

    def lost(self) -> None:
        """The connection is gone."""
        self.on = False
        self.out.clear()
        self._ahead.clear()

    # -- what comes

    def received(self, message: Message, now: int) -> list[Message]:
        """Takes a message of a session that is on; returns the application messages whose turn has come."""
        self._heard, self._tested = now, False
        if (wrong := self._identity(message)) is not None:
            self.reject(message, wrong[0], wrong[1], wrong[2], now)
            self.log_out(wrong[2], now)
            return []
        return self._in_order(message, now)

    def _identity(self, message: Message) -> tuple[int, int, str] | None:
        """Tag, 373 and text of what is wrong with the header, if anything is."""
        if message.get(8) != self.rules.begin:
            return 8, Reason.OTHER, f"BeginString is {message.get(8)}; expected {self.rules.begin}"
        if message.get(49) != self.theirs or message.get(56) != self.ours:
            return 49, Reason.COMP_ID_PROBLEM, "CompID problem"
        if 34 not in message or 52 not in message:
            return 34 if 34 not in message else 52, Reason.REQUIRED_TAG_MISSING, "Required tag missing"
        return None

    def _in_order(self, message: Message, now: int) -> list[Message]:
        seq = message.seq
        if message.type == "4" and message.get(123) != "Y":
            self._reset_to(message, now)
            return []
        if seq > self.next_in:
            return self._too_high(message, now)
        if seq < self.next_in:
            if message.get(43) != "Y":
                self.log_out(f"MsgSeqNum too low, expecting {self.next_in} but received {seq}", now)
                self.close()
            return []
        ready: list[Message] = []
        current: Message | None = message
        while current is not None:
            self.next_in += 1
            if self._admin(current, now):
                ready.append(current)
            current = self._ahead.pop(self.next_in, None)
        return ready

    def _too_high(self, message: Message, now: int) -> list[Message]:
        if not self.rules.resends:
            text = f"MsgSeqNum is {message.seq}; expected {self.next_in}"
            self.reject(message, 34, Reason.VALUE_OUT_OF_RANGE, text, now)
            self.log_out(text, now)
            return []
        if message.type == "2":
            self._resend(message, now)  # at once, or both sides wait for each other
        elif message.type == "5":
            self._logout(now)
            return []
        elif message.type != "A" and len(self._ahead) < MAX_AHEAD:
            self._ahead[message.seq] = message
        if self.next_in >= self._asked_until:
            self._asked_until = message.seq
            self.send("2", f"7={self.next_in}\x0116=0\x01", now)
        return []

    def _admin(self, message: Message, now: int) -> bool:
        """Acts on a session message whose turn it is; True if it is none."""
        kind = message.type
        if kind not in ADMIN:
            return True
        if kind == "1":
            self.send("0", f"112={message.get(112)}\x01" if 112 in message else "", now)
        elif kind == "2":
            self._resend(message, now)
        elif kind == "4":
            self.next_in = max(self.next_in, message.integer(36))
        elif kind == "5":
            self._logout(now)
        return False

    def _logout(self, now: int) -> None:
        if not self._leaving:
            self.send("5", "", now)
        self.close()

    def _reset_to(self, message: Message, now: int) -> None:
        """SequenceReset without GapFill: whatever its own number is."""
        if (new := message.integer(36)) < self.next_in:
            self.reject(message, 36, Reason.VALUE_OUT_OF_RANGE, f"NewSeqNo {new} is below {self.next_in}", now)
        else:
            self.next_in = new

    # -- what goes

    def send(self, kind: str, body: str, now: int, *, head: str = "", shown: bool = True) -> int:
        """Sends the fields of `body` (each with its SOH) as the next message; returns its number. `head`: further
        header fields. `shown` False: the number is used and the message kept, but nothing goes out.

        While nobody is logged on, application messages of a session that resends are kept for later; those of one that
        begins anew are dropped.
        """
        if not self.on and kind not in ADMIN and self.rules.restarts:
            return 0
        number = self.next_out
        self.next_out += 1
        if kind not in ADMIN and self.rules.resends:
            self.sent[number] = Sent(kind, body, now)
            if len(self.sent) > MAX_KEPT:
                del self.sent[next(iter(self.sent))]
        if shown and (self.on or kind in ADMIN):
            self._spoke = now
            self.out.append(self.raw(kind, body, number, now, head))
        return number

    def raw(self, kind: str, body: str, number: int, now: int, head: str = "") -> bytes:
        """The bytes of a message of ours."""
        header = f"35={kind}\x0149={self.ours}\x0156={self.theirs}\x0134={number}\x0152={self.time(now)}\x01{head}"
        return frame(self.rules.begin, header + body)

    def again(self, number: int, sent: Sent, now: int) -> None:
        """Sends a message once more under its own number, as a possible duplicate."""
        head = f"43=Y\x01122={self.time(sent.ts)}\x01"
        self.out.append(self.raw(sent.kind, sent.body, number, now, head))

    def reject(self, message: Message, tag: int, reason: int, text: str, now: int) -> None:
        """A session-level Reject (3)."""
        field = f"371={tag}\x01" if tag else ""
        number = message.get(34, "0")
        body = f"45={number}\x01{field}372={message.type}\x01373={reason}\x0158={printable(text)}\x01"
        self.send("3", body, now)

    def time(self, now: int) -> str:
        return self._stamp.micros(now) if self.rules.micros else self._stamp.millis(now)

    def _resend(self, request: Message, now: int) -> None:
        try:
            begin, end = request.integer(7), request.integer(16)
        except FixError as error:
            self.reject(request, error.tag, error.reason, str(error), now)
            return
        if not self.rules.resends:
            self.reject(request, 35, Reason.INVALID_MSG_TYPE, "ResendRequest is not supported", now)
            return
        last = self.next_out - 1 if end == 0 else min(end, self.next_out - 1)
        gap = 0
        for number in range(max(begin, 1), last + 1):
            if number in self.sent:
                self._fill(gap, number, now)
                gap = 0
                self.again(number, self.sent[number], now)
            else:
                gap = gap or number
        self._fill(gap, last + 1, now)

    def _fill(self, begin: int, end: int, now: int) -> None:
        """A gap fill from `begin` up to before `end`; none if `begin` is 0."""
        if begin:
            head = f"43=Y\x01122={self.time(now)}\x01"
            self.out.append(self.raw("4", f"123=Y\x0136={end}\x01", begin, now, head))

    # -- time

    def on_time(self, now: int) -> None:
        """Heartbeats, test requests, and the end of who is silent: called many times a second."""
        if self._leaving and now >= self._leaving:
            self._leaving = 0
            self.close()
        if not self.on:
            return
        if now - self._spoke >= self.heartbeat_ns:
            self.send("0", "", now)
        silence = now - self._heard
        if silence >= 2 * self.heartbeat_ns + SECOND_NS:
            self.send("5", "58=no heartbeat\x01", now)
            self.close()
        elif silence >= self.heartbeat_ns + self.heartbeat_ns // 5 + SECOND_NS // 5 and not self._tested:
            self._tested = True
            self.send("1", f"112=T{now}\x01", now)


def group(count: int, entries: Sequence[str]) -> str:
    """A repeating group: its count field and its entries, or nothing."""
    return f"{count}={len(entries)}\x01{''.join(entries)}" if entries else ""

"""A certification walk: what a FIX counterparty must do, tried one by one over a socket. `checks.py` has the checks.

    report = run(Target("127.0.0.1", 9880, login, symbol="BTCUSDT", price="100.00", qty="1"))

A check either passes, fails with what was expected and what came, or is skipped with the reason. Nothing is assumed of
the other side but the rules of engagement; every message that comes is checked against the dictionary.
"""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from tapewire.errors import FixError
from tapewire.fix.client import Disconnected, Fields, FixClient, Login, Sent
from tapewire.fix.dictionary import is_decimal, load
from tapewire.fix.message import Message, fields_of, readable
from tapewire.fix.timestamps import Stamp

TIMEOUT_S: Final = 5.0
MOST_GAPS: Final = 3

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to certify, and with what."""

    host: str
    port: int
    login: Login
    symbol: str
    price: str
    """At which a buy order rests, and two orders may trade with each other."""
    qty: str
    """Of an order; its half must be allowed, too."""
    half: str
    account: str = ""
    tls: ssl.SSLContext | None = None
    drop_copy: Login | None = None
    market_data: Login | None = None
    """Where books are told on a session of their own."""
    heartbeat: int = 5
    slow: bool = False
    """Whether to wait for heartbeats and the like, which takes half a minute."""


class Failure(AssertionError):
    """What was expected, and what came."""


class Skip(Exception):
    """Why a check cannot be made here."""


@dataclass(frozen=True, slots=True)
class Result:
    section: str
    name: str
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(slots=True)
class Report:
    target: str
    begin: str = ""
    """BeginString."""
    results: list[Result] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    """Messages by type, of all connections."""
    received: Counter[str] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        """Nothing failed, and something was tried."""
        return bool(self.results) and not any(one.outcome == "failed" for one in self.results)

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.results)

    def count(self, outcome: Outcome) -> int:
        return sum(one.outcome == outcome for one in self.results)

    def not_seen(self) -> dict[str, str]:
        """Messages of the dictionary that came up in neither direction, with their names."""
        shapes = load(self.begin).messages.values()
        return {one.type: one.name for one in shapes if not self.sent[one.type] + self.received[one.type]}


class Walk:
    """The session under test, and what checks share."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.client = self.new_client(target.login)
        self.dictionary = load(target.login.begin)
        self._ids = 0
        self._run = time.time_ns() // 1_000_000 % 10**9
        self._stamp = Stamp()
        self._clients = [self.client]
        self._data: FixClient | None = None
        self.tick = ""
        """Of the instrument, as the other side lists it."""
        self.unclean = False
        """Whether a check that failed may have left orders behind."""

    def new_client(self, login: Login) -> FixClient:
        target = self.target
        return FixClient(target.host, target.port, login, tls=target.tls, heartbeat=target.heartbeat)

    def other_client(self, login: Login) -> FixClient:
        """One more connection; its transcript counts for the checks at the end."""
        client = self.new_client(login)
        self._clients.append(client)
        return client

    def on(self) -> FixClient:
        """The client, logged on; logs it on again if a check before has ended the session."""
        if not self.client.connected:
            answer = self.client.logon(timeout=TIMEOUT_S)
            expect(answer.type == "A", f"cannot log on: {answer.get(58)}")
        if self.unclean:
            self.unclean = False
            self.cancel_all()
        return self.client

    def data(self) -> FixClient:
        """The client for market data, logged on: that of the orders if none was given."""
        if self.target.market_data is None:
            return self.on()
        if self._data is None or not self._data.connected:
            self._data = self.other_client(self.target.market_data)
            answer = self._data.logon(reset=True, timeout=TIMEOUT_S)
            expect(answer.type == "A", f"cannot log on for market data: {answer.get(58)}")
        return self._data

    def cancel_all(self) -> Message:
        """Cancels every order of the account; the answer."""
        account = [(1, self.target.account)] if self.target.account else []
        request = self.id()
        for _ in range(MOST_GAPS):
            self.client.send("q", [(11, request), (530, "7"), *account, (60, self.now())])
            answer = self.client.expect("r", "j", "3", "2", timeout=TIMEOUT_S)
            if answer.type != "2":
                break  # else the request fell into a gap that was filled
            request = self.id()
        return answer

    def id(self) -> str:
        """A new ClOrdID or request id."""
        self._ids += 1
        return f"st{self._run}-{self._ids}"

    def now(self) -> str:
        return self._stamp.millis(time.time_ns())

    def order(self, side: object = "1", **changes: object) -> dict[int, object]:
        """Fields of a limit order; `t40="1"` sets tag 40, `t44=""` leaves tag 44 out."""
        target = self.target
        fields: dict[int, object] = {
            11: self.id(), 1: target.account, 55: target.symbol, 54: side, 60: self.now(), 38: target.qty, 40: "2",
            44: target.price, 59: "1",
        }  # fmt: skip
        fields.update({int(name[1:]): value for name, value in changes.items()})
        return {tag: value for tag, value in fields.items() if value != ""}

    def enter(self, fields: dict[int, object]) -> Message:
        """Sends an order and gives the first report of it."""
        self.on().send("D", fields.items())
        return self.report(fields[11])

    def report(self, cl_ord_id: object, where: Fields = ()) -> Message:
        return self.client.expect("8", timeout=TIMEOUT_S, where=[(11, cl_ord_id), *where])

    def opened(self, side: object = "1", **changes: object) -> tuple[dict[int, object], Message]:
        """A new order that rests, and its report."""
        fields = self.order(side, **changes)
        report = self.enter(fields)
        expect(report[150] == "0", f"an order that rests is reported with 150=0; {shown(report)}")
        return fields, report

    def cancelled(self, fields: dict[int, object]) -> Message:
        """Cancels an order; its last report."""
        cancel = {11: self.id(), 41: fields[11], 55: fields[55], 54: fields[54], 60: self.now()}
        self.on().send("F", cancel.items())
        return self.report(cancel[11], [(150, "4")])

    def alive(self) -> None:
        """The session goes on: a TestRequest is answered."""
        text = self.id()
        self.on().send("1", [(112, text)])
        self.client.expect("0", timeout=TIMEOUT_S, where=[(112, text)])

    def transcript(self) -> Iterable[Sent]:
        """Every message so far, on all connections."""
        return (line for client in self._clients for line in client.transcript)

    def received(self) -> Iterable[Message]:
        """Those that came."""
        return (fields_of(line.raw) for line in self.transcript() if not line.outgoing)

    def close(self) -> None:
        for client in self._clients:
            client.close()


Check = Callable[[Walk], str | None]


def expect(true: bool, otherwise: str) -> None:
    """Raises Failure with `otherwise`."""
    if not true:
        raise Failure(otherwise)


def expect_field(message: Message, tag: int, *allowed: str) -> None:
    """A field must have one of these values."""
    if message.get(tag) not in allowed:
        raise Failure(f"expected {tag}={' or '.join(allowed)}; {shown(message)}")


def expect_number(message: Message, tag: int, value: object) -> None:
    """A field must be this decimal, with as many zeros behind it as the other side likes."""
    if tag not in message or number(message[tag]) != number(str(value)):
        raise Failure(f"expected {tag}={value}; {shown(message)}")


def number(text: str) -> Decimal:
    """A price or quantity as it can be compared. Raises Failure."""
    expect(is_decimal(text), f"expected a decimal number; there came {text!r}")
    return Decimal(text)


def shown(message: Message) -> str:
    """A message in a failure's text."""
    body = [f"{tag}={value}" for tag, value in message.pairs() if tag not in (8, 9, 10, 49, 52, 56)]
    return "there came " + "|".join(body)


def run(target: Target, progress: Callable[[Result], object] = lambda _: None) -> Report:
    """Makes all checks in their order. Raises OSError if nobody listens at the target."""
    from tapewire.fix.checks import CHECKS

    report = Report(f"{target.host}:{target.port}", target.login.begin)
    walk = Walk(target)
    walk.client.connect(TIMEOUT_S)
    walk.client.close()
    try:
        for section, name, check in CHECKS:
            began = time.monotonic()
            outcome, detail = _outcome(check, walk)
            result = Result(section, name, outcome, detail, time.monotonic() - began)
            report.results.append(result)
            progress(result)
    finally:
        walk.close()
    for outgoing, raw in walk.transcript():
        (report.sent if outgoing else report.received)[readable(raw).type] += 1
    return report


def _outcome(check: Check, walk: Walk) -> tuple[Outcome, str]:
    try:
        return "passed", check(walk) or ""
    except Skip as reason:
        return "skipped", str(reason)
    except (Failure, FixError, TimeoutError, OSError) as error:
        # What a broken check leaves behind must not break the next: it begins with a new connection.
        walk.client.close()
        walk.unclean = True
        why = "the connection was closed: " if isinstance(error, Disconnected) else ""
        return "failed", f"{why}{error}"


def twice(values: Iterable[str]) -> list[str]:
    """Those that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]

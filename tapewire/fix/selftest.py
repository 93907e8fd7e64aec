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
from typing import Final, Literal

from tapewire.errors import FixError
from tapewire.fix.client import Disconnected, Fields, FixClient, Login
from tapewire.fix.dictionary import load
from tapewire.fix.message import Message, fields_of
from tapewire.fix.timestamps import Stamp

TIMEOUT_S: Final = 5.0

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
    results: list[Result] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing failed, and something was tried."""
        return bool(self.results) and not any(one.outcome == "failed" for one in self.results)

    def count(self, outcome: Outcome) -> int:
        return sum(one.outcome == outcome for one in self.results)


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
        return self.client

    def id(self) -> str:
        """A new ClOrdID or request id."""
        self._ids += 1
        return f"st{self._run}-{self._ids}"

    def now(self) -> str:
        return self._stamp.millis(time.time_ns())

    def order(self, side: str = "1", **changes: object) -> dict[int, object]:
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

    def opened(self, side: str = "1", **changes: object) -> tuple[dict[int, object], Message]:
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

    def received(self) -> Iterable[Message]:
        """Every message that came so far, on all connections."""
        return (fields_of(line.raw) for client in self._clients for line in client.transcript if not line.outgoing)

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


def shown(message: Message) -> str:
    """A message in a failure's text."""
    body = [f"{tag}={value}" for tag, value in message.pairs() if tag not in (8, 9, 10, 49, 52, 56)]
    return "there came " + "|".join(body)


def run(target: Target, progress: Callable[[Result], object] = lambda _: None) -> Report:
    """Makes all checks in their order. Raises OSError if nobody listens at the target."""
    from tapewire.fix.checks import CHECKS

    report = Report(f"{target.host}:{target.port}")
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
    return report


def _outcome(check: Check, walk: Walk) -> tuple[Outcome, str]:
    try:
        return "passed", check(walk) or ""
    except Skip as reason:
        return "skipped", str(reason)
    except (Failure, FixError, TimeoutError, OSError) as error:
        # What a broken check leaves behind must not break the next: it begins with a new connection.
        walk.client.close()
        why = "the connection was closed: " if isinstance(error, Disconnected) else ""
        return "failed", f"{why}{error}"


def twice(values: Iterable[str]) -> list[str]:
    """Those that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]

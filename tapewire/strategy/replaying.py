"""A strategy on a recorded session as it was: what it decides is compared with what it sent then.

Nothing it sends goes anywhere. Its reports are those of the tape: the n-th order it enters is its n-th order of then,
known by the ClOrdID (`<name>-<n>`), and what was told of that is told of this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tapewire import messages as m
from tapewire import order_bus
from tapewire.errors import StrategyError
from tapewire.strategy.report import Difference, RunReport, report_of
from tapewire.strategy.stepped import Latency, Stepped
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import StrategyOrder
from tapewire.tape import TapeReader

SHOWN: Final = 20
"""Differences that a report holds."""
MARKET_RANK: Final = 0
PROGRESS_EVERY: Final = 4096
BATCH: Final = 4096
_ASIDE: Final = frozenset({m.MessageType.epoch_started, m.MessageType.input_refused, m.MessageType.segment_header})
_TRADING: Final = (m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel)


class Replayed:
    """One run on an orders tape. `name`: the beginning of the ClOrdIDs that the strategy had then."""

    def __init__(
        self,
        strategy: Strategy,
        tape: Path,
        *,
        account: int,
        name: str,
        seed: int = 0,
        latency: Latency | None = None,
        since: int = 0,
        until: int = 0,
    ) -> None:
        """`since`, `until`: when the run began and ended then (UTC ns; its report says so); 0: just before the first
        order of anybody, and the tape's end, with what became of the orders that it left."""
        self._since, self._until = since, until
        self.tape, self.name = tape, name
        self._then = sent(tape, account, name)
        if not self._then:
            raise StrategyError(
                f"{tape}: account {account} sent nothing that begins {name + '-'!r}: the report of a run tells "
                f"its name (--name)"
            )
        self._now: dict[str, tuple[int, str]] = {}
        self.stepped = Stepped(
            strategy, account=account, name=name, seed=seed, latency=latency or Latency(), arrive=self._arrive
        )

    def run(self, progress: Callable[[int], None] = lambda _: None) -> RunReport:
        """Until the tape or the strategy ends. `progress` is told how many records were read, now and then."""
        began = time.perf_counter()
        stepped = self.stepped
        trader = stepped.trader
        trader.on_sent = self._decided
        first = min(record.seq for record in self._first_trading())
        now = seen = 0
        for group in groups(self.tape):
            head = m.decode(group[0])
            if self._until and head.ts > self._until:
                break
            if not stepped.started and (head.ts >= self._since if self._since else head.seq >= first):
                stepped.start(self._since or max(now, head.ts))
            now = max(now, head.ts)
            while not trader.stopped and (due := stepped.due) is not None and due < (now, MARKET_RANK):
                stepped.step()
            if trader.stopped:
                break
            stepped.told(group, now)
            if stepped.records - seen >= PROGRESS_EVERY:
                seen = stepped.records
                progress(seen)
        now = max(now, self._until)  # by then, what the market did last was told
        while not trader.stopped and (due := stepped.due) is not None and due < (now + 1, MARKET_RANK):
            stepped.step()
        stepped.end(max(now, trader.now))
        report = report_of("replay", self.tape, trader, stepped.records, time.perf_counter() - began)
        return compared(report, self._now, self._then)

    def _first_trading(self) -> Iterator[m.Message]:
        with TapeReader(self.tape, None) as reader:
            for kind in _TRADING:
                reader.seek_seq(reader.first_seq)
                for raw in reader.poll_type(kind.TYPE, 1):
                    yield m.decode(raw)

    def _arrive(self, command: order_bus.Command, order: StrategyOrder, now: int) -> None:
        """What became of it stands on the tape."""

    def _decided(self, command: order_bus.Command) -> None:
        self._now[command.client_text] = (len(self._now) + 1, said(command))


def compared(report: RunReport, now: dict[str, tuple[int, str]], then: dict[str, str]) -> RunReport:
    """With what was decided otherwise: `now` and `then` are decisions by ClOrdID, those of now with their number."""
    differences = [
        Difference(number, decision, then.get(text))
        for text, (number, decision) in now.items()
        if then.get(text) != decision
    ]
    missing = [text for text in then if text not in now]
    differences += [Difference(int(text.rpartition("-")[2]), None, then[text]) for text in missing]
    differences.sort(key=lambda one: one.number)
    return msgspec.structs.replace(
        report,
        decisions_equal=sum(then.get(text) == decision for text, (_, decision) in now.items()),
        differences=differences[:SHOWN],
        differences_count=len(differences),
    )


def groups(tape: Path) -> Iterator[list[bytes]]:
    """The records of a tape, each command with its events."""
    with TapeReader(tape, None) as reader:
        group: list[bytes] = []
        command = 0
        for raw in reader:
            record = m.decode(raw)
            of = record.cause or record.seq
            if group and of != command and record.TYPE not in _ASIDE:
                yield group
                group = []
            if record.TYPE not in _ASIDE:
                command = of
            group.append(raw)
        if group:
            yield group


def said(command: m.Message) -> str:
    """A command's decision in words: what the strategy chose, and nothing that others stamped on it."""
    if isinstance(command, m.NewOrder):
        priced = command.ord_type in (m.OrdType.limit, m.OrdType.stop_limit)
        parts = [
            f"{command.side.name} {command.qty} of instrument {command.instrument}",
            command.ord_type.name,
            command.time_in_force.name,
            *([f"at {command.price}"] if priced else []),
            *([f"stop {command.stop_px}"] if command.stop_px else []),
            *([f"display {command.display_qty}"] if command.display_qty else []),
            *([f"min {command.min_qty}"] if command.min_qty else []),
            *([f"until {command.expire_time}"] if command.expire_time else []),
            *(name for name in ("hidden", "post_only", "slide") if getattr(command, name)),
        ]
        return " ".join(parts)
    if isinstance(command, m.ReplaceOrder):
        return f"replace order {command.order_id}: {command.qty} at {command.price}"
    assert isinstance(command, m.CancelOrder), "a strategy sends no other"
    return f"cancel order {command.order_id}"


def sent(tape: Path, account: int, name: str) -> dict[str, str]:
    """By ClOrdID: what an account's commands of that name said."""
    found: dict[str, str] = {}
    with TapeReader(tape, None) as reader:
        for kind in (m.NewOrder, m.CancelOrder, m.ReplaceOrder):
            reader.seek_seq(reader.first_seq)
            while batch := reader.poll_type(kind.TYPE, BATCH):
                for raw in batch:
                    command = kind.decode(raw)
                    text = command.client_text
                    if command.account == account and text.rpartition("-")[0] == name:
                        found[text] = said(command)
    return found

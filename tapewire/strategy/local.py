"""A strategy beside the engine: commands into a ring of its own, everything else off the tape. No bus, no API.

    tape ──HouseMarket──▶ strategy ──ring──▶ engine ──▶ tape

The shortest way there is on one machine: an order waits for nothing but the engine, and a report for nothing but its
release. It is the loop of a simulation on the time of the wall.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Final

from tapewire import order_bus
from tapewire.client import OrderClient, RingFull
from tapewire.errors import StrategyError
from tapewire.strategy.inputs import close
from tapewire.strategy.report import RunReport, report_of
from tapewire.strategy.stepped import DELIVERY, Latency, Stepped
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import StrategyOrder
from tapewire.tape import TapeReader

BATCH: Final = 1 << 16
WAIT_S: Final = 0.02
"""The longest sleep between two looks at the timer and the end."""
GRACE_S: Final = 5.0


class LocalRun:
    """One run, on the thread that calls `run`. `producer`: one of [engine] producers that nobody else uses."""

    def __init__(
        self,
        strategy: Strategy,
        data: Path | str,
        *,
        account: int,
        producer: str,
        shard: int = 0,
        name: str = "",
        seed: int = 0,
        inputs: Path | None = None,
    ) -> None:
        """`inputs`: the folder for what reaches the strategy, in <name>.inputs, for an exact replay; None: not kept.
        Raises RingError if there is no such ring, StrategyError if the tape's beginning was removed."""
        self._client = OrderClient.open(data, shard, producer=producer)
        self._reader = TapeReader(self._client.tape, None)
        if self._reader.first_seq > 1:
            raise StrategyError(
                f"{self._client.tape}: begins with record {self._reader.first_seq}: no book can be built from there. "
                f"Run over the bus"
            )
        self._stepped = Stepped(
            strategy,
            account=account,
            name=name or f"s{secrets.token_hex(5)}",
            seed=seed,
            latency=Latency(0, 0, 0),
            arrive=self._arrive,
            inputs=inputs,
        )
        self.trader = self._stepped.trader
        self._stopping = False

    def stop(self, reason: str = "") -> None:
        """Ends the run soon; safe in a signal handler and from any thread."""
        if reason:
            self.trader.stop(reason)
        self._stopping = True

    def run(self, seconds: float | None = None) -> RunReport:
        """Until `stop`, the strategy's own stop, or `seconds` are over."""
        trader, began = self.trader, time.time_ns()
        try:
            while self._poll():  # what was before is the market that it finds
                pass
            until = time.monotonic() + seconds if seconds is not None else float("inf")
            self._stepped.start(time.time_ns())
            while not self._stopping and not trader.stopped and time.monotonic() < until:
                self._turn()
            self._stepped.end(time.time_ns())
            self._await_cancels()
        finally:
            close(self.trader)
            self._reader.close()
            self._client.close()
        took = (time.time_ns() - began) / 1e9
        return report_of("live", self._client.tape, trader, self._stepped.records, took, began=began)

    def _turn(self) -> None:
        worked = self._poll()
        now = time.time_ns()
        while not self.trader.stopped and (due := self._stepped.due) is not None and due[0] <= now:
            self._stepped.step()
            worked += 1
        if not worked:
            timer = self.trader.next_timer
            self._reader.wait(min(WAIT_S, max(0.0, (timer - now) / 1e9)) if timer else WAIT_S)

    def _poll(self) -> int:
        """Takes what is new on the tape; how much."""
        records = self._reader.poll(BATCH)
        if records:
            self._stepped.told(records, time.time_ns())
        return len(records)

    def _await_cancels(self) -> None:
        deadline = time.monotonic() + GRACE_S
        while any(order.asked or order.wants_cancel for order in self.trader.orders.live):
            if time.monotonic() > deadline:
                self.trader.log.warning("orders_left", orders=[one.cl_ord_id for one in self.trader.orders.live])
                return
            self._turn_after_the_end()

    def _turn_after_the_end(self) -> None:
        """Reports still count; the strategy is told nothing more."""
        if not self._poll():
            self._reader.wait(WAIT_S)
        while self._stepped.due is not None:
            self._stepped.step()

    def _arrive(self, command: order_bus.Command, order: StrategyOrder, now: int) -> None:
        try:
            self._client.submit(
                command.replace(cl_ord_id=self._client.next_cl_ord_id(), ts_event=now, ts_recv=time.time_ns())
            )
        except RingFull as error:
            why = str(error)
            # Never within the call that sent it.
            if order.asked:
                self._stepped.at(now, DELIVERY, lambda at: self.trader.request_failed(order, why, at))
            else:
                self._stepped.at(now, DELIVERY, lambda at: self.trader.not_taken(order, why, at))

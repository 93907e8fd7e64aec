"""What a parent's executions cost against the market since its start: sums of integers, one division at the end.

    price now    the middle of best bid and ask over venues; one-sided: the last trade; never traded: the one side
    arrival      price now at the start, or the first that there was after it
    twap         price now, weighted by how long it stood
    vwap         trades of all its venues, weighted by quantity
    average      its own executions, weighted by quantity
    versus B     (average - B) / B of a buyer, (B - average) / B of a seller

What is busted, corrected or restated afterwards counts as it stands afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.router.interfaces import MarketView
from tapewire import messages as m
from tapewire.fixed import MAX_MANTISSA

_THOUSAND: Final = 1_000
_MILLION: Final = 1_000_000
_ALL: Final = 10_000
_MAX_PARTS: Final = (1 << 32) - 1


@dataclass(slots=True)
class _Average:
    """A price weighted by quantity or time."""

    sum: int = 0
    weight: int = 0

    def add(self, price: int, weight: int) -> None:
        self.sum += price * weight
        self.weight += weight

    def told(self) -> int:
        """In 1/1,000 of the mantissa, rounded down; 0: none yet."""
        return min(self.sum * _THOUSAND // self.weight, MAX_MANTISSA) if self.weight > 0 else 0


@dataclass(frozen=True, slots=True)
class _Execution:
    price: int
    qty: int
    fee: int
    fee_exponent: int


class Benchmarks:
    """Of one parent. Made when it starts; then told of each change of its market and each report of its children."""

    def __init__(self, side: m.Side, start: int, view: MarketView, exponent: int = 0, currency: str = "") -> None:
        """`exponent` is that of price x quantity, at which fees are told; `currency` the only one whose fees count,
        empty: all of them."""
        self._sign = 1 if side == m.Side.buy else -1
        self._exponent, self._currency = exponent, currency
        self._arrival, self._time, self._market, self._own = _Average(), _Average(), _Average(), _Average()
        self._since, self._price = start, (0, 0)
        self._executions: dict[tuple[int, str], _Execution] = {}
        self._fees: dict[int, int] = {}
        self.cum_qty = 0
        """All that was executed, as far as reports told it; a restatement without a price counts here alone."""
        self._look(view)

    def market(self, now: int, view: MarketView, trades: tuple[tuple[int, int], ...] = ()) -> None:
        """After a change of the parent's market: how it stands, and what `MarketChange.trades` told."""
        self._advance(now)
        for price, qty in trades:
            self._market.add(price, qty)
        self._look(view)

    def own(self, report: m.VenueReported) -> None:
        """After a report of one of the parent's children."""
        kind = m.VenueReportKind
        if report.kind == kind.executed:
            self._add(report, report.exec_id)
        elif report.kind == kind.busted:
            self._take_out(report)
        elif report.kind == kind.corrected:
            self._take_out(report)
            # A later bust or correction may name the execution by its first id or by that of the correction.
            self._executions[report.venue, report.ref_exec_id] = self._add(report, report.exec_id)
        elif report.kind == kind.restated and report.last_qty:
            self.cum_qty += report.last_qty
            if report.last_price:
                self._own.add(report.last_price, report.last_qty)

    def measured(self, now: int, scheduled: int) -> dict[str, int]:
        """The fields of ParentMeasured, from scheduled_qty to fees."""
        self._advance(now)
        twap = self._time if self._time.weight else _now(self._price)
        market_qty = self._market.weight
        return {
            "scheduled_qty": scheduled,
            "cum_qty": self.cum_qty,
            "market_qty": min(market_qty, MAX_MANTISSA),
            "participation": min(self.cum_qty * _ALL // market_qty, _MAX_PARTS) if market_qty > 0 else 0,
            "arrival": self._arrival.told(),
            "twap": twap.told(),
            "vwap": self._market.told(),
            "average": self._own.told(),
            "versus_arrival": self._versus(self._arrival),
            "versus_twap": self._versus(twap),
            "versus_vwap": self._versus(self._market),
            "fees": self._fees_told(),
        }

    def _versus(self, benchmark: _Average) -> int:
        """Slippage in 1/100 of a basis point, rounded down; 0 while there is no price on either side."""
        own, other = self._own, benchmark
        if own.weight <= 0 or other.weight <= 0 or other.sum <= 0:
            return 0
        worse = self._sign * (own.sum * other.weight - other.sum * own.weight)
        return max(min(worse * _MILLION // (other.sum * own.weight), MAX_MANTISSA), -MAX_MANTISSA)

    def _look(self, view: MarketView) -> None:
        bid, ask = view.best_bid, view.best_ask
        if bid and ask:
            self._price = (bid + ask, 2)
        elif view.last or bid or ask:
            self._price = (view.last or bid or ask, 1)
        if not self._arrival.weight:
            self._arrival = _now(self._price)

    def _advance(self, now: int) -> None:
        """The price of before stood until now."""
        if now > self._since:
            total, count = self._price
            if count:
                # Both kinds of price are kept in halves, so that no half is lost: the weight doubles with them.
                self._time.sum += total * (2 // count) * (now - self._since)
                self._time.weight += 2 * (now - self._since)
            self._since = now

    def _add(self, report: m.VenueReported, name: str) -> _Execution:
        execution = _Execution(report.last_price, report.last_qty, self._fee(report), report.fee_exponent)
        self._executions[report.venue, name] = execution
        self._count(execution, 1)
        return execution

    def _take_out(self, report: m.VenueReported) -> None:
        execution = self._executions.pop((report.venue, report.ref_exec_id), None)
        if execution is not None:
            self._count(execution, -1)
        elif report.kind == m.VenueReportKind.busted:
            # Known from a restatement only: what it was stands in the bust itself.
            self._count(_Execution(report.last_price, report.last_qty, 0, 0), -1)

    def _count(self, execution: _Execution, times: int) -> None:
        self.cum_qty += times * execution.qty
        self._own.add(execution.price, times * execution.qty)
        self._fees[execution.fee_exponent] = self._fees.get(execution.fee_exponent, 0) + times * execution.fee

    def _fee(self, report: m.VenueReported) -> int:
        return report.fee if self._currency in ("", report.fee_currency) else 0

    def _fees_told(self) -> int:
        """Summed exactly; then, if it has more digits than the exponent keeps, rounded up: never told too low."""
        finest = min((*self._fees, self._exponent))
        total = sum(fee * int(10 ** (exponent - finest)) for exponent, fee in self._fees.items())
        return -(-total // int(10 ** (self._exponent - finest)))


def _now(price: tuple[int, int]) -> _Average:
    return _Average(*price)

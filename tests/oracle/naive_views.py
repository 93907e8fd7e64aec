"""What an orders tape has come to, worked out anew from the complete list of its records: slow, and plain to read.

Nothing is kept up to date here: each question goes through all records again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tapewire import messages as m

BUY = m.Side.buy
MAKER, TAKER = 0, 1
Bar = tuple[int, int, int, int, int, int, int]


@dataclass
class NaiveOrder:
    account: int
    buy: bool
    price: int
    qty: int
    leaves: int
    text: str
    stop_px: int
    waiting: bool
    cum: int = 0
    notional: int = 0
    status: str = "new"
    life: list[int] = field(default_factory=list)
    """Seqs of its records."""


class Sides(NamedTuple):
    account: int
    order_id: int
    buy: bool
    role: int


class NaiveViews:
    def __init__(self, raws: list[bytes]) -> None:
        self.records = [m.decode(raw) for raw in raws]

    def orders(self) -> dict[int, NaiveOrder]:
        """By OrderID, done ones too."""
        commands = {r.seq: r for r in self.records if r.cause == 0}
        found: dict[int, NaiveOrder] = {}
        for r in self.records:
            if isinstance(r, m.OrderAccepted):
                new = commands[r.cause]
                assert isinstance(new, m.NewOrder)
                found[r.order_id] = NaiveOrder(
                    *(r.account, r.side == BUY, r.price, r.qty, r.qty, new.client_text, r.stop_px, r.waiting),
                    life=[new.seq, r.seq],
                )
            elif isinstance(r, m.OrderExecuted):
                for side in sides(r):
                    order = found[side.order_id]
                    assert order.buy == side.buy
                    assert order.account == side.account
                    order.leaves -= r.qty
                    order.cum += r.qty
                    order.notional += r.price * r.qty
                    order.status = "partially_filled" if order.leaves else "filled"
                    order.life.append(r.seq)
            elif isinstance(r, m.OrderCancelled):
                order = found[r.order_id]
                order.leaves = 0
                order.status = "expired" if r.reason == m.CancelReason.expired else "cancelled"
                order.life.append(r.seq)
            elif isinstance(r, m.OrderReplaced):
                order, asked = found[r.order_id], commands[r.cause]
                assert isinstance(asked, m.ReplaceOrder)
                order.price, order.qty, order.leaves = r.price, r.qty, r.leaves_qty
                if order.waiting and order.stop_px:
                    order.stop_px = asked.stop_px or order.stop_px
                if not order.leaves:
                    order.status = "filled" if order.cum else "cancelled"
                order.life.append(r.seq)
            elif isinstance(r, m.OrderTriggered):
                order = found[r.order_id]
                order.price, order.waiting = r.price, False
                order.life.append(r.seq)
            elif isinstance(r, m.OrderRestated):
                order = found[r.order_id]
                order.qty, order.leaves = r.qty, r.leaves_qty
                order.life.append(r.seq)
            elif isinstance(r, m.CancelRejected):
                if r.order_id in found and found[r.order_id].account == r.account:
                    found[r.order_id].life.append(r.seq)
            elif isinstance(r, m.TradeBusted | m.TradeCorrected):
                for side in sides(r):
                    if side.order_id in found and found[side.order_id].account == side.account:
                        _amend(found[side.order_id], r)
        return found

    def refused(self) -> list[tuple[int, int]]:
        """Account and seq of each NewOrder that was refused, in the order of the tape."""
        new = {r.seq: r for r in self.records if isinstance(r, m.NewOrder)}
        answers = [r.cause for r in self.records if isinstance(r, m.OrderRejected)]
        return [(new[seq].account, seq) for seq in answers if seq in new]

    def fills(self, account: int, instrument: int) -> list[tuple[bool, int, int]]:
        """(bought, price, qty) of what counts, busted ones left out.

        For a bust that does not say what the trade was stands an opposite fill; and for one of what came before that.
        """
        found: list[tuple[tuple[int, int], bool, int, int]] = []
        exact_from = 0
        for r in self.records:
            if r.instrument != instrument or not isinstance(r, m.OrderExecuted | m.TradeBusted | m.TradeCorrected):
                continue
            for side in sides(r):
                if side.account != account:
                    continue
                name = (r.match_id, side.role)
                if isinstance(r, m.OrderExecuted):
                    found.append((name, side.buy, r.price, r.qty))
                    continue
                price, qty = (r.price, r.qty) if isinstance(r, m.TradeBusted) else (r.old_price, r.old_qty)
                now = [] if isinstance(r, m.TradeBusted) else [(name, side.buy, r.price, r.qty)]
                was = (name, side.buy, price, qty)
                if was in found[exact_from:]:
                    at = found.index(was, exact_from)
                    found[at : at + 1] = now
                else:
                    found += [(name, not side.buy, price, qty), *now]
                    exact_from = len(found)
        return [(buy, price, qty) for _, buy, price, qty in found]

    def position(self, account: int, instrument: int) -> tuple[int, int, int]:
        """(net, cost of what is open, realised), at average cost."""
        net = cost = realised = 0
        for buy, price, qty in self.fills(account, instrument):
            signed = qty if buy else -qty
            closing = min(qty, abs(net)) if net * signed < 0 else 0
            if closing:
                share = cost * closing // abs(net)
                cost -= share
                realised += (closing * price - share) * (1 if net > 0 else -1)
            cost += (qty - closing) * price
            net += signed
        return net, cost, realised

    def holdings(self) -> set[tuple[int, int]]:
        """Every account and instrument that an order or a trade names."""
        named = {(r.account, r.instrument) for r in self.records if isinstance(r, m.OrderAccepted)}
        for r in self.records:
            if isinstance(r, m.TradeBusted | m.TradeCorrected):
                named |= {(side.account, r.instrument) for side in sides(r)}
        return named

    def bars(self, instrument: int, seconds: int) -> list[Bar]:
        span = seconds * 10**9
        trades: dict[int, list[tuple[int, int]]] = defaultdict(list)
        now = 0
        for r in self.records:
            if isinstance(r, m.OrderExecuted) and r.instrument == instrument:
                now = max(now, r.ts)
                trades[now - now % span].append((r.price, r.qty))
        return [
            (
                *(start, of[0][0], max(price for price, _ in of), min(price for price, _ in of), of[-1][0]),
                *(sum(qty for _, qty in of), len(of)),
            )
            for start, of in trades.items()
        ]

    def limits(self) -> dict[int, m.AccountLimits]:
        return {r.account: r for r in self.records if isinstance(r, m.AccountLimits) and not r.decision}

    def kills(self) -> set[int]:
        last = {r.account: r.engaged for r in self.records if isinstance(r, m.KillSwitch) and not r.decision}
        return {account for account, engaged in last.items() if engaged}


def sides(r: m.OrderExecuted | m.TradeBusted | m.TradeCorrected) -> Iterator[Sides]:
    yield Sides(r.maker_account, r.maker_order_id, r.taker_side != BUY, MAKER)
    yield Sides(r.taker_account, r.taker_order_id, r.taker_side == BUY, TAKER)


def _amend(order: NaiveOrder, r: m.TradeBusted | m.TradeCorrected) -> None:
    if isinstance(r, m.TradeBusted):
        order.cum -= r.qty
        order.notional -= r.price * r.qty
    else:
        order.cum += r.qty - r.old_qty
        order.notional += r.price * r.qty - r.old_price * r.old_qty
    if order.status in ("new", "partially_filled"):
        order.status = "partially_filled" if order.cum else "new"
    order.life.append(r.seq)

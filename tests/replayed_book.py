"""One book of the compiled matcher, fed from a recording: its orders go by the recording's names."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from services.matcher import Matcher, split
from tapewire import messages as m

ACCOUNT = 1
BUY, SELL = m.Side.buy, m.Side.sell


class Fill(NamedTuple):
    maker: Hashable
    taker: Hashable
    price: int
    qty: int


_new = m.NewOrder.encoder(
    *("seq", "order_id", "side", "price", "qty", "time_in_force"),
    instrument=1,
    account=ACCOUNT,
    ord_type=m.OrdType.limit,
)
_cancel = m.CancelOrder.encoder("seq", "order_id", account=ACCOUNT)
_replace = m.ReplaceOrder.encoder("seq", "order_id", "price", "qty", account=ACCOUNT)


class ReplayedBook:
    def __init__(self, tick: int = 1) -> None:
        self.matcher = Matcher()
        self.seq = 0
        self.orders: dict[Hashable, int] = {}
        self.names: dict[int, Hashable] = {}
        self.total: dict[Hashable, int] = {}
        """OrderQty: what has traded included."""
        self.leaves: dict[Hashable, int] = {}
        definition = m.InstrumentDefinition(
            instrument=1, ticker="BOOK", tick_size=tick, lot_size=1, status=m.InstrumentStatus.trading
        )
        self._send(bytes(definition))

    def __contains__(self, name: Hashable) -> bool:
        return self.leaves.get(name, 0) > 0

    def new(self, name: Hashable, side: m.Side, price: int, qty: int) -> list[Fill]:
        """An order that rests with what does not trade."""
        return self._enter(name, side, price, qty, m.TimeInForce.gtc)

    def take(self, side: m.Side, price: int, qty: int) -> list[tuple[Hashable, int, int]]:
        """An incoming order that takes what there is up to `price`: whom it met, at what price, for how much."""
        name = ("taker", self.seq)
        fills = self._enter(name, side, price, qty, m.TimeInForce.ioc)
        self.leaves.pop(name)
        return [(fill.maker, fill.price, fill.qty) for fill in fills]

    def cancel(self, name: Hashable) -> None:
        (event,) = self._send(_cancel(self._next(), self.orders[name]))
        assert isinstance(event, m.OrderCancelled)
        del self.leaves[name]

    def replace(self, name: Hashable, price: int, leaves: int) -> list[Fill]:
        """A new price, or another quantity left: less at the same price keeps the place in the queue."""
        self.total[name] += leaves - self.leaves[name]
        event, *fills = self._send(_replace(self._next(), self.orders[name], price, self.total[name]))
        assert isinstance(event, m.OrderReplaced), event
        self.leaves[name] = event.leaves_qty
        return self._fills(fills)

    def depth(self, side: m.Side, levels: int = 1 << 20) -> dict[int, int]:
        return {price: qty for price, qty, _ in self.matcher.depth(1, side, levels)}

    def crossed(self) -> bool:
        bid, _, ask, _ = self.matcher.best(1)
        return 0 < ask <= bid

    def _enter(self, name: Hashable, side: m.Side, price: int, qty: int, fate: m.TimeInForce) -> list[Fill]:
        id = self.matcher.last_order_id + 1
        self.orders[name], self.names[id], self.total[name], self.leaves[name] = id, name, qty, qty
        event, *fills = self._send(_new(self._next(), id, side, price, qty, fate))
        assert isinstance(event, m.OrderAccepted), event
        return self._fills(fills)

    def _fills(self, events: list[m.Message]) -> list[Fill]:
        found = []
        for e in events:
            if not isinstance(e, m.OrderExecuted):
                continue
            fill = Fill(self.names[e.maker_order_id], self.names[e.taker_order_id], e.price, e.qty)
            self.leaves[fill.maker], self.leaves[fill.taker] = e.maker_leaves_qty, e.taker_leaves_qty
            found.append(fill)
        return found

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _send(self, command: bytes) -> list[m.Message]:
        return [m.decode(event) for event in split(self.matcher.apply_batch([command]))]

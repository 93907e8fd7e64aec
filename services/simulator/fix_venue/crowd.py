"""Who else trades at the venue: an opening book, and the simulated traders of the house market at a rate."""

from __future__ import annotations

from collections.abc import Sequence

from services.simulator.fix_venue.desk import House
from services.simulator.traders import TraderModel
from tapewire import messages as m

MAX_BURST = 200  # commands in one tick, after a stall
LEVEL_BPS = 2  # between two levels of the opening book, in 1/10,000 of the reference price


class Crowd:
    """`maker`: the account of the opening book. `accounts`: those of the traders; `rate`: commands a second, 0: none.
    `levels` of `lots` each are put on either side of each instrument's reference price."""

    def __init__(
        self,
        house: House,
        *,
        maker: int,
        accounts: Sequence[int],
        seed: int = 1,
        rate: float = 0.0,
        levels: int = 0,
        lots: int,
    ) -> None:
        self._house, self._maker, self._accounts = house, maker, accounts
        self._seed, self._rate, self._levels, self._lots = seed, rate, levels, lots
        self._definitions: dict[int, m.InstrumentDefinition] = {}
        self._model: TraderModel | None = None
        self._began = self._sent = 0
        self._last = 0

    def saw(self, record: m.Message) -> None:
        """Any record of the tape."""
        self._last = max(self._last, getattr(record, "cl_ord_id", 0))
        if isinstance(record, m.InstrumentDefinition) and not record.decision:
            self._definitions[record.instrument] = record
        if self._model is not None:
            self._model.take(record)

    def open(self, now: int) -> None:
        """Takes what an earlier run has left out of the book, places the opening book, and begins to trade."""
        number = max(now, self._last + 1)
        commands: list[m.Message] = [m.MassCancel(cl_ord_id=number, account=self._maker)]
        for definition in self._definitions.values():
            commands += self._book(definition, number + len(commands))
        for command in commands:
            self._house.submit(command)
        if self._rate:
            definitions = [one.replace(status=m.InstrumentStatus.trading) for one in self._definitions.values()]
            self._model = TraderModel(self._seed, definitions, self._accounts, number + len(commands))
            for command in self._model.opening():
                self._house.submit(command)
        self._began = now

    def on_time(self, now: int) -> None:
        """Sends what is due."""
        if self._model is None or not self._began:
            return
        due = int((now - self._began) * self._rate / 1e9)
        self._sent = max(self._sent, due - MAX_BURST)
        while self._sent < due:
            self._sent += 1
            if (command := self._model.decide(now)) is not None:
                self._house.submit(command)

    def _book(self, d: m.InstrumentDefinition, number: int) -> list[m.Message]:
        step = max(d.tick_size, d.reference_price * LEVEL_BPS // 10_000 // d.tick_size * d.tick_size)
        orders: list[m.Message] = []
        for level in range(1, self._levels + 1 if d.reference_price else 0):
            for side, sign in ((m.Side.buy, -1), (m.Side.sell, 1)):
                order = m.NewOrder(
                    cl_ord_id=number + len(orders),
                    instrument=d.instrument,
                    account=self._maker,
                    side=side,
                    ord_type=m.OrdType.limit,
                    time_in_force=m.TimeInForce.gtc,
                    price=d.reference_price + sign * level * step,
                    qty=self._lots * d.lot_size,
                )
                orders.append(order)
        return orders

"""What one account has in one instrument: position and P&L, and what it has open.

**Average cost, in whole units.** What is open has a cost: the sum of price x quantity of what was bought to hold it
(sold, of a short position). A fill that makes the position larger adds to it. A fill against the position takes out its
share, cost x closed / open rounded down, and realises the difference to what it was closed for; if it goes through
zero, what is left begins anew at its own price. Nothing is a fraction, and at any moment

    realised + (value of the position at a price - its cost, or the reverse if short) = sold - bought + net x price

holds to the unit. The average price is cost / |net|, of which only the rendering rounds.

**Busts and corrections** are not entries of their own: the position is computed anew as if the fill had never been, or
had been what it was corrected to. That takes the fills since: the last AMENDABLE to twice as many are kept. A fill that
is older (or stands on the tape otherwise than it is busted) is taken back by an opposite fill at its price: sums,
position and total P&L are then right as well, and only what is realised when may differ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

AMENDABLE = 256  # fills of one holding that a bust can reach exactly: at least so many, at most twice
MAKER, TAKER = 0, 1
_WHOLE = 14  # what is kept of one whose cost is known


class Filled(NamedTuple):
    """One side of a match."""

    match_id: int
    role: int
    buy: bool
    price: int
    qty: int


class Part:
    """Net quantity and its cost, before some fills; and those fills."""

    __slots__ = ("cost", "fills", "net", "realised")

    def __init__(self, net: int, cost: int, realised: int, fills: list[Filled]) -> None:
        self.net, self.cost, self.realised, self.fills = net, cost, realised, fills


class Holding:
    __slots__ = (
        *("account", "bought", "bought_notional", "cost", "cost_known", "fills", "instrument", "net", "newer", "older"),
        *("open_buy", "open_buy_notional", "open_sell", "open_sell_notional", "realised"),
        *("seq", "sold", "sold_notional", "ts"),
    )

    def __init__(self, account: int, instrument: int) -> None:
        self.account, self.instrument = account, instrument
        self.net = self.cost = self.realised = self.fills = 0
        self.bought = self.sold = self.bought_notional = self.sold_notional = 0
        self.open_buy = self.open_sell = self.open_buy_notional = self.open_sell_notional = 0
        """What live orders have left, those that wait included: what risk counts; and at the price of each."""
        self.seq = self.ts = 0
        """Of the record that changed the position last."""
        self.cost_known = True
        """False: it was held when these views began at an engine's state, which does not say what it cost."""
        self.older: Part | None = None
        self.newer = Part(0, 0, 0, [])

    @property
    def average(self) -> tuple[int, int]:
        """The average price of what is open as a ratio (cost, quantity); (0, 1) when flat."""
        return (self.cost, abs(self.net)) if self.net else (0, 1)

    def unrealised(self, price: int) -> int:
        """P&L of what is open at `price`, in units of price x quantity."""
        return self.net * price - self.cost if self.net > 0 else self.net * price + self.cost

    def fill(self, one: Filled) -> None:
        """Takes one side of a match."""
        if len(self.newer.fills) >= AMENDABLE:
            self.older, self.newer = self.newer, Part(self.net, self.cost, self.realised, [])
        self.newer.fills.append(one)
        self.fills += 1
        _, _, buy, price, qty = one
        if buy:
            self.bought += qty
            self.bought_notional += price * qty
        else:
            self.sold += qty
            self.sold_notional += price * qty
        self._trade(buy, price, qty)

    def amend(self, was: Filled, now: Filled | None) -> None:
        """A fill was busted (`now` None) or is another from now on. Sums and position in any case follow."""
        for one, sign in ((was, -1), (now, 1)):
            if one is None:
                continue
            if one.buy:
                self.bought += sign * one.qty
                self.bought_notional += sign * one.price * one.qty
            else:
                self.sold += sign * one.qty
                self.sold_notional += sign * one.price * one.qty
        self.fills -= now is None
        for part in (self.newer, self.older):
            if part is not None and was in part.fills:
                at = part.fills.index(was)
                part.fills[at : at + 1] = [] if now is None else [now]
                self._again()
                return
        self._trade(not was.buy, was.price, was.qty)
        if now is not None:
            self._trade(now.buy, now.price, now.qty)
        # What came before can no longer be computed anew.
        self.forget()

    @property
    def amendable(self) -> int:
        """Fills kept for busts."""
        return len(self.newer.fills) + (len(self.older.fills) if self.older else 0)

    def forget(self) -> None:
        """Keeps no fills any longer."""
        self.older, self.newer = None, Part(self.net, self.cost, self.realised, [])

    def _again(self) -> None:
        """Computes the position from the fills that are kept."""
        first = self.older or self.newer
        self.net, self.cost, self.realised = first.net, first.cost, first.realised
        for one in first.fills:
            self._trade(one.buy, one.price, one.qty)
        if self.older is not None:
            newer = self.newer
            newer.net, newer.cost, newer.realised = self.net, self.cost, self.realised
            for one in newer.fills:
                self._trade(one.buy, one.price, one.qty)

    def _trade(self, buy: bool, price: int, qty: int) -> None:
        net = self.net
        if net == 0 or (net > 0) == buy:
            self.cost += price * qty
        else:
            held = net if net > 0 else -net
            closed = qty if qty < held else held
            removed = self.cost * closed // held
            self.cost -= removed
            self.realised += closed * price - removed if net > 0 else removed - closed * price
            if qty > closed:
                self.cost = (qty - closed) * price
        self.net = net + qty if buy else net - qty

    def kept(self) -> list[Any]:
        """For `restored`."""
        parts = [
            None if part is None else [part.net, part.cost, part.realised, part.fills]
            for part in (self.older, self.newer)
        ]
        return [
            *(self.account, self.instrument, self.net, self.cost, self.realised, self.fills, self.seq, self.ts),
            *(self.bought, self.sold, self.bought_notional, self.sold_notional),
            *parts,
            *([] if self.cost_known else [False]),
        ]

    @classmethod
    def restored(cls, kept: list[Any]) -> Holding:
        """What is open is not in it: it follows from the orders."""
        made = cls(kept[0], kept[1])
        made.net, made.cost, made.realised, made.fills, made.seq, made.ts = kept[2:8]
        made.bought, made.sold, made.bought_notional, made.sold_notional = kept[8:12]
        made.older, made.newer = None if kept[12] is None else _part(kept[12]), _part(kept[13])
        made.cost_known = len(kept) == _WHOLE
        return made


def _part(kept: list[Any]) -> Part:
    net, cost, realised, fills = kept
    return Part(net, cost, realised, [Filled(*one) for one in fills])

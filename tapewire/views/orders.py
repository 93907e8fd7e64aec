"""Orders: the live ones, and the last done ones of each account, each with its life.

An order's life are the records that tell of it as they stand on the tape: its NewOrder, and every event since. Of a
long one the middle is left out.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from tapewire import messages as m
from tapewire.views.bounded import Bounded
from tapewire.views.holding import Holding

DONE_KEPT = 500  # orders of each account that live no more
DONE_KEPT_IN_ALL = 20_000
LIFE = 128  # records of one order's life; of a longer one the first LIFE_BEGINNING and the last
LIFE_BEGINNING = 16
_DROPPED_AT_ONCE = 32
_WHOLE = 17  # what is kept of an order whose life is known from its beginning


class Status(IntEnum):
    """FIX OrdStatus; new as long as nothing traded, also while it waits."""

    new = 0
    partially_filled = 1
    filled = 2
    cancelled = 3
    expired = 4
    rejected = 5


LIVE = (Status.new, Status.partially_filled)


class Order:
    __slots__ = (
        *("account", "buy", "created", "cum", "dropped", "holding", "instrument", "known_from", "leaves", "life"),
        *("notional", "order_id", "price", "qty", "status", "stop_px", "terms", "text", "unpriced", "waiting"),
    )

    def __init__(self, order_id: int, account: int, instrument: int, holding: Holding | None) -> None:
        self.order_id, self.account, self.instrument, self.holding = order_id, account, instrument, holding
        self.buy, self.waiting = False, False
        self.price = self.qty = self.cum = self.leaves = self.notional = self.stop_px = 0
        """`notional`: price x quantity of all that has traded; over `cum` the average price."""
        self.status = Status.new
        self.created = 0
        """Seq of its NewOrder."""
        self.text = ""
        """The client's name for it."""
        self.life: list[bytes] = []
        self.dropped = 0
        """Records of its life that were left out, behind the first LIFE_BEGINNING."""
        self.known_from = 0
        """Of one that stood when these views began at an engine's state: the record behind which its life is known."""
        self.terms = b""
        """Of such a one what is known of its NewOrder; its seq, time and name are not. `created` is its OrderID."""
        self.unpriced = 0
        """What of `cum` traded before that: at which prices is not known, so neither is `notional`."""

    @property
    def live(self) -> bool:
        return self.status <= Status.partially_filled

    def lives(self, raw: bytes) -> None:
        """One more record of its life."""
        life = self.life
        life.append(raw)
        if len(life) > LIFE:
            del life[LIFE_BEGINNING : LIFE_BEGINNING + _DROPPED_AT_ONCE]
            self.dropped += _DROPPED_AT_ONCE

    def stands(self, price: int, leaves: int) -> None:
        """Its price and what it has left, in its account's exposure too."""
        holding = self.holding
        if holding is not None:
            notional = price * leaves - self.price * self.leaves
            if self.buy:
                holding.open_buy += leaves - self.leaves
                holding.open_buy_notional += notional
            else:
                holding.open_sell += leaves - self.leaves
                holding.open_sell_notional += notional
        self.price, self.leaves = price, leaves

    def filled(self, price: int, qty: int, leaves: int) -> None:
        self.cum += qty
        self.notional += price * qty
        self.stands(self.price, leaves)
        self.status = Status.partially_filled if leaves else Status.filled

    def amended(self, qty: int, notional: int) -> None:
        """A trade of it was busted or corrected: it has filled so much more (less, if negative)."""
        self.cum += qty
        self.notional += notional
        if self.status <= Status.partially_filled:
            self.status = Status.partially_filled if self.cum else Status.new

    def kept(self) -> list[Any]:
        return [
            *(self.order_id, self.account, self.instrument, self.holding is not None, self.buy, self.waiting),
            *(self.price, self.qty, self.cum, self.leaves, self.notional, self.stop_px, int(self.status)),
            *(self.created, self.text, self.life, self.dropped),
            *([self.known_from, self.terms, self.unpriced] if self.known_from else []),
        ]


class Orders:
    """All that are known. `of` an account: its live ones by OrderID."""

    def __init__(self) -> None:
        self.by_id: dict[int, Order] = {}
        """Live, and done ones that are kept."""
        self.live: dict[int, dict[int, Order]] = {}
        self.done: Bounded[Order] = Bounded(DONE_KEPT, DONE_KEPT_IN_ALL)
        """By account; refused ones too, which have no OrderID."""
        self.live_count = 0

    def add(self, order: Order) -> None:
        """A live one."""
        self.by_id[order.order_id] = order
        self.live_count += 1
        of = self.live.get(order.account)
        if of is None:
            of = self.live[order.account] = {}
        of[order.order_id] = order

    def finish(self, order: Order) -> None:
        """It lives no more. Its holding is let go: nothing of it is open."""
        of = self.live[order.account]
        del of[order.order_id]
        if not of:
            del self.live[order.account]
        self.live_count -= 1
        self.keep(order)

    def keep(self, order: Order) -> None:
        """Among those that are done."""
        order.holding = None
        for gone in self.done.add(order.account, order):
            self.by_id.pop(gone.order_id, None)

    def rejected(self, new: m.NewOrder, event: m.OrderRejected, raws: tuple[bytes, bytes]) -> Order:
        order = Order(0, new.account, new.instrument, None)
        order.buy = new.side == m.Side.buy
        order.price, order.qty, order.stop_px = new.price, new.qty, new.stop_px
        order.created, order.text, order.status = new.seq, new.client_text, Status.rejected
        order.life = list(raws)
        self.keep(order)
        return order

    def kept(self) -> tuple[list[Any], list[Any]]:
        """Live ones by account and OrderID, done ones in the order they ended, for `restore`."""
        return (
            [order.kept() for _, own in sorted(self.live.items()) for _, order in sorted(own.items())],
            [order.kept() for _, order in self.done.all()],
        )

    def restore(self, live: list[Any], done: list[Any], holdings: dict[int, Holding]) -> None:
        for one in live:
            self.add(_restored(one, holdings))
        for one in done:
            order = _restored(one, {})
            self.done.add(order.account, order)
            if order.order_id:
                self.by_id[order.order_id] = order


def holding_key(account: int, instrument: int) -> int:
    return account << 32 | instrument


def _restored(kept: list[Any], holdings: dict[int, Holding]) -> Order:
    order_id, account, instrument, holds, order_buy, waiting, price = kept[:7]
    order = Order(order_id, account, instrument, holdings[holding_key(account, instrument)] if holds else None)
    order.buy, order.waiting = order_buy, waiting
    _, leaves = kept[7], kept[9]
    order.stands(price, leaves)
    order.qty, order.cum, order.notional, order.stop_px = kept[7], kept[8], kept[10], kept[11]
    order.status, order.created, order.text = Status(kept[12]), kept[13], kept[14]
    order.life, order.dropped = kept[15], kept[16]
    if len(kept) > _WHOLE:
        order.known_from, order.terms, order.unpriced = kept[_WHOLE:]
    return order

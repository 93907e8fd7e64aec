"""Simulated traders of the house market: what they decide, as a function of a seed and of the answers they have seen.

    market makers   quote on both sides of a fair value that walks: new orders, replaces, cancels
    takers          market, IOC and FOK orders; nothing of theirs rests
    mischief        a few orders that must be refused, so that refusals are seen

         decide() ──command──▶ engine ──events──▶ take()

Pure: ClOrdIDs are counted from a number that is given, and the only generator is seeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tapewire import messages as m

MAKERS_SHARE = 3  # of four accounts, three make markets and one takes; at least one of each
LEVELS = 4  # that a maker quotes on each side
MISCHIEF_EVERY = 60  # commands, on average
TAKE_EVERY = 4  # of the other commands
POST_ONLY_EVERY = 4
CANCEL_EVERY = 4  # of the quotes a maker moves, the rest are replaced
PENDING_TURNS = 20_000  # after which an answer is not waited for any longer
LOTS_OF_MAX = 2000  # a typical order is this part of the largest
TYPICAL_LOTS = 100  # where the instrument has no largest order
NO_SUCH = 0x7FFF_FFFF  # an instrument and an account that nobody defines
Command = m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel


@dataclass(slots=True)
class Quote:
    """One place where a maker keeps an order: empty, live, or waiting for an answer."""

    account: int
    book: Market
    side: m.Side
    level: int
    order_id: int = 0
    price: int = 0
    pending: int = 0  # the ClOrdID whose answer is awaited
    since: int = 0  # the turn it was sent


@dataclass(slots=True)
class Market:
    """An instrument, and what this model thinks it is worth."""

    definition: m.InstrumentDefinition
    fair: int  # in ticks
    anchor: int
    step: int  # ticks between a maker's levels
    lots: int  # a typical size, in lots
    quotes: list[Quote] = field(default_factory=list)


class TraderModel:
    """Several traders behind one producer. Raises ValueError without instruments or with fewer than two accounts."""

    def __init__(
        self, seed: int, instruments: Sequence[m.InstrumentDefinition], accounts: Sequence[int], first_cl_ord_id: int
    ) -> None:
        if not instruments or len(accounts) < 2:
            raise ValueError(
                f"{len(instruments)} instruments, {len(accounts)} accounts: expected at least 1 and 2, to trade at all"
            )
        self._random = Random(f"traders/{seed}")
        self._cl_ord_id = first_cl_ord_id
        makers = max(1, len(accounts) * MAKERS_SHARE // (MAKERS_SHARE + 1))
        self._accounts, self._takers = list(accounts), list(accounts[makers:])
        self._markets = [_market(definition) for definition in instruments]
        for market in self._markets:
            market.quotes = [
                Quote(account, market, side, level)
                for account in accounts[:makers]
                for side in (m.Side.buy, m.Side.sell)
                for level in range(LEVELS)
            ]
        self._by_order: dict[int, Quote] = {}
        self._by_cl_ord_id: dict[int, Quote] = {}
        self._last: dict[int, int] = {}  # ClOrdID by account
        self._turn = 0
        self._dead_order = 0
        self.sent: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def opening(self) -> list[Command]:
        """Pulls whatever an earlier run has left in the book."""
        return [self._send(m.MassCancel(cl_ord_id=self._next(), account=account)) for account in self._accounts]

    def decide(self) -> Command:
        """The next command. Always one: whoever has nothing to do leaves the turn to a taker."""
        self._turn += 1
        market = self._random.choice(self._markets)
        pull = (market.anchor - market.fair) // 2048 + (market.anchor < market.fair)
        market.fair = max(2, market.fair + pull + self._random.randint(-market.step, market.step))
        if self._random.randrange(MISCHIEF_EVERY) == 0:
            return self._send(self._mischief(market))
        if self._random.randrange(TAKE_EVERY) and (command := self._make(self._random.choice(market.quotes))):
            return self._send(command)
        return self._send(self._take_liquidity(market))

    def take(self, event: m.Message) -> None:
        """An answer. Events about orders that the model does not follow are counted and left."""
        self.seen[type(event).__name__] += 1
        if isinstance(event, m.OrderExecuted):
            self._settle(event.maker_order_id, event.maker_leaves_qty)
            self._settle(event.taker_order_id, event.taker_leaves_qty)
        elif isinstance(event, m.OrderAccepted):
            if quote := self._answered(event.cl_ord_id):
                quote.order_id, quote.price = event.order_id, event.price
                self._by_order[event.order_id] = quote
        elif isinstance(event, m.OrderCancelled):
            self._answered(event.cl_ord_id)
            self._settle(event.order_id, 0)
        elif isinstance(event, m.OrderReplaced):
            if quote := self._answered(event.cl_ord_id):
                quote.price = event.price
        elif isinstance(event, m.OrderRejected | m.CancelRejected):
            self.refused[event.reason.name] += 1
            if event.reason is m.RejectReason.stale_cl_ord_id:
                return  # it speaks of an older order that bears the same number
            self._answered(event.cl_ord_id)
            if event.reason is m.RejectReason.unknown_order:
                self._settle(event.order_id, 0)

    def _make(self, quote: Quote) -> Command | None:
        """What a maker does about one of its quotes, if anything."""
        if quote.pending:
            if self._turn - quote.since < PENDING_TURNS:
                return None
            self._answered(quote.pending)
        market, d = quote.book, quote.book.definition
        distance = market.step * (1 + quote.level) + self._random.randrange(market.step)
        ticks = market.fair - distance if quote.side is m.Side.buy else market.fair + distance
        price, cl_ord_id = max(1, ticks) * d.tick_size, self._next()
        if not quote.order_id:
            post_only = self._random.randrange(POST_ONLY_EVERY) == 0
            command: Command = self._new(
                cl_ord_id, market, quote.account, quote.side, price, m.TimeInForce.gtc, post_only=post_only
            )
        elif abs(quote.price - price) <= market.step * d.tick_size:
            return None
        elif self._random.randrange(CANCEL_EVERY) == 0:
            command = m.CancelOrder(cl_ord_id=cl_ord_id, order_id=quote.order_id, account=quote.account)
        else:
            order = {"order_id": quote.order_id, "account": quote.account}
            command = m.ReplaceOrder(cl_ord_id=cl_ord_id, price=price, qty=self._qty(market), **order)
        quote.pending, quote.since = cl_ord_id, self._turn
        self._by_cl_ord_id[cl_ord_id] = quote
        return command

    def _take_liquidity(self, market: Market) -> Command:
        side = self._random.choice((m.Side.buy, m.Side.sell))
        account, kind = self._random.choice(self._takers), self._random.randrange(10)
        if kind < 3:
            return self._new(self._next(), market, account, side, 0, m.TimeInForce.ioc, m.OrdType.market)
        reach = market.step * self._random.randrange(1, 1 + LEVELS)
        ticks = market.fair + reach if side is m.Side.buy else market.fair - reach
        time_in_force = m.TimeInForce.fok if kind > 7 else m.TimeInForce.ioc
        price = max(1, ticks) * market.definition.tick_size
        return self._new(self._next(), market, account, side, price, time_in_force)

    def _mischief(self, market: Market) -> Command:
        """A command that must be refused."""
        d, account = market.definition, self._random.choice(self._takers)
        good = self._new(self._next(), market, account, m.Side.buy, market.fair * d.tick_size, m.TimeInForce.ioc)
        kinds: list[Callable[[], Command]] = [
            lambda: good.replace(instrument=NO_SUCH),
            lambda: good.replace(account=NO_SUCH),
            lambda: good.replace(price=good.price + d.tick_size // 2 if d.tick_size > 1 else 0),
            lambda: good.replace(cl_ord_id=self._last.get(account, 1)),
            lambda: good.replace(qty=d.max_qty + d.lot_size if d.max_qty else 0),
            lambda: good.replace(price=good.price * 2),
            lambda: m.CancelOrder(cl_ord_id=good.cl_ord_id, order_id=self._dead_order or NO_SUCH, account=account),
        ]
        return self._random.choice(kinds)()

    def _new(
        self,
        cl_ord_id: int,
        market: Market,
        account: int,
        side: m.Side,
        price: int,
        time_in_force: m.TimeInForce,
        ord_type: m.OrdType = m.OrdType.limit,
        *,
        post_only: bool = False,
    ) -> m.NewOrder:
        return m.NewOrder(
            cl_ord_id=cl_ord_id,
            instrument=market.definition.instrument,
            account=account,
            side=side,
            ord_type=ord_type,
            time_in_force=time_in_force,
            price=price,
            qty=self._qty(market),
            post_only=post_only,
        )

    def _qty(self, market: Market) -> int:
        lots = self._random.randrange(1, 2 * market.lots + 1) >> self._random.randrange(4)
        return max(1, lots) * market.definition.lot_size

    def _next(self) -> int:
        self._cl_ord_id += 1
        return self._cl_ord_id

    def _send(self, command: Command) -> Command:
        self._last[command.account] = command.cl_ord_id
        self.sent[type(command).__name__] += 1
        return command

    def _answered(self, cl_ord_id: int) -> Quote | None:
        quote = self._by_cl_ord_id.pop(cl_ord_id, None)
        if quote is not None and quote.pending == cl_ord_id:
            quote.pending = 0
        return quote

    def _settle(self, order_id: int, leaves_qty: int) -> None:
        """An order is dead once nothing of it is left."""
        if not leaves_qty and (quote := self._by_order.pop(order_id, None)) is not None:
            quote.order_id = quote.price = 0
            self._dead_order = order_id


def _market(definition: m.InstrumentDefinition) -> Market:
    reference = definition.reference_price or definition.min_price or 1000 * definition.tick_size
    fair = max(2, reference // definition.tick_size)
    largest = definition.max_qty // definition.lot_size
    # A level every hundredth of a per cent: wide enough that most quotes rest, close enough that takers reach them.
    return Market(
        definition, fair, fair, max(1, fair // 10_000), max(1, largest // LOTS_OF_MAX) if largest else TYPICAL_LOTS
    )

"""Simulated traders of the house market: what they decide, as a function of a seed and of the answers they have seen.

    market makers   quote on both sides of a fair value that walks: new orders, replaces, cancels
    takers          trade against them, or wait for a price; in a call they send what the auction is to trade
    mischief        a few orders that must be refused, so that refusals are seen

         decide() ──command──▶ engine ──events──▶ take()

Which kinds of orders is said in order_mix.py. Pure: time is an argument, ClOrdIDs are counted from a number that is
given, and the only generator is seeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from services.simulator import order_mix
from services.simulator.traders_market import Market, Quote
from tapewire import messages as m

MAKERS_SHARE = 3  # of four accounts, three make markets and one takes; at least one of each
LEVELS = 4  # that a maker quotes on each side
MISCHIEF_EVERY = 60  # commands, on average
TAKE_EVERY = 4  # of the other commands
CANCEL_EVERY = 4  # of the quotes a maker moves, the rest are replaced
PENDING_TURNS = 20_000  # after which an answer is not waited for any longer
NO_SUCH = 0x7FFF_FFFF  # an instrument and an account that nobody defines
Command = m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel


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
        self._markets = {definition.instrument: Market.of(definition) for definition in instruments}
        for market in self._markets.values():
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

    @property
    def live_quotes(self) -> list[int]:
        """OrderIDs of the makers' orders that are believed to be live."""
        return list(self._by_order)

    def opening(self) -> list[Command]:
        """Pulls whatever an earlier run has left in the book."""
        return [self._send(m.MassCancel(cl_ord_id=self._next(), account=account)) for account in self._accounts]

    def decide(self, now: int) -> Command | None:
        """The next command at `now` (UTC ns): whoever has nothing to do leaves the turn to a taker.

        None where no market takes orders; somebody tries nevertheless from time to time.
        """
        self._turn += 1
        markets = [market for market in self._markets.values() if market.takes_orders]
        if not markets:
            if self._random.randrange(MISCHIEF_EVERY):
                return None
            markets = list(self._markets.values())
        market = self._random.choice(markets)
        pull = (market.anchor - market.fair) // 2048 + (market.anchor < market.fair)
        market.fair = max(2, market.fair + pull + self._random.randint(-market.step, market.step))
        if self._random.randrange(MISCHIEF_EVERY) == 0:
            return self._send(self._mischief(market, now))
        if self._random.randrange(TAKE_EVERY) and (command := self._make(self._random.choice(market.quotes), now)):
            return self._send(command)
        return self._send(self._take_liquidity(market, now))

    def take(self, event: m.Message) -> None:
        """What has happened. Events about orders that the model does not follow are counted and left."""
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
        elif isinstance(event, m.InstrumentStatusChanged):
            if market := self._markets.get(event.instrument):
                market.status = event.status
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

    def _make(self, quote: Quote, now: int) -> Command | None:
        """What a maker does about one of its quotes, if anything."""
        if quote.pending:
            if self._turn - quote.since < PENDING_TURNS:
                return None
            self._answered(quote.pending)
        market, d = quote.book, quote.book.definition
        distance = market.step * (1 + quote.level) + self._random.randrange(market.step)
        if market.in_call:
            # Nothing trades yet: opinions may overlap, and the auction finds the price.
            distance -= self._random.randrange(4 * market.step)
        price = market.price(market.fair - distance if quote.side is m.Side.buy else market.fair + distance)
        cl_ord_id = self._next()
        if not quote.order_id:
            terms = order_mix.quote(self._random, market, self._qty(market), now)
            command: Command = self._new(cl_ord_id, market, quote.account, quote.side, terms | {"price": price})
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

    def _take_liquidity(self, market: Market, now: int) -> Command:
        side = self._random.choice((m.Side.buy, m.Side.sell))
        away = market.step * self._random.randrange(1, 1 + LEVELS)
        reach = market.price(market.fair + away if side is m.Side.buy else market.fair - away)
        terms = order_mix.take(self._random, market, side, reach, self._qty(market), now)
        return self._new(self._next(), market, self._random.choice(self._takers), side, terms)

    def _mischief(self, market: Market, now: int) -> Command:
        """A command that must be refused."""
        d, account = market.definition, self._random.choice(self._takers)
        terms = {"ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.ioc, "qty": self._qty(market)}
        fair = market.price(market.fair)
        good = self._new(self._next(), market, account, m.Side.buy, terms | {"price": fair})
        kinds: list[Callable[[], Command]] = [
            lambda: good.replace(instrument=NO_SUCH),
            lambda: good.replace(account=NO_SUCH),
            lambda: good.replace(price=good.price + d.tick_size // 2 if d.tick_size > 1 else 0),
            lambda: good.replace(cl_ord_id=self._last.get(account, 1)),
            lambda: good.replace(qty=d.max_qty + d.lot_size if d.max_qty else 0),
            lambda: good.replace(price=good.price * 2),
            lambda: good.replace(time_in_force=m.TimeInForce.gtd, expire_time=now - 1),
            lambda: good.replace(hidden=True),
            lambda: m.CancelOrder(cl_ord_id=good.cl_ord_id, order_id=self._dead_order or NO_SUCH, account=account),
        ]
        return self._random.choice(kinds)()

    @staticmethod
    def _new(cl_ord_id: int, market: Market, account: int, side: m.Side, terms: order_mix.Terms) -> m.NewOrder:
        order = {"cl_ord_id": cl_ord_id, "instrument": market.definition.instrument, "account": account, "side": side}
        # The session is what a lost connection would cancel: here each account has one of its own.
        return m.NewOrder(**order, session=account, **terms)

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

"""What rows the records of a tape give in PostgreSQL, said as plainly as can be: the oracle of the compiled sink.

Book tops come of the fold of the house market, which has an oracle of its own; sums are of all matches so far.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tapewire import messages as m
from tapewire.house import HouseMarket

Row = dict[str, Any]
Tables = dict[str, list[Row]]

COMMANDS = (
    *(m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel, m.KillSwitch, m.AccountLimits, m.BustTrade),
    *(m.CorrectTrade, m.SetInstrumentStatus, m.AdvanceClock),
)
IN_QTY = ("invalid_qty", "max_order_qty", "max_position", "would_not_fill")
IN_PRICE = ("invalid_price", "off_tick", "price_collar", "would_cross", "price_band", "would_trigger")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows_of(records: list[bytes], tape: int = 1, feed: str = "house") -> Tables:
    """The rows of each table, in the order of the tape."""
    fold = _Fold(tape, feed)
    for raw in records:
        fold.take(raw)
    return {table: rows for table, rows in fold.tables.items() if rows}


def scaled(mantissa: int, exponent: int) -> Decimal:
    """Exactly, with as many digits behind the point as the exponent says."""
    sign, digits, _ = Decimal(mantissa).as_tuple()
    value = Decimal((sign, digits, exponent))
    return value if exponent <= 0 else Decimal(mantissa * 10**exponent)


def _word(value: Any) -> str | None:
    """The word of an enumerant; a number that this build does not know is said as such."""
    if not value:
        return None
    return str(getattr(value, "name", f"unknown {value}"))


class _Fold:
    def __init__(self, tape: int, feed: str) -> None:
        self.tape, self.feed = tape, feed
        self.tables: Tables = defaultdict(list)
        self.terms: dict[int, tuple[int, int, str]] = {}
        self.house = HouseMarket("t")
        self.house.quiet = True
        self.tops: dict[int, tuple[int, int, int, int]] = {}
        self.command: m.Message | None = None
        self.traded: dict[tuple[int, int, bool], tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
        """By account, instrument and whether it bought: quantity, notional, matches that stand."""

    def take(self, raw: bytes) -> None:
        record = m.decode(raw)
        self.record = record
        if record.cause == 0:
            self.house.settle()
            self.tops = {number: book.top for number, book in self.house._books.items()}
        if self.feed == "house":
            self.house.fold(raw)
        if isinstance(record, (*COMMANDS, m.InstrumentDefinition)):
            self.command = record
        if isinstance(record, COMMANDS):
            self.decided(record)
        handler = getattr(self, f"on_{m.MessageType(record.TYPE).name}", None)
        if handler is not None:
            handler(record)

    def put(self, table: str, **columns: Any) -> None:
        record = self.record
        self.tables[table].append(
            {
                "tape": self.tape,
                "seq": record.seq,
                "ts": EPOCH + timedelta(microseconds=record.ts // 1000),
                "ts_ns": record.ts,
                **columns,
            }
        )

    def price(self, value: int) -> Decimal | None:
        terms = self.terms.get(self.record.instrument)
        return scaled(value, terms[0]) if terms else None

    def qty(self, value: int) -> Decimal | None:
        terms = self.terms.get(self.record.instrument)
        return scaled(value, terms[1]) if terms else None

    def notional(self, value: int) -> Decimal | None:
        terms = self.terms.get(self.record.instrument)
        return scaled(value, terms[0] + terms[1]) if terms else None

    def decided(self, c: Any) -> None:
        def field(name: str, otherwise: Any = 0) -> Any:
            return getattr(c, name) if name in type(c).FIELDS else otherwise

        price, qty = field("price"), field("qty")
        has_qty = isinstance(c, m.NewOrder | m.ReplaceOrder | m.BustTrade | m.CorrectTrade)
        has_price = has_qty and not (isinstance(c, m.NewOrder) and c.price == 0)
        if isinstance(c, m.CorrectTrade):
            price, qty = c.new_price, c.new_qty
        new = isinstance(c, m.NewOrder)
        text = c.reason if isinstance(c, m.KillSwitch) else field("client_text", "")
        self.put(
            "risk_decisions",
            command=m.MessageType(c.TYPE).name,
            decision=_word(c.decision) or "accepted",
            account=field("account") or None,
            instrument=c.instrument or None,
            source=c.source,
            session=field("session") or None,
            order_id=_id(field("order_id")),
            cl_ord_id=_id(field("cl_ord_id")),
            client_text=text or None,
            side=_word(field("side")) if isinstance(c, m.NewOrder | m.MassCancel) else None,
            ord_type=_word(field("ord_type")),
            time_in_force=_word(field("time_in_force")),
            price=self.price(price) if has_price else None,
            qty=self.qty(qty) if has_qty else None,
            stop_px=self.price(c.stop_px) if field("stop_px") else None,
            display_qty=self.qty(c.display_qty) if field("display_qty") else None,
            min_qty=self.qty(c.min_qty) if field("min_qty") else None,
            expire_ns=field("expire_time") or None,
            post_only=(c.post_only or None) if new else None,
            hidden=(c.hidden or None) if new else None,
            ts_event_ns=c.ts_event or None,
            ts_recv_ns=c.ts_recv or None,
        )

    def order(self, event: str, e: Any, **columns: Any) -> None:
        nothing = dict.fromkeys(
            (
                *("ord_type", "time_in_force", "price", "qty", "leaves_qty", "cum_qty", "cancelled_qty", "stop_px"),
                *("display_qty", "reason", "client_text"),
            )
        )
        cl_ord_id = e.cl_ord_id if "cl_ord_id" in type(e).FIELDS else 0
        self.put(
            "orders",
            cause=e.cause,
            event=event,
            order_id=e.order_id,
            cl_ord_id=_id(cl_ord_id),
            account=e.account,
            instrument=e.instrument,
            side=_word(e.side),
            **{**nothing, **columns},
        )

    def on_order_accepted(self, e: m.OrderAccepted) -> None:
        command = self.command
        text = command.client_text if isinstance(command, m.NewOrder) and command.seq == e.cause else ""
        self.order(
            "accepted_waiting" if e.waiting else "accepted",
            e,
            ord_type=_word(e.ord_type),
            time_in_force=_word(e.time_in_force),
            price=self.price(e.price),
            qty=self.qty(e.qty),
            leaves_qty=self.qty(e.qty),
            cum_qty=self.qty(0),
            stop_px=self.price(e.stop_px) if e.stop_px else None,
            display_qty=self.qty(e.display_qty) if e.display_qty else None,
            client_text=text or None,
        )

    def on_order_replaced(self, e: m.OrderReplaced) -> None:
        self.order("replaced", e, price=self.price(e.price), qty=self.qty(e.qty), leaves_qty=self.qty(e.leaves_qty))

    def on_order_cancelled(self, e: m.OrderCancelled) -> None:
        self.order(
            "expired" if e.reason == m.CancelReason.expired else "cancelled",
            e,
            price=self.price(e.price),
            leaves_qty=self.qty(0),
            cum_qty=self.qty(e.cum_qty),
            cancelled_qty=self.qty(e.cancelled_qty),
            reason=_word(e.reason),
        )

    def on_order_triggered(self, e: m.OrderTriggered) -> None:
        self.order(
            "triggered",
            e,
            price=self.price(e.price),
            leaves_qty=self.qty(e.leaves_qty),
            stop_px=self.price(e.stop_px) if e.stop_px else None,
            reason=_word(e.reason),
        )

    def on_order_restated(self, e: m.OrderRestated) -> None:
        self.order(
            "restated",
            e,
            price=self.price(e.price),
            qty=self.qty(e.qty),
            leaves_qty=self.qty(e.leaves_qty),
            display_qty=self.qty(e.displayed_qty),
            reason=_word(e.reason),
        )

    def on_order_executed(self, e: m.OrderExecuted) -> None:
        self.count(e, e.price, e.qty, 1)
        self.match("trade", e, e.price, e.qty, e.auction, e.aggressor)

    def on_trade_busted(self, e: m.TradeBusted) -> None:
        self.count(e, e.price, e.qty, -1)
        self.match("bust", e, e.price, e.qty, False, m.Side.unspecified)

    def on_trade_corrected(self, e: m.TradeCorrected) -> None:
        self.count(e, e.old_price, e.old_qty, -1)
        self.count(e, e.price, e.qty, 1)
        self.match("correct", e, e.price, e.qty, False, m.Side.unspecified)

    def count(self, e: Any, price: int, qty: int, sign: int) -> None:
        """Both sides of a match, or of one taken back, which an operator may do with one that never was."""
        for account, buys in (
            (e.maker_account, e.taker_side != m.Side.buy),
            (e.taker_account, e.taker_side == m.Side.buy),
        ):
            had, paid, matches = self.traded[account, e.instrument, buys]
            self.traded[account, e.instrument, buys] = (had + sign * qty, paid + sign * price * qty, matches + sign)

    def match(self, kind: str, e: Any, price: int, qty: int, auction: bool, aggressor: m.Side) -> None:
        terms = self.terms.get(e.instrument)
        self.put(
            "trades",
            kind=kind,
            feed=self.feed,
            ticker=terms[2] if terms else None,
            instrument=e.instrument,
            trade_id=Decimal(e.match_id),
            price=self.price(price),
            qty=self.qty(qty),
            aggressor=_word(aggressor),
            auction=auction,
            maker_account=e.maker_account,
            taker_account=e.taker_account,
            maker_order_id=e.maker_order_id,
            taker_order_id=e.taker_order_id,
            quality=None,
        )
        top = self.tops.get(e.instrument, (0, 0, 0, 0)) if kind == "trade" else (0, 0, 0, 0)
        for role, account, order, contra, leaves in (
            ("maker", e.maker_account, e.maker_order_id, e.taker_account, "maker_leaves_qty"),
            ("taker", e.taker_account, e.taker_order_id, e.maker_account, "taker_leaves_qty"),
        ):
            buys = (e.taker_side == m.Side.buy) == (role == "taker")
            self.put(
                "executions",
                role=role,
                kind=kind,
                cause=e.cause,
                match_id=e.match_id,
                account=account,
                instrument=e.instrument,
                order_id=order,
                side="buy" if buys else "sell",
                price=self.price(price),
                qty=self.qty(qty),
                leaves_qty=self.qty(getattr(e, leaves)) if kind == "trade" else None,
                notional=self.notional(price * qty),
                contra_account=contra,
                auction=auction,
                bid=self.price(top[0]) if top[1] else None,
                ask=self.price(top[2]) if top[3] else None,
            )
        for account in dict.fromkeys((e.maker_account, e.taker_account)):
            self.position(account, e.instrument)

    def position(self, account: int, instrument: int) -> None:
        bought, paid, buys = self.traded[account, instrument, True]
        sold, got, sells = self.traded[account, instrument, False]
        self.put(
            "positions",
            account=account,
            instrument=instrument,
            net=self.qty(bought - sold),
            bought=self.qty(bought),
            sold=self.qty(sold),
            bought_notional=self.notional(paid),
            sold_notional=self.notional(got),
            fills=buys + sells,
        )

    def on_order_rejected(self, e: Any) -> None:
        kind = "order" if isinstance(e, m.OrderRejected) else "cancel"
        reason = m.RejectReason(e.reason).name
        unit = self.qty if reason in IN_QTY else self.price if reason in IN_PRICE else self.notional
        known = e.instrument in self.terms and reason in (*IN_QTY, *IN_PRICE, "max_notional")
        command = self.command if self.command is not None and self.command.seq == e.cause else None
        self.put(
            "rejects",
            cause=e.cause,
            kind=kind,
            command=m.MessageType(command.TYPE).name if command else None,
            reason=reason,
            account=e.account,
            instrument=e.instrument or None,
            order_id=_id(e.order_id),
            cl_ord_id=_id(e.cl_ord_id),
            value=unit(e.value) if known else Decimal(e.value),
            bound=unit(e.limit) if known else Decimal(e.limit),
        )

    on_cancel_rejected = on_order_rejected

    def on_input_refused(self, e: m.InputRefused) -> None:
        nothing = dict.fromkeys(("cause", "account", "instrument", "order_id", "cl_ord_id", "bound"))
        found = m.MessageType(e.type_found).name if e.type_found else None
        self.put(
            "rejects",
            **nothing,
            kind="input",
            command=found,
            reason=_word(e.reason),
            value=Decimal(e.length),
        )

    def on_epoch_started(self, e: m.EpochStarted) -> None:
        self.put(
            "sessions",
            kind="writer",
            session=Decimal(e.epoch),
            name=None,
            state="opened",
            reason=e.version or None,
            number=e.resumed_seq,
        )

    def on_instrument_definition(self, d: m.InstrumentDefinition) -> None:
        if not d.decision:
            self.terms[d.instrument] = (d.price_exponent, d.qty_exponent, d.ticker)

        def price(value: int) -> Decimal | None:
            return scaled(value, d.price_exponent) if value else None

        self.put(
            "instruments",
            instrument=d.instrument,
            event="defined",
            decision=_word(d.decision) or "accepted",
            ticker=d.ticker,
            status=_word(d.status),
            reason=None,
            price_exponent=d.price_exponent,
            qty_exponent=d.qty_exponent,
            tick_size=scaled(d.tick_size, d.price_exponent),
            lot_size=scaled(d.lot_size, d.qty_exponent),
            max_qty=scaled(d.max_qty, d.qty_exponent) if d.max_qty else None,
            min_price=price(d.min_price),
            max_price=price(d.max_price),
            reference_price=price(d.reference_price),
            collar_bps=d.collar_bps or None,
            feed=self.feed,
        )

    def on_instrument_status_changed(self, e: m.InstrumentStatusChanged) -> None:
        terms = self.terms.get(e.instrument)
        nothing = dict.fromkeys(
            (
                *("price_exponent", "qty_exponent", "tick_size", "lot_size", "max_qty", "min_price", "max_price"),
                *("reference_price", "collar_bps"),
            )
        )
        self.put(
            "instruments",
            instrument=e.instrument,
            event="status",
            decision="accepted",
            ticker=e.ticker or (terms[2] if terms else None),
            status=_word(e.status),
            reason=_word(e.reason),
            **nothing,
            feed=self.feed,
        )


def _id(value: int) -> Decimal | None:
    return Decimal(value) if value else None

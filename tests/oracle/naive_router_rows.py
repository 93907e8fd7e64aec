"""What rows the records of a router's tape give in PostgreSQL, said as plainly as can be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from services.flusher.sinks.postgres.tables import COLUMNS
from tapewire import messages as m
from tests.oracle.naive_sink_rows import IN_PRICE, IN_QTY, Tables, _Fold, _id, _word, scaled


def rows_of_router(records: list[bytes], tape: int = 1) -> Tables:
    """The rows of each table, in the order of the tape."""
    fold = _Router(tape)
    for raw in records:
        fold.take(raw)
    return {table: rows for table, rows in fold.tables.items() if rows}


class _Router(_Fold):
    def __init__(self, tape: int) -> None:
        super().__init__(tape, "router")
        self.venues: dict[int, str] = {}

    def take(self, raw: bytes) -> None:
        record = self.record = m.decode(raw)
        name = m.MessageType(record.TYPE).name
        if isinstance(record, m.NewParent | m.ReplaceParent | m.CancelParent):
            self.asked(record)
        elif isinstance(record, m.NewChild | m.ReplaceChild | m.CancelChild):
            self.child(record)
        elif isinstance(record, m.MarketDefinition | m.VenueChanged):
            self.venues[record.venue] = record.name
            if isinstance(record, m.VenueChanged):
                self.on_venue_changed(record)
        elif isinstance(record, m.KillSwitch):
            self.decided(record)
        elif name in ("parent_changed", "parent_refused", "route_decided", "venue_reported"):
            getattr(self, f"on_{name}")(record)
        elif name == "instrument_definition":
            before = self.terms.get(record.instrument)
            self.on_instrument_definition(record)  # type: ignore[arg-type]
            if before and before[:2] != self.terms[record.instrument][:2]:
                self.terms[record.instrument] = before
        elif name in ("epoch_started", "input_refused"):
            getattr(self, f"on_{name}")(record)

    def on_venue_changed(self, e: m.VenueChanged) -> None:
        terms = {"kind": "venue", "session": Decimal(e.venue), "name": e.name or None, "state": _word(e.state)}
        self.row("sessions", **terms, reason=e.reason or None)

    def row(self, table: str, **columns: Any) -> None:
        """Everything that is not said is NULL."""
        self.put(table, **{**dict.fromkeys(COLUMNS[table][4:]), **columns})

    def market(self) -> dict[str, Any]:
        terms = self.terms.get(self.record.instrument)
        return {"instrument": self.record.instrument or None, "ticker": terms[2] if terms else None}

    def some_qty(self, value: int) -> Decimal | None:
        return self.qty(value) if value else None

    def some_price(self, value: int) -> Decimal | None:
        return self.price(value) if value else None

    def numbers(self, reason: int, value: int, bound: int) -> dict[str, Any]:
        word = m.RejectReason(reason).name
        unit = self.qty if word in IN_QTY else self.price if word in IN_PRICE else self.notional
        known = self.record.instrument in self.terms and word in (*IN_QTY, *IN_PRICE, "max_notional")
        return {
            "value": unit(value) if known else Decimal(value),
            "bound": unit(bound) if known else Decimal(bound),
        }

    def asked(self, c: Any) -> None:
        def field(name: str) -> Any:
            return getattr(c, name) if name in type(c).FIELDS else 0

        def part(name: str) -> Decimal | None:
            return scaled(field(name), -4) if field(name) else None

        says_why = c.decision and not isinstance(c, m.CancelParent)
        compared = self.numbers(c.decision, c.value, c.limit) if says_why else {}
        self.row(
            "parents",
            **self.market(),
            event={m.NewParent: "new", m.ReplaceParent: "replace", m.CancelParent: "cancel"}[type(c)],
            parent_id=_id(c.parent_id),
            cl_ord_id=_id(c.cl_ord_id),
            account=c.account,
            side=_word(field("side")),
            algorithm=_word(field("algorithm")),
            time_in_force=_word(field("time_in_force")),
            decision=_word(c.decision) or "accepted",
            qty=self.some_qty(field("qty")),
            limit_price=self.some_price(field("limit_price")),
            start_ns=field("start_time") or None,
            end_ns=field("end_time") or None,
            participation=part("participation"),
            max_participation=part("max_participation"),
            display_qty=self.some_qty(field("display_qty")),
            interval_ns=field("interval") or None,
            randomness=part("randomness"),
            urgency=part("urgency"),
            seed=_id(field("seed")),
            venues=_id(field("venues")),
            source=c.source,
            client_text=c.client_text or None,
            **compared,
        )

    def on_parent_changed(self, e: m.ParentChanged) -> None:
        self.row(
            "parents",
            **self.market(),
            cause=e.cause,
            event="changed",
            parent_id=_id(e.parent_id),
            cl_ord_id=_id(e.cl_ord_id),
            account=e.account,
            state=_word(e.state),
            qty=self.qty(e.qty),
            cum_qty=self.qty(e.cum_qty),
            leaves_qty=self.qty(e.leaves_qty),
            open_qty=self.qty(e.open_qty),
            notional=self.notional(e.notional_high * 2**64 + e.notional_low),
            last_price=self.some_price(e.last_price),
            last_qty=self.some_qty(e.last_qty),
            child_id=_id(e.child_id),
            children=e.children,
            reason=e.reason or None,
        )

    def on_parent_refused(self, e: m.ParentRefused) -> None:
        self.row(
            "parents",
            **self.market(),
            cause=e.cause,
            event="refused",
            parent_id=_id(e.parent_id),
            cl_ord_id=_id(e.cl_ord_id),
            account=e.account,
            decision=m.RejectReason(e.reason).name,
            reason=e.text or None,
            **self.numbers(e.reason, e.value, e.limit),
        )

    def on_route_decided(self, e: m.RouteDecided) -> None:
        terms = self.terms.get(e.instrument)
        decision = {
            **self.market(),
            "cause": e.cause,
            "parent_id": _id(e.parent_id),
            "slice": e.slice or None,
            "side": _word(e.side),
            "passive": e.passive,
            "asked_qty": self.qty(e.qty),
            "limit_price": self.some_price(e.limit_price),
            "unrouted_qty": self.qty(e.unrouted),
        }
        if not e.venues:
            self.row("routes", **decision, place=0)
        for place, v in enumerate(e.venues, start=1):
            self.row(
                "routes",
                **decision,
                place=place,
                venue=v.venue or None,
                venue_name=self.venues.get(v.venue) or None,
                price=self.some_price(v.price),
                size=self.qty(v.size),
                fee_bps=scaled(v.fee, -2),
                fill_rate=scaled(v.fill_rate, -4),
                reject_rate=scaled(v.reject_rate, -4),
                latency_ns=v.latency,
                score=scaled(v.score, terms[0] - 3) if terms and v.score else None,
                qty=self.qty(v.qty),
                state=_word(v.state),
                unusable=_word(v.unusable),
            )

    def child(self, c: Any) -> None:
        terms = {}
        if isinstance(c, m.NewChild):
            terms = {
                "side": _word(c.side),
                "ord_type": _word(c.ord_type),
                "time_in_force": _word(c.time_in_force),
                "post_only": c.post_only,
                "display_qty": self.some_qty(c.display_qty),
                "account": c.account or None,
                "route": c.route or None,
            }
        self.row(
            "children",
            **self.market(),
            **terms,
            cause=c.cause,
            event={m.NewChild: "new", m.ReplaceChild: "replace", m.CancelChild: "cancel"}[type(c)],
            child_id=Decimal(c.child_id),
            parent_id=Decimal(c.parent_id),
            venue=c.venue or None,
            venue_name=self.venues.get(c.venue) or None,
            price=None if isinstance(c, m.CancelChild) else self.some_price(c.price),
            qty=None if isinstance(c, m.CancelChild) else self.some_qty(c.qty),
            request=None if isinstance(c, m.NewChild) else c.request or None,
        )

    def on_venue_reported(self, e: m.VenueReported) -> None:
        self.row(
            "venue_reports",
            **self.market(),
            kind=_word(e.kind),
            origin=_word(e.origin),
            child_id=_id(e.child_id),
            venue=e.venue or None,
            venue_name=self.venues.get(e.venue) or None,
            side=_word(e.side),
            liquidity=_word(e.liquidity),
            live=e.live,
            price=self.some_price(e.price),
            qty=self.some_qty(e.qty),
            leaves_qty=self.qty(e.leaves_qty),
            cum_qty=self.qty(e.cum_qty),
            last_price=self.some_price(e.last_price),
            last_qty=self.some_qty(e.last_qty),
            fee=scaled(e.fee, e.fee_exponent) if e.fee else None,
            fee_currency=e.fee_currency or None,
            venue_order_id=e.order_id or None,
            exec_id=e.exec_id or None,
            ref_exec_id=e.ref_exec_id or None,
            code=e.code or None,
            reason=e.reason or None,
            venue_seq=e.origin_seq or None,
            ts_event_ns=e.ts_event or None,
        )

"""Which commands for many orders, and which of the operator's, the naive matcher refuses."""

from __future__ import annotations

from tapewire import messages as m
from tests.oracle.naive_state import (
    CALLS,
    MAX_AMENDED,
    MAX_INSTRUMENTS,
    MAX_PRICE,
    MAX_QTY,
    Refused,
    State,
    Status,
    down_to_tick,
    up_to_tick,
)

R = m.RejectReason


class OperatorChecks(State):
    def check_mass_cancel(self, c: m.MassCancel) -> None:
        why = m.CancelReason
        if c.side not in list(m.Side):
            raise Refused(R.invalid_field, c.side)
        if c.reason not in (why.unspecified, why.requested, why.mass_cancel, why.disconnected, why.kill_switch):
            raise Refused(R.invalid_field, c.reason)
        if c.instrument and c.instrument not in self.instruments:
            raise Refused(R.unknown_instrument, c.instrument)

    def check_definition(self, d: m.InstrumentDefinition) -> None:
        if not 0 < d.instrument < MAX_INSTRUMENTS:
            raise Refused(R.capacity, d.instrument, MAX_INSTRUMENTS - 1)
        if not 0 < d.tick_size <= MAX_PRICE:
            raise Refused(R.invalid_price, d.tick_size, MAX_PRICE)
        if not 0 < d.lot_size <= MAX_QTY:
            raise Refused(R.invalid_qty, d.lot_size, MAX_QTY)
        if not 0 <= d.max_qty <= MAX_QTY:
            raise Refused(R.invalid_qty, d.max_qty, MAX_QTY)
        for price in (d.min_price, d.max_price):
            if not 0 <= price <= MAX_PRICE:
                raise Refused(R.invalid_price, price, MAX_PRICE)
        if d.max_price and d.min_price > d.max_price:
            raise Refused(R.invalid_price, d.min_price, d.max_price)
        highest = d.max_price or MAX_PRICE
        if up_to_tick(max(d.min_price, 1), d.tick_size) > down_to_tick(highest, d.tick_size):
            raise Refused(R.invalid_price, d.tick_size, highest)
        if not 0 <= d.reference_price <= MAX_PRICE:
            raise Refused(R.invalid_price, d.reference_price, MAX_PRICE)
        for bps in (d.static_band_bps, d.dynamic_band_bps):
            if bps > 10_000:
                raise Refused(R.invalid_field, bps, 10_000)
        old = self.instruments.get(d.instrument)
        if old is None:
            if not Status.trading <= d.status <= Status.halt_auction:
                raise Refused(R.invalid_field, d.status)
            return
        if d.status not in (0, old.status):
            raise Refused(R.invalid_field, d.status, old.status)
        if old.live and d.tick_size != old.tick:
            raise Refused(R.instrument_exists, d.tick_size, old.tick)
        if old.live and d.lot_size != old.lot:
            raise Refused(R.instrument_exists, d.lot_size, old.lot)

    def check_set_status(self, c: m.SetInstrumentStatus) -> None:
        if not 1 <= c.status <= 7:
            raise Refused(R.invalid_field, c.status)
        if c.reason > 5:
            raise Refused(R.invalid_field, c.reason)
        if c.resume_time < 0 or (c.resume_time and c.status not in (Status.halted, *CALLS)):
            raise Refused(R.invalid_field, c.resume_time)
        if c.resume_time and c.resume_time <= c.ts:
            raise Refused(R.invalid_field, c.resume_time, c.ts)
        if c.instrument and c.instrument not in self.instruments:
            raise Refused(R.unknown_instrument, c.instrument)

    def check_clock(self, c: m.AdvanceClock) -> None:
        if c.up_to <= 0:
            raise Refused(R.invalid_field, c.up_to)
        if c.up_to < self.clock:
            raise Refused(R.invalid_field, c.up_to, self.clock)

    def check_trade(self, c: m.BustTrade | m.CorrectTrade) -> None:
        """A trade can be busted once, and corrected again as it then stands."""
        stands = self.amended.get(c.match_id)
        differs = stands is not None and (stands[1] == 0 or stands != (c.price, c.qty))
        if not 0 < c.match_id < self.next_match_id or differs:
            raise Refused(R.unknown_trade, c.match_id, self.next_match_id)
        if c.qty <= 0:
            raise Refused(R.invalid_field, c.qty)
        if c.price <= 0:
            raise Refused(R.invalid_field, c.price)
        if isinstance(c, m.CorrectTrade):
            if not 0 < c.new_price <= MAX_PRICE:
                raise Refused(R.invalid_price, c.new_price, MAX_PRICE)
            if not 0 < c.new_qty <= MAX_QTY:
                raise Refused(R.invalid_qty, c.new_qty, MAX_QTY)
        if stands is None and len(self.amended) >= MAX_AMENDED:
            raise Refused(R.capacity, len(self.amended), MAX_AMENDED)

"""Matchers that get one rule wrong each. A comparison that does not find every one of them out is worth nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tapewire import messages as m
from tests.oracle.naive_auction import Outcome
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.naive_state import BUY, Instrument, Order, Status


class LastComeFirstServed(NaiveMatcher):
    def queue(self, i: Instrument, order: Order) -> None:
        super().queue(i, order)
        order.arrived *= -1


class ReplaceAlwaysKeepsItsPlaceAtThePrice(NaiveMatcher):
    @staticmethod
    def keeps_place(old: Order, new: Order, waits: bool) -> bool:
        return new.price == old.price and new.stop_px == old.stop_px


class ReplaceNeverKeepsItsPlace(NaiveMatcher):
    @staticmethod
    def keeps_place(old: Order, new: Order, waits: bool) -> bool:
        return False


@dataclass
class HiddenOrder(Order):
    @property
    def priority(self) -> tuple[int, bool, int]:
        price, _, arrived = super().priority
        return (price, False, arrived)


class HiddenStandsAmongTheDisplayed(NaiveMatcher):
    def check_new(self, c: m.NewOrder) -> Order:
        return HiddenOrder(**vars(super().check_new(c)))


class RefreshKeepsItsPlace(NaiveMatcher):
    def after_execution(self, i: Instrument, maker: Order) -> None:
        place = maker.arrived
        super().after_execution(i, maker)
        maker.arrived = place


class AuctionOneTickOff(NaiveMatcher):
    def auction(self, i: Instrument) -> Outcome:
        found = super().auction(i)
        return replace(found, price=found.price + i.tick) if found.qty else found


class AuctionForgetsTheReference(NaiveMatcher):
    def auction(self, i: Instrument) -> Outcome:
        last, reference = i.last, i.reference_price
        i.last = i.reference_price = 0
        found = super().auction(i)
        i.last, i.reference_price = last, reference
        return found


class NewestAndOldestMixedUp(NaiveMatcher):
    def prevent(self, taker: Order, maker: Order) -> None:
        newest, oldest = m.SelfTrade.cancel_newest, m.SelfTrade.cancel_oldest
        mode = taker.self_trade
        taker.self_trade = {newest: oldest, oldest: newest}.get(mode, mode)
        super().prevent(taker, maker)
        taker.self_trade = mode


class DecrementTakesTheIncomingFirst(NaiveMatcher):
    def decrement(self, taker: Order, maker: Order) -> None:
        super().decrement(maker, taker)


class FillOrKillForgetsItsOwn(NaiveMatcher):
    def available(self, i: Instrument, order: Order, wanted: int) -> int:
        mode, order.self_trade = order.self_trade, m.SelfTrade.allow
        found = super().available(i, order, wanted)
        order.self_trade = mode
        return found


class StopsElectedOneTradeLate(NaiveMatcher):
    def elect(self, i: Instrument) -> list[Order]:
        found = self.events[-1]
        return super().elect(i) if not isinstance(found, m.OrderExecuted) else []


class StopsElectedWithoutATrade(NaiveMatcher):
    def run_stops(self, i: Instrument) -> None:
        self.traded.add(i.id)
        super().run_stops(i)


class StopsElectedBeyondTheirPriceOnly(NaiveMatcher):
    def elect(self, i: Instrument) -> list[Order]:
        i.last += -i.tick if any(o.stop_px == i.last and o.side == BUY for o in i.waiting) else 0
        return super().elect(i)


class BandFollowsTradesAtOnce(NaiveMatcher):
    def execute(self, i: Instrument, maker: Order, taker: Order, price: int, qty: int, auction: bool = False) -> None:
        super().execute(i, maker, taker, price, qty, auction)
        i.set_band()


class BandIsNotEnforcedWhenTradingBegins(NaiveMatcher):
    def enforce_band(self, i: Instrument) -> None:
        if not isinstance(self.command, m.SetInstrumentStatus | m.AdvanceClock):
            super().enforce_band(i)


class TriggeredStopLimitRestsBeyondTheBand(NaiveMatcher):
    def trigger(self, i: Instrument, order: Order) -> None:
        self.match(i, order)
        if order.leaves and order.ord_type == m.OrdType.stop_limit:
            self.queue_if_room(i, order)
        elif order.leaves:
            self.cancel(order, m.CancelReason.market_remainder)


class LimitStateCountsOnFromTheFirst(NaiveMatcher):
    def watch_limit_state(self, i: Instrument) -> None:
        due = i.limit_due
        super().watch_limit_state(i)
        i.limit_due = due if due and i.limit_due else i.limit_due


class IndicatesEveryTime(NaiveMatcher):
    def indicate(self, i: Instrument) -> None:
        i.indicated = (0, 0, 0, m.Side.unspecified)
        super().indicate(i)


class DayOrdersOutliveTheClose(NaiveMatcher):
    @staticmethod
    def ends_with(i: Instrument, order: Order, status: Status) -> m.CancelReason | None:
        why = NaiveMatcher.ends_with(i, order, status)
        return None if why == m.CancelReason.expired else why


class SlideStopsAtTheTouch(NaiveMatcher):
    def price_after_slide(self, i: Instrument, order: Order, price: int) -> int:
        slid = super().price_after_slide(i, order, price)
        return slid + (0 if slid == price else i.tick if order.side == BUY else -i.tick)


class SnapshotForgetsWhatAnIcebergShows(NaiveMatcher):
    def snapshot(self) -> bytes:
        kept = [(o, o.part) for o in self.live]
        for order, _ in kept:
            order.show_next_part()
        found = super().snapshot()
        for order, part in kept:
            order.part = part
        return found


UNFAIR: list[type[NaiveMatcher]] = [
    LastComeFirstServed,
    ReplaceAlwaysKeepsItsPlaceAtThePrice,
    ReplaceNeverKeepsItsPlace,
    HiddenStandsAmongTheDisplayed,
    RefreshKeepsItsPlace,
    AuctionOneTickOff,
    AuctionForgetsTheReference,
    NewestAndOldestMixedUp,
    DecrementTakesTheIncomingFirst,
    FillOrKillForgetsItsOwn,
    StopsElectedOneTradeLate,
    StopsElectedWithoutATrade,
    StopsElectedBeyondTheirPriceOnly,
    BandFollowsTradesAtOnce,
    BandIsNotEnforcedWhenTradingBegins,
    TriggeredStopLimitRestsBeyondTheBand,
    LimitStateCountsOnFromTheFirst,
    IndicatesEveryTime,
    DayOrdersOutliveTheClose,
    SlideStopsAtTheTouch,
    SnapshotForgetsWhatAnIcebergShows,
]

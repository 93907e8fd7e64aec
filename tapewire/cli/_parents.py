"""Parents in words and as JSON: every number in the instrument's own units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from tapewire import messages as m
from tapewire import times
from tapewire.fixed import to_text
from tapewire.router_parents import ChildStory, ParentStories, ParentStory

MILLI = -3
"""Benchmark prices are in 1/1,000 of the price mantissa, slippage in 1/100 of a basis point."""
BPS_EXPONENT = -2
WIDTHS = (6, 10, 5, 10, 11, 12, 12, 12, 10)
TITLES = ("parent", "ticker", "side", "algorithm", "state", "quantity", "done", "average", "versus arrival")


class Teller:
    def __init__(self, stories: ParentStories) -> None:
        self._stories = stories

    def as_json(self, value: object) -> str:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()

    # One line each.

    def table(self, stories: Iterable[ParentStory]) -> Iterator[str]:
        yield "  ".join(title.ljust(width) for title, width in zip(TITLES, WIDTHS, strict=True)).rstrip()
        for story in stories:
            told = self.summary(story)
            cells = (
                *(told["parent"], told["ticker"], told["side"], told["algorithm"], told["state"]),
                *(told["qty"], told["done"], told["average"] or "-", f"{told['versus_arrival_bps']} bps"),
            )
            yield "  ".join(str(cell).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()

    def summary(self, story: ParentStory) -> dict[str, Any]:
        new, now, measured = story.new, story.now, story.measured
        return {
            "parent": new.parent_id,
            "account": new.account,
            "ticker": self._definition(story).ticker,
            "side": new.side.name,
            "algorithm": new.algorithm.name,
            "state": now.state.name,
            "reason": now.reason,
            "qty": self._qty(story, now.qty),
            "done": self._qty(story, now.cum_qty),
            "open": self._qty(story, now.open_qty),
            "children_live": now.children,
            "average": self._average(story),
            "versus_arrival_bps": to_text(measured.versus_arrival, BPS_EXPONENT) if measured else "0.00",
        }

    # All of it.

    def whole(self, story: ParentStory) -> dict[str, Any]:
        return {
            **self.summary(story),
            "terms": self._terms(story),
            "measured": self._measured(story),
            "slices": [
                {
                    "number": s.number,
                    "of": s.slices,
                    "due": times.show(s.due),
                    "qty": self._qty(story, s.qty),
                    "total": self._qty(story, s.total_qty),
                }
                for s in story.slices
            ],
            "decisions": [self._decision(story, route) for route in story.routes],
            "children": [self._child(story, child) for child in story.children.values()],
        }

    def words(self, story: ParentStory, now: int) -> Iterator[str]:
        new, stands = story.new, story.now
        told = self.summary(story)
        limit = f", never worse than {self._price(story, new.limit_price)}" if new.limit_price else ""
        yield (
            f"Parent {new.parent_id} of account {new.account}: {told['side']} {told['qty']} {told['ticker']} "
            f"by {told['algorithm']}{limit}. Entered {times.show(new.ts)}."
        )
        for name, value in self._terms(story).items():
            yield f"    {name}: {value}"
        for amendment in story.amendments:
            yield f"    amended {times.show(amendment.ts)}"
        because = f" ({stands.reason})" if stands.reason else ""
        yield (
            f"It is {told['state']}{because}: {told['done']} done at {told['average'] or 'no price yet'}, "
            f"{told['open']} open at venues in {stands.children} children."
        )
        yield from self._measured_words(story)
        if story.slices:
            yield "Schedule:"
            for s in story.slices:
                of = f" of {s.slices}" if s.slices else ""
                late = "" if s.due <= now else ", to come"
                yield (
                    f"    slice {s.number}{of}: {self._qty(story, s.qty)} at {times.show(s.due)}"
                    f" (then {self._qty(story, s.total_qty)} in all{late})"
                )
        yield "Decisions and their children:"
        for route in story.routes:
            yield from self._route_words(story, route)

    def _route_words(self, story: ParentStory, route: m.RouteDecided) -> Iterator[str]:
        what = "rest" if route.passive else "take"
        limit = f" within {self._price(story, route.limit_price)}" if route.limit_price else ""
        left = f"; {self._qty(story, route.unrouted)} nowhere" if route.unrouted else ""
        number = f"slice {route.slice}, " if route.slice else ""
        yield f"    {times.show(route.ts)} {number}{what} {self._qty(story, route.qty)}{limit}{left}"
        for score in route.venues:
            yield f"        {self._score_words(story, score)}"
        for child in story.children.values():
            if child.new.route == route.seq:
                yield f"        {self._child_words(story, child)}"

    def _score_words(self, story: ParentStory, s: m.VenueScore) -> str:
        name = self._stories.venues.get(s.venue, str(s.venue))
        if s.unusable:
            return f"{name}: not considered, {s.unusable.name.replace('_', ' ')}"
        given, shows = self._qty(story, s.qty), self._qty(story, s.size)
        return (
            f"{name}: {given} given; shows {shows} from {self._price(story, s.price)}, "
            f"fee {to_text(s.fee, BPS_EXPONENT)} bps, fills {to_text(s.fill_rate, -2)} %, "
            f"refuses {to_text(s.reject_rate, -2)} %, answers in {s.latency / 1e6:.1f} ms, "
            f"score {self._milli(story, s.score)}"
        )

    def _child_words(self, story: ParentStory, child: ChildStory) -> str:
        new = child.new
        name = self._stories.venues.get(new.venue, str(new.venue))
        done = sum(r.last_qty for r in child.reports if r.kind == m.VenueReportKind.executed)
        requests = f", {len(child.requests)} changes asked for" if child.requests else ""
        order = f"{new.side.name} {self._qty(story, new.qty)} at {self._price(story, new.price)}"
        return (
            f"child {new.child_id} at {name}: {order} "
            f"({new.time_in_force.name}); {child.stands}, {self._qty(story, done)} executed{requests}"
        )

    def _measured_words(self, story: ParentStory) -> Iterator[str]:
        measured = self._measured(story)
        if measured is None:
            return
        yield (
            f"Scheduled by now: {measured['scheduled']}. Market since its start: {measured['market']}, its share "
            f"{measured['participation_percent']} %. Fees: {measured['fees']}."
        )
        for name in ("arrival", "twap", "vwap"):
            if measured[name]:
                yield (
                    f"    {name} {measured[name]}: {measured[f'versus_{name}_bps']} bps "
                    f"{'worse' if not measured[f'versus_{name}_bps'].startswith('-') else 'better'}"
                )

    def _measured(self, story: ParentStory) -> dict[str, str] | None:
        one = story.measured
        if one is None:
            return None
        definition = self._definition(story)
        return {
            "scheduled": self._qty(story, one.scheduled_qty),
            "market": self._qty(story, one.market_qty),
            "participation_percent": to_text(one.participation, -2),
            "average": self._milli(story, one.average) if one.average else "",
            **{name: self._milli(story, value) if (value := getattr(one, name)) else "" for name in BENCHMARKS},
            **{f"versus_{name}_bps": to_text(getattr(one, f"versus_{name}"), BPS_EXPONENT) for name in BENCHMARKS},
            "fees": to_text(one.fees, definition.price_exponent + definition.qty_exponent),
        }

    def _terms(self, story: ParentStory) -> dict[str, str]:
        """Those that were given, in words."""
        new = story.new
        told = {
            "begins": times.show(new.start_time) if new.start_time else "",
            "ends": times.show(new.end_time) if new.end_time else "",
            "participation": f"{to_text(new.participation, -2)} %" if new.participation else "",
            "at most": f"{to_text(new.max_participation, -2)} % of the market" if new.max_participation else "",
            "shows": self._qty(story, new.display_qty) if new.display_qty else "",
            "slices every": f"{new.interval / 1e9} s" if new.interval else "",
            "randomness": f"{to_text(new.randomness, -2)} %, seed {new.seed}" if new.randomness else "",
            "urgency": f"{to_text(new.urgency, -2)} %" if new.urgency else "",
            "time in force": new.time_in_force.name if new.time_in_force else "",
            "venues": ", ".join(name for number, name in self._stories.venues.items() if new.venues >> number & 1),
        }
        return {name: value for name, value in told.items() if value}

    def _decision(self, story: ParentStory, route: m.RouteDecided) -> dict[str, Any]:
        return {
            "record": route.seq,
            "time": times.show(route.ts),
            "slice": route.slice,
            "passive": route.passive,
            "qty": self._qty(story, route.qty),
            "limit": self._price(story, route.limit_price) if route.limit_price else "",
            "unrouted": self._qty(story, route.unrouted),
            "venues": [
                {
                    "venue": self._stories.venues.get(s.venue, str(s.venue)),
                    "qty": self._qty(story, s.qty),
                    "price": self._price(story, s.price),
                    "size": self._qty(story, s.size),
                    "fee_bps": to_text(s.fee, BPS_EXPONENT),
                    "fill_percent": to_text(s.fill_rate, -2),
                    "reject_percent": to_text(s.reject_rate, -2),
                    "latency_ns": s.latency,
                    "score": self._milli(story, s.score),
                    "unusable": s.unusable.name if s.unusable else "",
                }
                for s in route.venues
            ],
        }

    def _child(self, story: ParentStory, child: ChildStory) -> dict[str, Any]:
        new = child.new
        return {
            "child": new.child_id,
            "venue": self._stories.venues.get(new.venue, str(new.venue)),
            "decision": new.route,
            "qty": self._qty(story, new.qty),
            "price": self._price(story, new.price),
            "time_in_force": new.time_in_force.name,
            "stands": child.stands,
            "reports": [
                {
                    "record": r.seq,
                    "kind": r.kind.name,
                    "origin": r.origin.name,
                    "last_qty": self._qty(story, r.last_qty),
                    "last_price": self._price(story, r.last_price),
                    "exec_id": r.exec_id,
                    "reason": r.reason,
                }
                for r in child.reports
            ],
        }

    def _average(self, story: ParentStory) -> str:
        cum = story.now.cum_qty
        if cum <= 0:
            return ""
        return self._milli(story, story.notional * 1000 // cum)

    def _definition(self, story: ParentStory) -> m.InstrumentDefinition:
        return self._stories.instruments[story.new.instrument]

    def _qty(self, story: ParentStory, value: int) -> str:
        return to_text(value, self._definition(story).qty_exponent)

    def _price(self, story: ParentStory, value: int) -> str:
        return to_text(value, self._definition(story).price_exponent)

    def _milli(self, story: ParentStory, value: int) -> str:
        return to_text(value, self._definition(story).price_exponent + MILLI)


BENCHMARKS = ("arrival", "twap", "vwap")

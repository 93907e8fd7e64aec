"""Orders as they follow from an engine's state, where the records before are gone: pure.

    stands as it is    live orders, instruments and their statuses, whose orders they are, the last command of our own
    not known          an order's ClOrdID, parties, MinQty, a MaxFloor that hides nothing, the stop price that it was
                       triggered at, at which prices it has filled; orders that were done; trades of before

`Orders.known_from` says which record that is. What cannot be known is left out of reports and not made up. Of a trade
that was busted or corrected before, an order's `cum` counts what it was.
"""

from __future__ import annotations

from services.gateway.happened import Order
from services.gateway.instruments import Instrument
from services.gateway.orders import Orders
from tapewire import messages as m
from tapewire.definitions import by_ticker
from tapewire.engine_state import SESSION_BITS, EngineState, LiveOrder


def begin(orders: Orders, engine: EngineState) -> None:
    """Fills new ones, so that they go on with the record behind the engine's state."""
    orders.seq = orders.known_from = engine.seq
    orders.first_match = engine.next_match_id
    orders.last_cl_ord_id = max(
        (last for (source, _), last in engine.cl_ord_ids.items() if source == orders.source), default=0
    )
    known = orders.instruments
    for number, definition in engine.definitions.instruments.items():
        known.by_number[number] = _instrument(definition, engine)
    for ticker, definition in by_ticker(engine.definitions).items():
        known.by_ticker[ticker] = known.by_number[definition.instrument]
    for one in engine.orders:
        orders.add(_order(one, known.by_number[one.instrument], orders))


def _instrument(definition: m.InstrumentDefinition, engine: EngineState) -> Instrument:
    made = Instrument(definition)
    rules = engine.rules.get(definition.instrument)
    if rules is None:
        made.status = m.InstrumentStatus.delisted
        return made
    made.status, made.reason = rules.status, rules.reason
    if rules.limit_state != m.LimitState.normal:
        made.limits = (rules.lower_price, rules.upper_price)
    return made


def _order(one: LiveOrder, instrument: Instrument, orders: Orders) -> Order:
    order = Order(one.as_command(), None, instrument, "", one.session >> SESSION_BITS == orders.source)
    order.cl_ord_id, order.names = "", []
    order.known_from, order.leaves, order.waiting = orders.known_from, one.leaves, one.waiting
    order.cum = order.unpriced = one.qty - one.leaves
    order.status = "1" if order.cum else "0"
    return order

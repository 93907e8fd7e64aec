"""Views as they follow from an engine's state, where the records before are gone (`Views.of_engine`).

    stands as it is    books, statuses, live orders, net positions, what is open, limits, kill switches
    not known          an order's ClOrdID, when it came, at which prices it filled; fills, trades and bars of before;
                       the cost of a position that was held then, what was bought and sold, what was realised;
                       why and when a kill switch was engaged

`Views.known_from` says which record that is. What cannot be known is marked and not made up: of an order by
`known_from` and `unpriced`, of a holding by `cost_known`. Of a trade that was busted or corrected before, an order's
`cum` counts what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapewire import messages as m
from tapewire.engine_state import EngineState, LiveOrder
from tapewire.views.changes import Kill
from tapewire.views.holding import Part
from tapewire.views.orders import Order, Status

if TYPE_CHECKING:
    from tapewire.views.views import Views


def begin(views: Views, engine: EngineState) -> None:
    """Fills new views, whose house market stands there already."""
    views.known_from, views.ts = engine.seq, engine.ts
    for (account, instrument), net in sorted(engine.positions.items()):
        holding = views.holding(account, instrument)
        holding.net, holding.newer = net, Part(net, 0, 0, [])
        holding.cost_known = not net
        holding.seq, holding.ts = engine.seq, engine.ts
    for one in engine.orders:
        views.orders.add(_order(views, one, engine.seq))
    views.limits = dict(engine.definitions.accounts)
    views.kills = {account: Kill(0, 0, "") for account in sorted(engine.killed)}


def _order(views: Views, one: LiveOrder, known_from: int) -> Order:
    order = Order(one.order_id, one.account, one.instrument, views.holding(one.account, one.instrument))
    order.buy, order.waiting = one.side == m.Side.buy, one.waiting
    order.qty, order.stop_px = one.qty, one.stop_px
    order.stands(one.price, one.leaves)
    order.cum = order.unpriced = one.qty - one.leaves
    order.status = Status.partially_filled if order.cum else Status.new
    # Pages go by `created`: the number of an order is no greater than that of its record, and rises with it.
    order.created, order.known_from, order.terms = one.order_id, known_from, bytes(one.as_command())
    return order

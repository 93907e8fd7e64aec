from __future__ import annotations

from tapewire import messages as m
from tapewire.views import Views
from tapewire.views.orders import LIFE, LIFE_BEGINNING

NAMED = {"instrument": 1, "account": 1, "order_id": 1}


def test_of_a_long_life_the_beginning_and_the_end_are_kept() -> None:
    definition = {"ticker": "ACME", "tick_size": 1, "lot_size": 1, "status": m.InstrumentStatus.trading}
    views, seq = Views("demo"), 5
    for record in (
        m.InstrumentDefinition(seq=1, instrument=1, **definition),
        m.CommandCompleted(seq=2, cause=1, instrument=1, command=m.MessageType.instrument_definition),
        m.NewOrder(seq=3, **NAMED, side=m.Side.buy, price=10, qty=1000, client_text="mine"),
        m.OrderAccepted(seq=4, cause=3, **NAMED, side=m.Side.buy, price=10, qty=1000),
    ):
        views.fold(bytes(record))
    for _ in range(500):
        views.fold(bytes(m.CancelOrder(seq=seq, **NAMED)))
        views.fold(bytes(m.CancelRejected(seq=seq + 1, cause=seq, **NAMED)))
        seq += 2
    order = views.orders.by_id[1]
    seqs = [m.decode(raw).seq for raw in order.life]
    assert order.text == "mine"
    assert len(seqs) <= LIFE
    assert seqs[:LIFE_BEGINNING] == [3, 4, *range(6, 6 + 2 * (LIFE_BEGINNING - 2), 2)]
    assert seqs[-1] == seq - 1
    assert len(seqs) + order.dropped == 502

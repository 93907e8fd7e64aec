"""Enters an order at the house market and awaits its reports: accepted, then cancelled on request.

python examples/enter_order.py [DATA FOLDER] [TICKER] [PRODUCER]      (while `tapewire demo` runs)

PRODUCER is one of [engine] producers that no other process uses.
"""

import sys

from tapewire import messages as m
from tapewire.client import OrderClient


def main(data: str = ".tapewire/demo", ticker: str = "BTCUSDT", producer: str = "example") -> None:
    with OrderClient.open(data, producer=producer) as client:
        instrument = client.instruments()[ticker]
        tick = instrument.tick_size
        price = instrument.reference_price * 9 // 10 // tick * tick  # far below: it rests
        sent = client.new_order(
            instrument=instrument.instrument, side=m.Side.buy, price=price, qty=instrument.lot_size, account=1
        )
        order_id = 0
        for report in client.answers(sent):
            print(report)
            if isinstance(report, m.OrderAccepted):
                order_id = report.order_id
        if not order_id:
            sys.exit("the order was refused: the report above says why")
        for report in client.answers(client.cancel(order_id, account=1)):
            print(report)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Enters a parent order, a TWAP, and follows it to its end: slices, executions, slippage.

python examples/parent_order.py [DATA FOLDER] [TICKER] [QTY] [SECONDS]      (while engine, journal and router run)
"""

import sys
import time

from tapewire import messages as m
from tapewire.fixed import to_mantissa, to_text
from tapewire.router_client import RouterClient

ENDED = (m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired)


def main(data: str = ".tapewire/demo", ticker: str = "ACME", qty: str = "30", seconds: str = "5") -> None:
    with RouterClient.open(data) as client:
        instrument = client.instruments()[ticker]
        sent = client.new(
            instrument=instrument.instrument,
            side=m.Side.buy,
            qty=to_mantissa(qty, instrument.qty_exponent),
            account=1,
            algorithm=m.Algorithm.twap,
            end_time=time.time_ns() + int(seconds) * 10**9,
            randomness=2_000,
        )
        answer = client.answer(sent)
        if isinstance(answer, m.ParentRefused):
            sys.exit(f"refused: {answer.reason.name} {answer.text}")
        print(f"parent {answer.parent_id}: {answer.state.name}")
        stands = answer
        while stands.state not in ENDED:
            for event in client.poll():
                if event.parent_id != answer.parent_id:
                    continue
                if isinstance(event, m.ParentChanged):
                    stands = event
                    done = to_text(event.cum_qty, instrument.qty_exponent)
                    print(f"{event.state.name}: {done} done, {event.children} children live")
                elif isinstance(event, m.ParentMeasured) and event.average:
                    print(f"    {to_text(event.versus_arrival, -2)} basis points worse than at its arrival")
            client.wait(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Asks for the top of a book by FIX, enters an order below it and cancels it, and prints the bytes of both sessions.

python examples/fix_order.py [DATA FOLDER] [TICKER]      (while `tapewire demo` runs)
"""

import sys
import time
import tomllib
from decimal import Decimal
from pathlib import Path

from tapewire.fix.auth import read_secret, redacted
from tapewire.fix.client import FixClient, Login


def main(data: str = ".tapewire/demo", ticker: str = "BTCUSDT") -> None:
    gateway = tomllib.loads((Path(data) / "demo.toml").read_text())["gateway"]
    secret = read_secret(Path(data) / "gateway" / "keys" / "demo")

    def session(name: str) -> FixClient:
        login = Login(name.upper(), "TAPEWIRE", name, "ed25519", secret)
        client = FixClient("127.0.0.1", gateway["port"], login)
        answer = client.logon(reset=True)
        if answer.type != "A":
            sys.exit(f"{name}: {answer.get(58)}")
        return client

    market = session("demo-md")
    market.send("V", [(262, "book"), (263, 0), (264, 1), (267, 2), (269, 0), (269, 1), (146, 1), (55, ticker)])
    book = market.expect("W", "Y")
    fields = book.pairs()
    bid = fields.index((269, "0"))
    price, qty = fields[bid + 1][1], fields[bid + 2][1]
    below = (Decimal(price) * Decimal("0.99")).quantize(Decimal(price))
    market.logout()

    orders = session("demo")
    name = f"example-{time.time_ns()}"
    now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    orders.send("D", [(11, name), (55, ticker), (54, 1), (60, now), (38, qty), (40, 2), (44, below), (59, 1)])
    report = orders.expect("8", where=[(11, name)])
    if report[150] == "0":
        orders.send("F", [(11, f"{name}-x"), (41, name), (55, ticker), (54, 1), (60, now)])
        orders.expect("8", "9", where=[(11, f"{name}-x")])
    orders.logout()

    for client in (market, orders):
        for line in client.transcript:
            print("->" if line.outgoing else "<-", redacted(line.raw).replace("\x01", "|"))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The exchanges of docs/api.md, made by asking a running API: `python -m tests.api.exchanges` writes them anew."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tapewire import messages as m
from tapewire.nats_server import NatsServer
from tests.api.client import Answer, HttpClient
from tests.api.router_stack import RouterStack
from tests.api.stack import PASSWORD, Stack, order
from tests.engine_process import PATIENCE_S, ROOT

DOCUMENT = ROOT / "docs" / "api.md"
BLOCK = re.compile(r"<!-- exchange: (.+?) -->\n```\n(.*?)```\n", re.DOTALL)
MOST_ITEMS = 2
"""Of a list; more are left out, and … says so."""
WIDTH = 118


class Asked(NamedTuple):
    name: str
    method: str
    target: str
    body: Any
    answer: Answer


class Asking:
    """Asks, and keeps what was asked and answered in `found`."""

    def __init__(self) -> None:
        self.found: list[Asked] = []

    def __call__(
        self, client: HttpClient, name: str, method: str, target: str, body: Any = None, status: int = 200
    ) -> Answer:
        answer = client.call(method, target, body)
        assert answer.status == status, (name, answer)
        self.found.append(Asked(name, method, target, body, answer))
        return answer


def exchanges(stack: Stack) -> list[Asked]:
    """One of each endpoint at least, in the order of the document."""
    desk, boss, user = stack.client(), stack.client("boss"), stack.client("")
    ask = Asking()

    def log_in() -> None:
        answer = user.log_in("ann", PASSWORD)
        ask.found.append(Asked("login", "POST", "/v1/login", {"user": "ann", "password": PASSWORD}, answer))

    _orders(ask, desk, boss)
    _markets(ask, desk)
    _accounts(ask, desk, boss)
    _platform(ask, desk, boss)
    log_in()
    ask(user, "ticket", "POST", "/v1/stream/ticket")
    ask(user, "logout", "POST", "/v1/logout")
    return ask.found


def _orders(ask: Asking, desk: HttpClient, boss: HttpClient) -> None:
    placed = ask(desk, "place", "POST", "/v1/orders", order("a-1"), 201)
    number = placed.body["order_id"]
    ask(desk, "repeat", "POST", "/v1/orders", order("a-1"))
    ask(desk, "conflict", "POST", "/v1/orders", order("a-1", qty="9.00000"), 409)
    ask(desk, "refused", "POST", "/v1/orders", order("a-2", price="90000.00"), 422)
    ask(desk, "amend", "PATCH", f"/v1/orders/{number}", {"cl_ord_id": "a-3", "account": 1, "price": "63500.00"})
    boss.call("POST", "/v1/orders", order("b-1", account=2, side="sell", price="63500.00", qty="0.00400"))
    ask(desk, "order", "GET", f"/v1/orders/{number}")
    ask(desk, "orders", "GET", "/v1/orders?account=1")
    ask(desk, "by-cl-ord-id", "GET", "/v1/orders?account=1&cl_ord_id=a-1")
    ask(desk, "fills", "GET", "/v1/fills?account=1&limit=1")
    ask(desk, "cancel", "DELETE", f"/v1/orders/{number}?cl_ord_id=a-4")
    desk.call("POST", "/v1/orders", order("a-5"))
    ask(desk, "mass-cancel", "POST", "/v1/orders/cancel", {"cl_ord_id": "a-6", "account": 1, "ticker": "BTCUSDT"})
    desk.call("POST", "/v1/orders", order("a-7"))


def _markets(ask: Asking, desk: HttpClient) -> None:
    ask(desk, "instruments", "GET", "/v1/instruments")
    ask(desk, "instrument", "GET", "/v1/instruments/BRK.B")
    ask(desk, "book", "GET", "/v1/books/BTCUSDT?depth=5")
    ask(desk, "trades", "GET", "/v1/trades/BTCUSDT?limit=2")
    ask(desk, "bars", "GET", "/v1/bars/BTCUSDT?interval=1m&limit=2")


def _accounts(ask: Asking, desk: HttpClient, boss: HttpClient) -> None:
    ask(desk, "positions", "GET", "/v1/positions?account=1")
    ask(boss, "limits", "PUT", "/v1/risk/limits/1", {"max_order_qty": 100_000_000, "max_position": 1_000_000_000})
    ask(desk, "risk", "GET", "/v1/risk?account=1")
    ask(boss, "kill", "POST", "/v1/risk/kill", {"account": 1, "engaged": True, "cancel_open": True, "reason": "drill"})
    boss.call("POST", "/v1/risk/kill", {"account": 1, "engaged": False})
    ask(boss, "status", "POST", "/v1/instruments/BRK.B/status", {"status": "halted", "reason": "news"})


def parent_exchanges(stack: RouterStack) -> list[Asked]:
    """Those about parent orders: an iceberg that works and was taken once, a TWAP of the next century."""
    stack.quote()
    desk, maker = stack.client(), stack.client("boss")
    ask = Asking()
    working = {"cl_ord_id": "p-1", "account": 1, "ticker": "BTCUSDT", "side": "buy", "algorithm": "iceberg"}
    working |= {"qty": "0.50000", "display_qty": "0.10000", "limit_price": "64000.00"}
    assert desk.call("POST", "/v1/parents", working).status == 201
    _until(lambda: desk.get("/v1/parents/1")["children"] == 1)
    # Somebody trades, so that there is a VWAP to measure by when the iceberg is taken.
    bought = order("m-0", price="64001.00", time_in_force="ioc")
    assert desk.call("POST", "/v1/orders", bought).status == 201
    _until(lambda: any(isinstance(record, m.Trade) for record in stack.router_records()))
    taken = order("m-1", account=2, side="sell", price="64000.00", qty="0.10000", time_in_force="ioc")
    assert maker.call("POST", "/v1/orders", taken).status == 201
    _until(lambda: "slippage_vwap" in desk.get("/v1/parents/1"))
    later = {"cl_ord_id": "p-2", "account": 1, "ticker": "BTCUSDT", "side": "sell", "algorithm": "twap"}
    later |= {"qty": "0.30000", "start_time": "4102444800000000000", "end_time": "4102448400000000000"}
    ask(desk, "place-parent", "POST", "/v1/parents", later, 201)
    ask(desk, "parents", "GET", "/v1/parents")
    ask(desk, "parent", "GET", "/v1/parents/1")
    ask(desk, "amend-parent", "PATCH", "/v1/parents/2", {"cl_ord_id": "p-3", "account": 1, "qty": "0.20000"})
    ask(desk, "cancel-parent", "DELETE", "/v1/parents/2")
    return ask.found


def all_exchanges(folder: Path) -> list[Asked]:
    """In no order."""
    with NatsServer(folder / "nats", port=0) as nats, RouterStack(_made(folder / "router"), nats.url) as routed:
        found = parent_exchanges(routed)
    with Stack(_made(folder / "house")) as stack:
        return found + exchanges(stack)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def _platform(ask: Asking, desk: HttpClient, boss: HttpClient) -> None:
    ask(boss, "tape", "GET", "/v1/tape?after=9&limit=2")
    ask(boss, "record", "GET", "/v1/tape/11")
    ask(desk, "tape-state", "GET", "/v1/tape/state")
    ask(desk, "as-of", "GET", "/v1/as-of/11")
    ask(desk, "health", "GET", "/v1/health")
    ask(desk, "ready", "GET", "/v1/ready")
    ask(desk, "services", "GET", "/v1/services")
    ask(desk, "feeds", "GET", "/v1/feeds")
    ask(desk, "latency", "GET", "/v1/latency")
    ask(desk, "metrics", "GET", "/v1/metrics")
    ask(desk, "me", "GET", "/v1/me")


def rendered(one: Asked) -> str:
    """As the document shows it."""
    lines = [f"{one.method} {one.target}"]
    if one.body is not None:
        lines.append(_wrapped(json.dumps(one.body)))
    lines.append("")
    lines.append(f"{one.answer.status} {one.answer.headers['content-type']}")
    if isinstance(one.answer.body, bytes):
        lines += [*one.answer.body.decode().splitlines()[:3], "…"]
    else:
        lines.append(_wrapped(json.dumps(_shortened(one.answer.body), ensure_ascii=False)))
    return "\n".join(lines) + "\n"


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(one) for one in value[:MOST_ITEMS]] + (["…"] if len(value) > MOST_ITEMS else [])
    if isinstance(value, dict):
        hidden = {name: "…" for name in ("csrf", "ticket") if name in value}
        shown = {name: _shortened(one) for name, one in value.items()} | hidden
        if len(shown) > 12 and all(isinstance(one, int | float | dict) for one in shown.values()):
            shown = dict(list(shown.items())[:MOST_ITEMS]) | {"…": "…"}
        return shown
    return value


def _wrapped(text: str) -> str:
    """Lines that fit, broken after commas."""
    lines, line = [], ""
    for part in re.split(r"(?<=, )", text):
        if len(line) + len(part) > WIDTH:
            lines.append(line.rstrip())
            line = " " + part
        else:
            line += part
    return "\n".join([*lines, line])


def shape(name: str, text: str) -> list[str]:
    """What of an exchange stays the same each time: the request's line, the status, and the names of fields."""
    head = [line for line in text.splitlines() if re.match(r"(GET|POST|PUT|PATCH|DELETE) |\d{3} ", line)]
    head = [re.sub(r"/\d+", "/N", line) for line in head]
    steady = re.sub(r'"rates":\s*{[^}]*}', '"rates": {}', text)  # of the last second, in which nothing or all was asked
    return [name, *head, *sorted(set(re.findall(r'"([a-z_]+)":', steady)))]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = {one.name: rendered(one) for one in all_exchanges(Path(folder))}
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(BLOCK.sub(lambda found: f"<!-- exchange: {found[1]} -->\n```\n{made[found[1]]}```\n", text))


if __name__ == "__main__":
    main()

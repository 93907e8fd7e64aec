"""Parent orders at the dashboard, worked by a real router on the house market."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tapewire.nats_server import NatsServer
from tests.api.router_stack import RouterStack
from tests.browser.desk import Desk

SECONDS = 8
NS = 10**9


@pytest.fixture
def routed(browser: Browser, tmp_path: Path) -> Iterator[RouterStack]:
    with NatsServer(tmp_path / "nats", port=0) as server, RouterStack(tmp_path, server.url) as stack:
        stack.quote()
        yield stack


def test_an_algorithms_progress_and_slippage_are_shown_as_it_goes(browser: Browser, routed: RouterStack) -> None:
    desk = Desk(browser, routed.port)
    try:
        desk.enter()
        desk.press("a")
        desk.find(".empty").filter(has_text="No parent orders").wait_for()
        entered = routed.client().call(
            "POST",
            "/v1/parents",
            {
                **{"cl_ord_id": "p-1", "account": 1, "ticker": "BTCUSDT", "side": "buy", "algorithm": "twap"},
                **{"qty": "0.04000", "limit_price": "64003.00", "interval_ms": 250 * SECONDS},
                "end_time": str(time.time_ns() + SECONDS * NS),
            },
        )
        assert entered.status == 201, entered
        row = desk.find('tr[data-parent="1"]')
        expect(row).to_have_attribute("data-state", "working")
        expect(row).to_contain_text("twap")
        done = row.locator("rect.done")
        desk.until(lambda: 0.0 < float(done.get_attribute("width") or "0") < 100.0)
        expect(row).to_have_attribute("data-state", "filled")
        expect(done).to_have_attribute("width", "100")
        # Through the best ask of 64,001 against an arrival mid of 64,000: worse, by 0.16 basis points.
        expect(row.locator("td").nth(6)).to_contain_text("64,001.00")
        expect(row.locator("td").nth(7)).to_contain_text("+0.15")
        assert desk.complaints == []
        assert desk.violations() == []
    finally:
        desk.close()

"""A venue's market at the dashboard, and what one sees when it can no longer be trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import venue
from tests.browser.desk import Desk
from tests.browser.venue import Venue

SECONDS = 5
"""That the venue is away, for all that is looked at meanwhile."""


@pytest.fixture
def binance(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue.running(tmp_path_factory.mktemp("venue")) as running:
        yield running


def test_a_feed_that_goes_stale_is_stale_everywhere_and_comes_back(browser: Browser, binance: Venue) -> None:
    desk = Desk(browser, binance.stack.port).enter()
    try:
        desk.press("m")
        desk.page.keyboard.type("BTCUSDT bin")
        expect(desk.find('[data-dialog="market"] li').first).to_contain_text("binance")
        desk.press("Enter")
        ladder, market = desk.panel("ladder"), desk.find(".market")
        expect(ladder).to_have_attribute("data-quality", "live")
        expect(ladder).to_have_attribute("data-best-bid", re.compile(r"^6\d{4}\."))
        expect(desk.panel("trades")).to_have_attribute("data-last", re.compile(r"^6\d{4}\."))
        expect(desk.find('[data-action="send"]')).to_be_disabled()  # orders go to the house market
        expect(desk.find(".ticket .why")).to_contain_text("this is binance")

        binance.fault("refuse", seconds=SECONDS)
        binance.fault("disconnect")
        untrusted = re.compile("stale|resync")
        for one in (ladder, market):
            expect(one).to_have_attribute("data-quality", untrusted)
        expect(ladder.locator('[data-chip="quality"]')).to_have_text(untrusted)
        expect(desk.panel("trades").locator('[data-chip="quality"]')).to_have_text(untrusted)
        assert desk.find(".market .last").evaluate("one => getComputedStyle(one).textDecorationLine") == "line-through"
        desk.press("2")
        row = desk.find('tr[data-feed="binance"]')
        expect(row).not_to_have_attribute("data-state", "live")
        expect(desk.panel("feeds").locator(".chip").first).to_have_text("1 not live")
        expect(desk.find('[data-node="binance"]')).not_to_have_attribute("data-state", "live")

        expect(row).to_have_attribute("data-state", "live")
        desk.press("1")
        expect(ladder).to_have_attribute("data-quality", "live")
        assert desk.complaints == []
        assert desk.violations() == []
    finally:
        desk.close()

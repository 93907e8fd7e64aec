"""One browser and one platform for all tests of the dashboard; a page of its own for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from services.api.dashboard import files
from tests.api.stack import Stack
from tests.browser.desk import ARGUMENTS, PATIENCE_MS, Desk, chromium

SCRIPT = "<img/src=x/onerror=window.ran=1>"[:31]
INSTRUMENT = f"""
[[instrument]]
ticker = "{SCRIPT}"
tick_size = "0.01"
lot_size = "1"
"""


# Of the package, not of the session: its event loop would stand in the way of other folders' tests.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if (path := chromium()) is None:
        pytest.skip("there is no Chromium on PATH")
    if problem := files.missing():
        pytest.skip(problem)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("desk"), more=INSTRUMENT) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, stack: Stack) -> Iterator[Desk]:
    """Somebody logged in with all scopes, before the market BTCUSDT. At the end the page may not have complained."""
    desk = Desk(browser, stack.port)
    try:
        yield desk.enter()
        assert desk.complaints == []
        assert desk.violations() == []
    finally:
        desk.close()
        cancel_all(stack)


def cancel_all(stack: Stack) -> None:
    """What a test left is not in the next one's way."""
    boss = stack.client("boss")
    for account in (1, 2):
        boss.call("POST", "/v1/risk/kill", {"account": account, "engaged": True, "cancel_open": True})
        boss.call("POST", "/v1/risk/kill", {"account": account, "engaged": False})

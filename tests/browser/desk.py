"""The dashboard in a real Chromium, as a person at it sees and uses it."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.api.stack import PASSWORD

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PATIENCE_MS = 30_000
LAPTOP = {"width": 1366, "height": 768}
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


def chromium() -> str | None:
    """The system's browser; None if there is none."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


class Desk:
    """One person's page. What the page complains about is collected in `complaints`."""

    def __init__(self, browser: Browser, port: int, *, theme: Any = "dark", size: Any = LAPTOP) -> None:
        self.context = browser.new_context(viewport=size, color_scheme=theme)
        self.context.add_init_script(WATCH_POLICY)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.url = f"http://127.0.0.1:{port}/"
        self.complaints: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        # A status of 4xx or a lost connection is an answer that the page shows; the browser reports it all the same.
        if message.type in ("error", "warning") and not re.search(r"Failed to load resource|WebSocket", message.text):
            self.complaints.append(message.text)

    def enter(self, user: str = "ann", password: str = PASSWORD) -> Desk:
        self.page.goto(self.url)
        self.page.fill('input[name="user"]', user)
        self.page.fill('input[name="password"]', password)
        self.page.keyboard.press("Enter")
        expect(self.find(".link")).to_have_attribute("data-connection", "live")
        expect(self.panel("ladder")).to_have_attribute("data-quality", "live")
        return self

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def panel(self, name: str) -> Locator:
        return self.page.locator(f'[data-panel="{name}"]')

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, field: str, text: str) -> None:
        self.page.fill(f'.ticket [data-field="{field}"]', text)

    def order(self, side: str, qty: str, price: str) -> Locator:
        """Puts it in by mouse and keyboard, says yes, and gives its row once it is there."""
        known = {row.get_attribute("data-order") for row in self.find("tr[data-order]").all()}
        self.page.click(f'.sides [data-side="{side}"]')
        self.write("price", price)
        self.write("qty", qty)
        self.page.click('[data-action="send"]')
        self.page.click('[data-action="confirm"]')
        return self.find(f'tr[data-order="{self.until(lambda: self._new_order(known))}"]')

    def _new_order(self, known: set[str | None]) -> str | None:
        found = {row.get_attribute("data-order") for row in self.find("tr[data-order]").all()} - known
        return next(iter(found), None)

    def until(self, look: Callable[[], Any]) -> Any:
        """What `look` gives, once it gives something."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not (found := look()):
            assert time.monotonic() < deadline, "it did not come"
            self.page.wait_for_timeout(20)
        return found

    def violations(self) -> list[str]:
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def close(self) -> None:
        self.context.close()

"""Orders at the dashboard, against a real engine and a real API."""

from __future__ import annotations

import re
from decimal import Decimal

from playwright.sync_api import expect

from tests.api.stack import Stack, order
from tests.browser.desk import Desk


def position(stack: Stack) -> Decimal:
    found = [
        one for one in stack.client("boss").get("/v1/positions?account=1")["positions"] if one["ticker"] == "BTCUSDT"
    ]
    return Decimal(found[0]["net"]) if found else Decimal(0)


def test_an_order_rests_trades_and_is_cancelled(desk: Desk, stack: Stack) -> None:
    held = position(stack)
    row = desk.order("buy", "0.02", "63000.00")
    expect(row).to_have_attribute("data-status", "new")
    ladder = desk.panel("ladder")
    expect(ladder).to_have_attribute("data-best-bid", "63000.00")
    desk.find('[data-action="cancel-all"]').wait_for()

    sold = stack.client("other").call(
        "POST", "/v1/orders", order("sell-1", account=2, side="sell", price="63000.00", qty="0.00500")
    )
    assert sold.status == 201, sold
    expect(row).to_have_attribute("data-status", "partially_filled")
    expect(row).to_contain_text("0.00500")
    expect(desk.panel("trades")).to_have_attribute("data-last", "63000.00")

    row.locator('[data-action="cancel"]').click()
    expect(row).to_have_attribute("data-status", "cancelled")
    expect(row).to_contain_text("requested")
    expect(ladder).to_have_attribute("data-best-bid", "")

    desk.press("f")
    fill = desk.find("tr[data-fill]").first
    expect(fill).to_contain_text("63,000.00")
    expect(fill).to_contain_text("maker")
    desk.press("p")
    expect(desk.find('tr[data-position="BTCUSDT"]')).to_contain_text(f"+{held + Decimal('0.005'):.5f}")


def test_an_order_is_amended_in_place(desk: Desk) -> None:
    row = desk.order("buy", "0.02", "62000.00")
    row.locator('[data-amend="price"]').click()
    field = desk.find('[data-amending="price"]')
    expect(field).to_have_value("62000.00")
    field.fill("62500.50")
    field.press("Enter")
    expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "62500.50")
    expect(row).to_contain_text("62,500.50")

    row.locator('[data-amend="qty"]').click()
    desk.find('[data-amending="qty"]').fill("0.01")
    desk.press("Enter")
    expect(row.locator('[data-amend="qty"]')).to_have_text(re.compile("0.01"))

    row.locator('[data-amend="price"]').click()
    desk.find('[data-amending="price"]').fill("1.00")
    desk.press("Escape")
    expect(row).to_contain_text("62,500.50")


def test_cancel_all_ends_every_own_order(desk: Desk) -> None:
    rows = [desk.order("buy", "0.01", price) for price in ("61500.00", "61600.00")]
    desk.find("body").press("x")
    for row in rows:
        expect(row).to_have_attribute("data-status", "cancelled")


def test_what_is_refused_is_told_with_its_reason(desk: Desk) -> None:
    desk.write("price", "99000.00")  # far outside the collar
    desk.write("qty", "0.01")
    desk.press("Enter")
    desk.find('[data-action="confirm"]').click()
    expect(desk.find(".notice.bad")).to_contain_text(re.compile("collar", re.IGNORECASE))


def test_what_is_no_number_is_not_sent(desk: Desk) -> None:
    desk.write("price", "63000")
    desk.write("qty", "1e3")
    desk.press("Enter")
    expect(desk.find(".notice.bad")).to_contain_text("qty must be a number above 0")
    expect(desk.find('.ticket [data-field="qty"]')).to_be_focused()
    expect(desk.find("dialog")).to_have_count(0)


def test_the_kill_switch_asks_stops_and_says_how_long_it_took(desk: Desk) -> None:
    row = desk.order("buy", "0.02", "61000.00")
    desk.find("body").press("k")
    expect(desk.find('[data-dialog="kill"]')).to_contain_text("Cancels every open order of account 1")
    expect(row).to_have_attribute("data-status", "new")
    desk.find('[data-dialog="kill"] [data-field="reason"]').fill("drill")
    desk.find('[data-action="kill"]').click()
    flat = desk.find("[data-flat-ns]")
    assert 0 < int(flat.get_attribute("data-flat-ns") or 0) < 60_000_000_000
    expect(flat).to_have_text(re.compile(r"^[\d.]+ (µs|ms|s)$"))
    desk.press("Enter")
    expect(row).to_have_attribute("data-status", "cancelled")
    desk.press("r")
    expect(desk.find(".risk")).to_have_attribute("data-killed", "true")
    expect(desk.find(".risk-head")).to_contain_text("drill")

    desk.write("price", "61000.00")
    desk.write("qty", "0.01")
    desk.press("Enter")
    desk.find('[data-action="confirm"]').click()
    expect(desk.find(".notice.bad")).to_contain_text(re.compile("kill", re.IGNORECASE))

    desk.press("Escape", "Escape", "k")
    expect(desk.find('[data-dialog="kill"]')).to_contain_text("may trade again")
    desk.find('[data-action="kill"]').click()
    desk.press("Enter")
    expect(desk.find(".risk")).to_have_attribute("data-killed", "false")


def test_everything_goes_by_keys_alone(desk: Desk) -> None:
    desk.press("?")
    expect(desk.find('[data-dialog="help"]')).to_contain_text("Kill switch")
    desk.press("Escape")
    expect(desk.find("dialog")).to_have_count(0)

    desk.press("b")
    qty = desk.find('.ticket [data-field="qty"]')
    expect(qty).to_be_focused()
    expect(desk.find('.ticket [data-field="price"]')).to_have_value("64000.00")  # the reference: the book is empty
    desk.page.keyboard.type("0.01")
    desk.press("Escape")  # leaves the field; the order stands
    desk.press("ArrowDown", "ArrowDown", "Shift+ArrowDown")
    expect(desk.find('.ticket [data-field="price"]')).to_have_value("63999.88")
    desk.press("ArrowRight", "Shift+ArrowRight", "ArrowLeft")
    expect(qty).to_have_value("0.01010")
    desk.press("Enter")
    expect(desk.find('[data-dialog="confirm"]')).to_contain_text("Buy 0.01010 BTCUSDT at 63,999.88")
    desk.press("Enter")
    expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "63999.88")
    expect(desk.find("tr[data-order][data-status=new]")).to_have_count(1)

    desk.press("x")
    expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "")
    desk.press("2")
    expect(desk.panel("topology")).to_be_visible()
    desk.press("/")
    desk.page.keyboard.type("risk lim")
    desk.press("Enter")
    expect(desk.find(".risk")).to_be_visible()


def test_without_asking_enter_sends_at_once(desk: Desk) -> None:
    desk.press("c", "s")
    desk.page.keyboard.type("0.01")
    desk.press("Enter")
    expect(desk.panel("ladder")).to_have_attribute("data-best-ask", "64000.00")
    expect(desk.find("dialog")).to_have_count(0)


def test_a_click_in_the_book_fills_the_ticket(desk: Desk) -> None:
    desk.order("buy", "0.02", "63100.00")
    expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "63100.00")
    desk.write("price", "")
    canvas = desk.panel("ladder").locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    price = desk.find('.ticket [data-field="price"]')

    def clicked() -> bool:
        canvas.click(position={"x": 60, "y": box["height"] / 2 + 25})
        return price.input_value() == "63100.00"

    desk.until(clicked)

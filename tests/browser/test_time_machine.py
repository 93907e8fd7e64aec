"""The past, as a person is shown it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.api.stack import Stack
from tests.browser.desk import Desk


def test_the_past_is_shown_marked_and_cannot_be_traded(desk: Desk, stack: Stack) -> None:
    row = desk.order("buy", "0.02", "62100.00")
    ladder, bar = desk.panel("ladder"), desk.find(".timebar")
    expect(ladder).to_have_attribute("data-best-bid", "62100.00")
    seq = int(stack.client("boss").get("/v1/tape/state")["released_seq"])
    expect(bar).to_have_attribute("data-seq", str(seq))
    row.locator('[data-action="cancel"]').click()
    expect(ladder).to_have_attribute("data-best-bid", "")

    desk.press("Escape", "q")
    desk.page.keyboard.type(str(seq))
    desk.press("Enter", "Escape")
    expect(bar).to_have_attribute("data-shown", str(seq))
    expect(ladder).to_have_attribute("data-best-bid", "62100.00")
    expect(ladder.locator(".chip")).to_have_text(f"as of {seq}")
    expect(desk.find(".past-banner")).to_contain_text("order entry is off")
    expect(row).to_have_attribute("data-status", "new")
    expect(row.locator('[data-action="cancel"]')).to_be_disabled()
    expect(desk.find('[data-action="send"]')).to_be_disabled()
    desk.press("Enter")
    expect(desk.find(".notice.bad").first).to_contain_text("This is the past")
    desk.press("x")
    expect(row).to_have_attribute("data-status", "new")

    desk.press("[")
    expect(bar).to_have_attribute("data-shown", str(seq - 1))
    desk.press("t")
    expect(bar).to_have_attribute("data-time", "now")
    expect(ladder).to_have_attribute("data-best-bid", "")
    expect(desk.find(".past-banner")).to_have_count(0)


def test_the_slider_moves_over_the_tape_and_playing_goes_on_to_its_end(desk: Desk, stack: Stack) -> None:
    for price in ("62000.00", "62001.00", "62002.00"):
        desk.order("buy", "0.01", price)
    bar = desk.find(".timebar")
    last = int(stack.client("boss").get("/v1/tape/state")["released_seq"])
    expect(bar).to_have_attribute("data-seq", str(last))
    desk.find('.timebar input[type="range"]').fill(str(last - 3))
    expect(bar).to_have_attribute("data-shown", str(last - 3))
    desk.find("body").press(" ")
    expect(bar).to_have_attribute("data-shown", str(last))
    expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "62002.00")
    desk.press("t")


def test_a_seq_beyond_the_tape_is_its_end(desk: Desk) -> None:
    desk.press("q")
    desk.page.keyboard.type("999999999")
    desk.press("Enter")
    bar = desk.find(".timebar")
    expect(bar).to_have_attribute("data-time", "past")
    expect(bar).to_have_attribute("data-shown", re.compile(r"^\d{1,6}$"))
    expect(desk.find(".timebar .alarm")).to_have_count(0)

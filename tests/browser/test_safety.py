"""What comes from outside is text and nothing else; what is not of now looks like it."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.api.stack import Stack, order
from tests.browser.conftest import SCRIPT, cancel_all
from tests.browser.desk import Desk

SCRIPTS = "<script>window.ran=1</script><img src=x onerror=window.ran=1>"


def test_scripts_in_symbols_reasons_and_names_do_not_run(desk: Desk, stack: Stack) -> None:
    boss = stack.client("boss")
    sent = boss.call("POST", "/v1/orders", order("<b onclick=window.ran=1>", ticker=SCRIPT, price="10.00", qty="5"))
    assert sent.status == 201, sent
    boss.call("POST", "/v1/risk/kill", {"account": 1, "engaged": True, "reason": SCRIPTS[:60]})
    desk.press("m")
    desk.page.keyboard.type("onerror")
    expect(desk.find('[data-dialog="market"] li').first).to_contain_text(SCRIPT)
    desk.press("Enter")
    expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "10.00")
    expect(desk.find(".market .ticker")).to_contain_text(SCRIPT)
    expect(desk.find("tr[data-order]").first).to_contain_text(SCRIPT)
    desk.press("r")
    expect(desk.find(".risk-head")).to_contain_text("<script>")
    desk.press("v", "2")
    expect(desk.panel("feeds")).to_contain_text(SCRIPT)
    expect(desk.panel("records")).to_contain_text("<b onclick")
    desk.press("1", "t")
    expect(desk.find(".past-banner")).to_be_visible()
    expect(desk.find(".market .ticker")).to_contain_text(SCRIPT)
    assert desk.page.evaluate("window.ran") is None
    assert desk.page.evaluate("document.querySelectorAll('#app img, #app script').length") == 0


def test_the_policy_stands_and_an_inline_script_is_stopped(browser: Browser, stack: Stack) -> None:
    desk = Desk(browser, stack.port).enter()
    try:
        desk.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.ran = 1";
              document.body.append(script);
              const image = new Image();
              image.src = "http://127.0.0.2:1/x";
            }"""
        )
        desk.until(lambda: len(desk.violations()) == 2)
        assert desk.page.evaluate("window.ran") is None
        assert [one.split()[0] for one in desk.violations()] == ["script-src-elem", "img-src"]
    finally:
        desk.close()


def test_a_lost_api_shows_at_once_and_one_enters_again(browser: Browser, stack: Stack) -> None:
    desk = Desk(browser, stack.port).enter()
    try:
        desk.order("buy", "0.02", "62300.00")
        stack.kill()
        expect(desk.find(".link")).to_have_attribute("data-connection", "lost")
        expect(desk.panel("ladder")).to_have_attribute("data-quality", "disconnected")
        expect(desk.find(".market")).to_have_attribute("data-quality", "disconnected")
        expect(desk.find(".ticket .why")).to_contain_text("disconnected")
        stack.start()
        desk.find('input[name="user"]').wait_for()  # logins live in the API's memory
        desk.enter()
        expect(desk.panel("ladder")).to_have_attribute("data-best-bid", "62300.00")
        expect(desk.find("tr[data-order][data-status=new]")).to_have_count(1)
    finally:
        desk.close()
        cancel_all(stack)


def test_a_broken_connection_is_gone_on_with_and_nothing_is_missed_or_told_twice(desk: Desk, stack: Stack) -> None:
    row = desk.order("buy", "0.02", "62400.00")
    fills = desk.find('.blotter [data-tab="fills"] .count')
    before = len(stack.client().get("/v1/fills?account=1&limit=1000")["fills"])
    desk.page.evaluate(
        """async () => {
          const { connection } = await import("./js/desk.js");
          connection.start = () => {};  // until the test says so
          connection.socket.close();
        }"""
    )
    expect(desk.find(".link")).to_have_attribute("data-connection", "lost")
    for number in range(3):
        sold = order(f"gap-{number}", account=2, side="sell", price="62400.00", qty="0.00500")
        assert stack.client("other").call("POST", "/v1/orders", sold).status == 201
    expect(row).to_have_attribute("data-status", "new")  # nobody has told it
    desk.page.evaluate(
        """async () => {
          const { connection } = await import("./js/desk.js");
          delete connection.start;
          connection.start();
        }"""
    )
    expect(desk.find(".link")).to_have_attribute("data-connection", "live")
    expect(row).to_have_attribute("data-status", "partially_filled")
    expect(row).to_contain_text("0.01500")
    expect(fills).to_have_text(str(before + 3))
    desk.press("Escape", "f")
    expect(desk.find("tr[data-fill]")).to_have_count(before + 3)
    matches = [one.get_attribute("data-fill") for one in desk.find("tr[data-fill]").all()]
    assert len(matches) == len(set(matches)) == before + 3


def test_a_wrong_password_is_told(browser: Browser, stack: Stack) -> None:
    desk = Desk(browser, stack.port)
    try:
        desk.page.goto(desk.url)
        desk.page.fill('input[name="user"]', "ann")
        desk.page.fill('input[name="password"]', "guess")
        desk.press("Enter")
        expect(desk.find('.login [role="alert"]')).to_be_visible()
        expect(desk.find(".desk")).to_have_count(0)
    finally:
        desk.close()


def test_dark_and_light_follow_the_system_and_the_switch_is_remembered(browser: Browser, stack: Stack) -> None:
    desk = Desk(browser, stack.port, theme="light").enter()
    try:
        root = desk.find("html")
        expect(root).to_have_attribute("data-theme", "light")
        desk.press("d", "2")
        expect(root).to_have_attribute("data-theme", "dark")
        desk.page.reload()
        expect(desk.panel("topology")).to_be_visible()
        expect(root).to_have_attribute("data-theme", "dark")
    finally:
        desk.close()

"""HTTP as clients meet it: scopes and accounts, rates, logins, traces, connections, ends."""

from __future__ import annotations

import datetime
import json
import re
import signal
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.trace_context import parse
from tests.api.stack import PASSWORD, Stack, order
from tests.engine_process import PATIENCE_S
from tests.stopped import stopped


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("http")) as made:
        yield made


def test_what_was_answered_can_be_read_at_once(stack: Stack) -> None:
    desk = stack.client()
    for number in range(20):
        placed = desk.call("POST", "/v1/orders", order(f"read-{number}"))
        assert placed.status == 201
        found = desk.get(f"/v1/orders/{placed.body['order_id']}")
        assert found["cl_ord_id"] == f"read-{number}"


def test_every_write_carries_its_author_to_the_tape(stack: Stack) -> None:
    desk, user = stack.client(), stack.client("")
    assert user.log_in("ann", PASSWORD).status == 200
    assert desk.call("POST", "/v1/orders", order("by-key")).status == 201
    assert user.call("POST", "/v1/orders", order("by-login")).status == 201
    records = stack.own_records()
    received = {json.loads(r.body)["cl_ord_id"]: r for r in records if isinstance(r, m.ApiReceived) and "by-" in r.body}
    placed = {r.client_text: r for r in stack.orders_records() if isinstance(r, m.NewOrder)}
    for text, author, key in (("by-key", "desk", 1), ("by-login", "ann", 50)):
        one, command = received[text], placed[text]
        assert (one.author, one.key, one.account, one.door) == (author, key, 1, m.ApiDoor.http)
        assert (one.operation, one.address) == ("POST /v1/orders", "127.0.0.1")
        assert (command.ts_event, command.cl_ord_id, command.session & 0xFFFF) == (one.ts, one.ts, key)
        (answered,) = [r for r in records if isinstance(r, m.ApiAnswered) and r.received == one.seq]
        accepted = stack.orders_records()[answered.orders_seq - 1]
        assert (answered.status, accepted.cause) == (201, command.seq)


def test_an_author_sees_its_accounts_and_no_other(stack: Stack) -> None:
    desk, other, watcher, boss = (stack.client(name) for name in ("desk", "other", "watcher", "boss"))
    number = other.call("POST", "/v1/orders", order("others", account=2)).body["order_id"]
    hidden = desk.call("GET", f"/v1/orders/{number}")
    absent = desk.call("GET", "/v1/orders/777777")
    assert hidden.status == absent.status == 404
    assert json.dumps(hidden.body).replace(str(number), "777777") == json.dumps(absent.body)
    assert desk.call("DELETE", f"/v1/orders/{number}").status == 404
    assert desk.call("GET", "/v1/orders?account=2").status == 403
    assert all(one["account"] == 1 for one in desk.get("/v1/orders?limit=1000")["orders"])
    assert watcher.call("DELETE", "/v1/orders/1").body["reason"] == "scope"
    assert boss.get(f"/v1/orders/{number}")["account"] == 2
    assert [one["account"] for one in desk.get("/v1/risk")["accounts"]] == [1]
    assert [one["account"] for one in boss.get("/v1/risk")["accounts"]] == [1, 2]
    assert desk.call("GET", "/v1/tape").status == 403
    seq = boss.get("/v1/ready")["seq"]
    past = desk.get(f"/v1/as-of/{seq}")
    assert {one["account"] for one in past["orders"]} == {1}


def test_pages_of_a_list_meet_without_a_gap(stack: Stack) -> None:
    desk = stack.client()
    for number in range(7):
        desk.call("POST", "/v1/orders", order(f"page-{number}"))
    whole = [one["order_id"] for one in desk.get("/v1/orders?limit=1000")["orders"]]
    paged: list[int] = []
    after = 0
    while True:
        page = desk.get(f"/v1/orders?limit=3&after={after}")
        paged += [one["order_id"] for one in page["orders"]]
        if "next" not in page:
            break
        after = page["next"]
    assert paged == whole


def test_bars_of_a_time_are_made_of_the_trades_of_that_time(stack: Stack) -> None:
    boss = stack.client("boss")
    began = time.time_ns()
    for number, price in enumerate(("63901.00", "63903.00", "63902.00")):
        boss.call("POST", "/v1/orders", order(f"bar-buy-{number}", price=price, qty="0.00100"))
        sold = boss.call(
            "POST", "/v1/orders", order(f"bar-sell-{number}", side="sell", account=2, price=price, qty="0.00100")
        )
        assert sold.body["status"] == "filled"
    second = 10**9
    bars = boss.get(f"/v1/bars/BTCUSDT?interval=1s&from={began - second}")["bars"]
    assert all(int(one[0]) % second == 0 and int(one[0]) >= began - second for one in bars)
    assert (bars[0][1], bars[-1][4], max(one[2] for one in bars)) == ("63901.00", "63902.00", "63903.00")
    assert sum(one[6] for one in bars) == 3
    assert (
        boss.get(f"/v1/bars/BTCUSDT?interval=1s&from={began - 3600 * second}&to={began - 3599 * second}")["bars"] == []
    )
    assert boss.call("GET", f"/v1/bars/BTCUSDT?from={began}&to=5").body["field"] == "to"
    assert str(stack.folder) not in boss.call("GET", f"/v1/bars/NONE?from={began}").body["detail"]


def test_the_trace_of_a_request_goes_on_in_the_answer_and_stands_on_the_tape(stack: Stack) -> None:
    desk = stack.client()
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = desk.call("POST", "/v1/orders", order("traced"), traceparent=given)
    context = parse(answer.headers["traceparent"])
    assert context is not None
    assert (context.trace_id, context.sampled) == ("4bf92f3577b34da6a3ce929d0e0e4736", True)
    (one,) = [r for r in stack.own_records() if isinstance(r, m.ApiReceived) and '"traced"' in r.body]
    assert f"{one.trace_high:016x}{one.trace_low:016x}" == context.trace_id
    assert (one.span_id, one.trace_flags, f"{one.ts:016x}") == (0x00F067AA0BA902B7, 1, context.span_id)
    begun = parse(desk.call("POST", "/v1/orders", order("begun")).headers["traceparent"])
    assert begun is not None
    assert begun.trace_id != context.trace_id
    ignored = desk.call("POST", "/v1/orders", order("ignored"), traceparent="00-nonsense")
    assert parse(ignored.headers["traceparent"]) is not None


def test_a_stop_order_is_amended_while_it_waits(tmp_path: Path) -> None:
    """Its price is the engine's to choose: what is left out stays."""
    with Stack(tmp_path) as stack:
        client, other = stack.client(), stack.client("other")
        for who, side, account in ((other, "sell", 2), (client, "buy", 1)):  # a stop needs a last price
            body = order(f"last-{side}", account=account, side=side, price="64000.00", time_in_force="day")
            assert who.call("POST", "/v1/orders", body).status == 201
        body = order("stop", type="stop", price=None, stop_price="64500.00")
        placed = client.call("POST", "/v1/orders", body).body
        target = f"/v1/orders/{placed['order_id']}"
        less = client.call("PATCH", target, {"cl_ord_id": "less", "account": 1, "qty": "0.00500"})
        assert (less.status, less.body["qty"], less.body["stop_price"]) == (200, "0.00500", "64500.00")
        up = client.call("PATCH", target, {"cl_ord_id": "up", "account": 1, "stop_price": "64600.00"})
        assert (up.status, up.body["qty"], up.body["stop_price"]) == (200, "0.00500", "64600.00")
        assert client.call("DELETE", target).status == 200


def test_who_sends_much_makes_nobody_else_forgotten(tmp_path: Path) -> None:
    with Stack(tmp_path, api="remember = 8") as stack:
        desk, other = stack.client(), stack.client("other")
        assert desk.call("POST", "/v1/orders", order("mine")).status == 201
        for number in range(12):
            assert other.call("POST", "/v1/orders", order(f"noise-{number}", account=2)).status == 201
        assert desk.call("POST", "/v1/orders", order("mine")).status == 200
        stack.kill()
        stack.start()
        assert stack.client().call("POST", "/v1/orders", order("mine")).status == 200
        found = [one for one in stack.orders_records() if isinstance(one, m.NewOrder) and one.client_text == "mine"]
        assert len(found) == 1


def test_rates_are_told_and_kept(tmp_path: Path) -> None:
    with Stack(tmp_path, rate=0.1, burst=4) as stack:
        desk = stack.client()
        answers = [desk.call("GET", "/v1/me") for _ in range(5)]
        assert [one.status for one in answers] == [200, 200, 200, 200, 429]
        assert [one.headers["ratelimit-remaining"] for one in answers] == ["3", "2", "1", "0", "0"]
        assert {one.headers["ratelimit-limit"] for one in answers} == {"4"}
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
        assert stack.client("other").call("GET", "/v1/me").status == 200


def test_a_login_writes_with_its_csrf_text_from_our_own_page(stack: Stack) -> None:
    user = stack.client("")
    answer = user.log_in("ann", PASSWORD)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    own = f"http://127.0.0.1:{stack.port}"
    assert user.call("POST", "/v1/orders", order("own-page"), Origin=own).status == 201
    assert user.call("GET", "/v1/me", Origin="https://evil.example").status == 200, "a read changes nothing"
    assert "access-control-allow-origin" not in user.call("OPTIONS", "/v1/orders").headers
    assert user.call("POST", "/v1/logout").status == 200
    assert user.call("GET", "/v1/me").status == 401


def test_a_kill_cancels_what_is_live_and_tells_how_long_it_took(stack: Stack) -> None:
    boss = stack.client("boss")
    boss.call("POST", "/v1/orders/cancel", {"cl_ord_id": "clean", "account": 2})
    for number in range(5):
        assert boss.call("POST", "/v1/orders", order(f"live-{number}", account=2)).status == 201
    killed = boss.call("POST", "/v1/risk/kill", {"account": 2, "engaged": True, "cancel_open": True, "reason": "drill"})
    assert (killed.status, killed.body["cancelled"]) == (200, 5)
    assert 0 < killed.body["flat_after_ns"] < 10**10
    assert boss.get("/v1/orders?account=2")["orders"] == []
    refused = boss.call("POST", "/v1/orders", order("dead", account=2))
    assert (refused.status, refused.body["reason"]) == (422, "kill_switch")
    assert refused.body["received"] > 0
    assert boss.call("POST", "/v1/risk/kill", {"account": 2, "engaged": False}).status == 200
    assert boss.call("POST", "/v1/orders", order("alive", account=2)).status == 201


def test_limits_and_statuses_are_commanded(stack: Stack) -> None:
    boss = stack.client("boss")
    limits = boss.call("PUT", "/v1/risk/limits/2", {"max_order_qty": 1000}).body["limits"]
    assert limits["max_order_qty"] == 1000
    refused = boss.call("POST", "/v1/orders", order("large", account=2, qty="0.01001"))
    assert (refused.body["reason"], refused.body["value"], refused.body["limit"]) == (
        *("max_order_qty", "0.01001", "0.01000"),
    )
    halted = boss.call("POST", "/v1/instruments/BRK.B/status", {"status": "halted", "reason": "news"})
    assert (halted.body["status"], halted.body["reason"]) == ("halted", "news")
    assert boss.call("POST", "/v1/instruments/NONE/status", {"status": "halted"}).status == 404


def test_requests_may_be_pipelined_and_are_answered_in_order(stack: Stack) -> None:
    ask = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.port), PATIENCE_S) as one:
        one.sendall(ask % b"/v1/health" * 40 + ask % b"/v1/nothing" + ask % b"/v1/health")
        found = b""
        while found.count(b"HTTP/1.1 ") < 42:
            found += one.recv(65_536)
    statuses = [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200] * 40 + [404, 200]


def test_head_tells_what_get_would_without_its_body(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), PATIENCE_S) as one:
        one.sendall(b"HEAD /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        found = b""
        while more := one.recv(65_536):
            found += more
    assert b"content-length: 18\r\n" in found
    assert found.endswith(b"\r\n\r\n")


def test_the_dashboard_is_served_under_a_strict_policy(stack: Stack) -> None:
    browser = stack.client("")
    assert browser.send("GET", "/").headers["location"] == "/dashboard/"
    page = browser.send("GET", "/dashboard/")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    (stream_port,) = re.findall(r"stream_port = (\d+)", stack.engine.config.read_text())
    assert f" ws://127.0.0.1:{stream_port}" in policy
    assert "unsafe" not in policy
    assert browser.send("GET", "/dashboard/", b"", {"If-None-Match": page.headers["etag"]}).status == 304
    assert browser.send("GET", "/dashboard/", b"", {"Host": "x;script-src *"}).headers["content-security-policy"] == (
        policy
    )
    assert browser.send("GET", "/dashboard/../app.py").status == 404


def test_without_an_engine_it_says_so_and_goes_on_when_there_is_one(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        desk = stack.client()
        assert desk.call("POST", "/v1/orders", order("before")).status == 201
        stack.engine.kill()
        deadline = time.monotonic() + PATIENCE_S
        while desk.call("GET", "/v1/ready").status != 503:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        refused = desk.call("POST", "/v1/orders", order("during"))
        assert (refused.status, refused.body["reason"], refused.headers["retry-after"]) == (503, "no_engine", "1")
        assert desk.call("GET", "/v1/books/BTCUSDT").status == 200
        stack.engine.start()
        deadline = time.monotonic() + PATIENCE_S
        while desk.call("GET", "/v1/ready").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert desk.call("POST", "/v1/orders", order("during")).status == 201
        assert desk.call("POST", "/v1/orders", order("before")).status == 200


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_answers_what_was_asked(tmp_path: Path) -> None:
    with Stack(tmp_path, api=f"drain_timeout = {PATIENCE_S}") as stack:
        desk = stack.client()
        process = stack.engine.process
        assert process is not None
        with stopped(process.pid):  # so that the request is still under way
            answers: list[int] = []
            asking = threading.Thread(
                target=lambda: answers.append(desk.call("POST", "/v1/orders", order("last")).status)
            )
            asking.start()
            while not any(isinstance(one, m.ApiReceived) for one in stack.own_records()):
                time.sleep(0.01)
            assert stack.process is not None
            stack.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE_S
            while not is_refused(stack.port):
                assert time.monotonic() < deadline, "it still lets clients in"
                time.sleep(0.01)
        asking.join(PATIENCE_S)
        assert answers == [201]
        assert stack.process.wait(PATIENCE_S) == 0


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tapewire")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_tls(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    with Stack(tmp_path, api=f'certificate = "{chain}"\nprivate_key = "{key}"') as stack:
        context = ssl.create_default_context(cafile=str(chain))
        with urllib.request.urlopen(f"https://127.0.0.1:{stack.port}/v1/ready", context=context) as answer:
            assert json.load(answer)["ready"]
        body = json.dumps({"user": "ann", "password": PASSWORD}).encode()
        request = urllib.request.Request(
            f"https://127.0.0.1:{stack.port}/v1/login", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=context) as answer:
            assert "; Secure" in answer.headers["set-cookie"]
            assert json.load(answer)["stream"].startswith("wss://")


def test_what_is_logged_about_a_request_names_its_trace(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        desk = stack.client()
        assert desk.call("POST", "/v1/orders", order("a")).status == 201
        # Of a write that got as far as its body, and of one that proves nothing.
        used = desk.call("POST", "/v1/orders", order("a", qty="9.00000"), traceparent=f"00-{7:032x}-{8:016x}-01")
        assert used.status == 409
        unknown = stack.client("").call("GET", "/v1/me", traceparent=f"00-{9:032x}-{10:016x}-01")
        assert unknown.status == 401
        lines = [json.loads(line) for line in stack.log.read_text().splitlines()]
    said = {line["reason"]: (line["trace_id"], line["span_id"]) for line in lines if line["event"] == "refused"}
    assert said == {
        "cl_ord_id_used": (f"{7:032x}", f"{8:016x}"),
        "unauthenticated": (f"{9:032x}", f"{10:016x}"),
    }

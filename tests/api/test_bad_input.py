"""Whatever is sent, it is refused with a reason, and nothing of it is on a tape. docs/api.md has the same table."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.api.client import Answer, HttpClient
from tests.api.stack import Stack, order
from tests.engine_process import ROOT

PLACE = ("POST", "/v1/orders")
SCRIPT = "<script>alert(1)</script>"
TWICE = b'{"account": 1, ' + json.dumps(order("bad")).encode()[1:]
POST = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n" + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 6
BEHIND = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nOrigin: https://else.where\r\n\r\n"
MANY = b"".join(b"X-%d: 1\r\n" % n for n in range(200))


class Case(NamedTuple):
    what: str
    """As the table in docs/api.md has it."""
    send: Callable[[Stack, HttpClient], Answer]
    status: int
    reason: str
    field: str = ""


def body(raw: object) -> Callable[[Stack, HttpClient], Answer]:
    """Signed, as an order."""
    return lambda _, client: client.call(*PLACE, raw)


def signed(**changes: str) -> Callable[[Stack, HttpClient], Answer]:
    """An order whose headers are changed after they were signed."""

    def send(_: Stack, client: HttpClient) -> Answer:
        raw = json.dumps(order("bad")).encode()
        return client.send(*PLACE, raw, client.headers(*PLACE, raw) | changes)

    return send


def stale(seconds: int) -> Callable[[Stack, HttpClient], Answer]:
    def send(_: Stack, client: HttpClient) -> Answer:
        raw = json.dumps(order("bad")).encode()
        timestamp = str((time.time_ns() // 1_000_000) + 1000 * seconds)
        return client.send(*PLACE, raw, client.headers(*PLACE, raw, timestamp=timestamp))

    return send


def replayed(_: Stack, client: HttpClient) -> Answer:
    headers = client.headers("GET", "/v1/me", b"")
    assert client.send("GET", "/v1/me", b"", headers).status == 200
    return client.send("GET", "/v1/me", b"", headers)


def moved(_: Stack, client: HttpClient) -> Answer:
    """A signature of one path, used for another."""
    return client.send("DELETE", "/v1/orders/2", b"", client.headers("DELETE", "/v1/orders/1", b""))


def cross_origin(stack: Stack, _: HttpClient) -> Answer:
    user = stack.client("")
    assert user.log_in("ann", "correct horse battery staple").status == 200
    return user.call(*PLACE, order("bad"), Origin="https://evil.example")


def forged(stack: Stack, _: HttpClient) -> Answer:
    user = stack.client("")
    assert user.log_in("ann", "correct horse battery staple").status == 200
    user.csrf = "guessed"
    return user.call(*PLACE, order("bad"))


def as_form(_: Stack, client: HttpClient) -> Answer:
    return client.call(*PLACE, order("bad"), **{"Content-Type": "text/plain"})


def twice(_: Stack, client: HttpClient) -> Answer:
    raw = json.dumps(order("bad")).encode()
    lines = [f"{name}: {value}\r\n" for name, value in client.headers(*PLACE, raw).items()]
    lines += ["Tapewire-Nonce: another\r\n", f"Content-Length: {len(raw)}\r\n", "Host: x\r\n"]
    return raw_answer(client.port, f"POST /v1/orders HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + raw)


def raw_answer(port: int, data: bytes, *, timeout: float = 20.0) -> Answer:
    """What these bytes are answered until the connection is closed, or one answer is whole."""
    with socket.create_connection(("127.0.0.1", port), timeout) as one:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent: the answer is there
            one.sendall(data)
        found = b""
        while b"\r\n\r\n" not in found or len(found.split(b"\r\n\r\n", 1)[1]) < _length(found):
            more = one.recv(65_536)
            if not more:
                break
            found += more
    head, _, rest = found.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers, json.loads(rest))


def _length(found: bytes) -> int:
    for line in found.split(b"\r\n\r\n")[0].lower().split(b"\r\n"):
        if line.startswith(b"content-length: "):
            return int(line.split()[1])
    return 0


def get(target: str) -> Callable[[Stack, HttpClient], Answer]:
    return lambda _, client: client.call("GET", target)


def raw(data: bytes) -> Callable[[Stack, HttpClient], Answer]:
    return lambda stack, _: raw_answer(stack.port, data)


def flood(stack: Stack, client: HttpClient) -> Answer:
    limited = stack.client("limited")
    for _ in range(20):
        answer = limited.call("GET", "/v1/me")
        if answer.status == 429:
            return answer
    return answer


CASES = [
    Case("malformed JSON", body(b'{"cl_ord_id": "bad",'), 400, "malformed"),
    Case("bytes that are no UTF-8", body(b'{"cl_ord_id": "\xff\xfe"}'), 400, "malformed"),
    Case("NaN", body(b'{"cl_ord_id": "bad", "account": NaN}'), 400, "malformed"),
    Case("deep nesting", body(b"[" * 60_000), 422, "invalid_field"),
    Case("deep nesting within a field", body(b'{"account": ' + b"[" * 30_000), 422, "invalid_field", "account"),
    Case("a key that is there twice", body(TWICE), 400, "duplicate_key"),
    Case("an unknown field", body(order("bad", pice="1")), 422, "invalid_field", "pice"),
    Case("a missing field", body(order("bad", side=None)), 422, "invalid_field", "side"),
    Case("a wrong type", body(order("bad", price=64000.1)), 422, "invalid_field", "price"),
    Case("a number that is huge", body(order("bad", qty="9" * 19)), 422, "invalid_field", "qty"),
    Case("an account that is huge", body(order("bad", account=10**30)), 403, "account", "account"),
    Case("a negative quantity", body(order("bad", qty="-1")), 422, "invalid_field", "qty"),
    Case("more places than the instrument has", body(order("bad", price="1.001")), 422, "invalid_field", "price"),
    Case("a script as ticker", body(order("bad", ticker=SCRIPT)), 422, "unknown_instrument", "ticker"),
    Case("a ClOrdID that is too long", body(order("b" * 40)), 422, "invalid_field", "cl_ord_id"),
    Case("a ClOrdID with control characters", body(order("b\nad")), 422, "invalid_field", "cl_ord_id"),
    Case("an account of somebody else", body(order("bad", account=2)), 403, "account", "account"),
    Case("an unknown parameter", get("/v1/orders?acount=1"), 422, "invalid_field", "acount"),
    Case("a parameter that is there twice", get("/v1/orders?limit=1&limit=2"), 400, "duplicate_key"),
    Case("an unknown key", signed(**{"Tapewire-Key": "nobody"}), 401, "signature"),
    Case("a bad signature", signed(**{"Tapewire-Signature": base64.b64encode(bytes(32)).decode()}), 401, "signature"),
    Case("a signature that is no base64", signed(**{"Tapewire-Signature": "%%%"}), 401, "signature"),
    Case("a signature of another path", moved, 401, "signature"),
    Case("a replayed nonce", replayed, 401, "replay", "Tapewire-Nonce"),
    Case("an old timestamp", stale(-60), 401, "timestamp", "Tapewire-Timestamp"),
    Case("a timestamp of the future", stale(60), 401, "timestamp", "Tapewire-Timestamp"),
    Case("no credentials", lambda s, _: s.client("").call(*PLACE, order("bad")), 401, "unauthenticated"),
    Case("a header that is there twice", twice, 400, "duplicate_header"),
    Case("a missing scope", lambda s, _: s.client("watcher").call(*PLACE, order("bad")), 403, "scope"),
    Case("a page of another origin", cross_origin, 403, "origin", "Origin"),
    Case("a login without its csrf text", forged, 403, "csrf", "Tapewire-Csrf"),
    Case("a body of another media type", as_form, 415, "media_type", "Content-Type"),
    Case("a huge body", body(b" " * 70_000), 413, "body"),
    Case("a huge body in chunks", raw(POST + CHUNKS), 413, "body"),
    Case("huge headers", raw(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"), 431, "head"),
    Case("many headers", raw(b"GET /v1/me HTTP/1.1\r\nHost: x\r\n" + MANY + b"\r\n"), 431, "headers"),
    Case("a slow body", raw(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"), 408, "timeout"),
    Case("slow headers", raw(b"GET /v1/me HTTP/1.1\r\nHost:"), 408, "timeout"),
    Case("no HTTP", raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400, "malformed"),
    Case("two lengths", raw(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"), 400, "malformed"),
    Case("length and chunks", raw(POST + b"Content-Length: 2\r\n" + CHUNKS), 400, "malformed"),
    Case("fields behind the body", raw(POST + BEHIND), 400, "trailer"),
    Case("a path that climbs", get("/docs/..%2f..%2f__main__.py"), 404, "unknown"),
    Case("an unknown path", get("/v2/orders"), 404, "path"),
    Case("a method that is not there", lambda _, c: c.call("TRACE", "/v1/orders"), 405, "method"),
    Case("a flood", flood, 429, "rate"),
]  # fmt: skip

LIMITED = """
[[api.keys]]
name = "limited"
number = 9
auth = "hmac"
secret_file = "{folder}/desk.secret"
rate = 0.1
burst = 3
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("bad")
    bounds = "body_timeout = 3.0\nhead_timeout = 3.0\nfailures = 1000"  # the others are whole in less, whatever halts
    with Stack(folder, api=bounds, more=LIMITED.format(folder=folder)) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=[case.what.replace(" ", "_") for case in CASES])
def test_it_is_refused_with_a_reason_and_nothing_is_on_a_tape(stack: Stack, case: Case) -> None:
    own, orders = len(stack.own_records()), len(stack.orders_records())
    answer = case.send(stack, stack.client())
    assert (answer.status, answer.body.get("reason"), answer.body.get("field", "")) == (
        case.status, case.reason, case.field,
    ), answer  # fmt: skip
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == case.status
    assert answer.body["detail"]
    assert "<" not in json.dumps(answer.body)
    assert (len(stack.own_records()), len(stack.orders_records())) == (own, orders)
    assert stack.client().get("/v1/ready")["ready"]


def test_the_table_in_the_document_is_this_one() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    rows = [f"| {case.what} | {case.status} | `{case.reason}` |" for case in CASES]
    assert [row for row in rows if row not in text] == []


def test_whoever_fails_too_often_must_wait(tmp_path: Path) -> None:
    with Stack(tmp_path, api="failures = 3\nfailures_interval = 60.0") as stack:
        user = stack.client("")
        for _ in range(3):
            assert user.log_in("ann", "wrong").status == 401
        late = user.log_in("ann", "correct horse battery staple")
        assert (late.status, late.body["reason"]) == (429, "failures")
        assert 0 < int(late.headers["retry-after"]) <= 60
        answer = stack.client().call("GET", "/v1/me")
        assert answer.status == 200, "who signs well is no neighbour's fault"

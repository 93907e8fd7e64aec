"""Bodies that a decoder alone would let pass, and paths that lead nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.http.call import Endpoint
from services.api.http.routes import Routes
from services.api.http.table import endpoints
from services.api.json_body import Body
from services.api.problems import Problem
from services.api.requests import NewOrder


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    a: str = ""
    b: str = ""


PAIR = Body(Pair)


def refusal(raw: bytes) -> tuple[int, str, str]:
    with pytest.raises(Problem) as caught:
        PAIR.decode(raw)
    body = caught.value.body
    return body.status, str(body.reason), str(body.field) if body.field is not msgspec.UNSET else ""


def status_of(call: Callable[[], object]) -> int:
    """Of the refusal; 0: there is none."""
    try:
        call()
    except Problem as problem:
        return problem.status
    return 0


@given(st.text(), st.text())
def test_whatever_the_texts_hold_they_come_as_they_were_sent(a: str, b: str) -> None:
    for ascii_only in (True, False):
        try:
            raw = json.dumps({"a": a, "b": b}, ensure_ascii=ascii_only).encode()
        except UnicodeEncodeError:
            continue  # lone surrogates are no UTF-8
        status = status_of(partial(PAIR.decode, raw))
        assert status in (0, 400)  # lone surrogates as escapes
        if not status:
            found = PAIR.decode(raw)
            assert (found.a, found.b) == (a, b)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_a_key_that_is_there_twice_is_found_whatever_stands_between(first: str, second: str) -> None:
    raw = f'{{"a": {json.dumps(first)}, "b": "", "a" : {json.dumps(second)}}}'.encode()
    assert refusal(raw) == (400, "duplicate_key", "")


def test_the_same_key_written_with_escapes_is_no_way_around() -> None:
    assert refusal(b'{"a": "1", "\\u0061": "2"}')[0] in (400, 422)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", (400, "malformed", "")),
        (b'{"a": "1"', (400, "malformed", "")),
        (b'{"a": "1"} x', (400, "malformed", "")),
        (b'{"a": 1}', (422, "invalid_field", "a")),
        (b'{"c": 1}', (422, "invalid_field", "c")),
        (b"[]", (422, "invalid_field", "")),
    ],
)
def test_what_is_wrong_is_told(raw: bytes, expected: tuple[int, str, str]) -> None:
    assert refusal(raw) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    assert status_of(lambda: Body(NewOrder).decode(raw)) in (0, 400, 422)


ROUTES = Routes(endpoints())


@given(st.text(max_size=60))
def test_any_path_leads_somewhere_or_nowhere(path: str) -> None:
    assert status_of(lambda: ROUTES.find("GET", path)) in (0, 404, 405)


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda one: one.operation.replace("/", "_"))
def test_every_endpoint_is_found_by_its_path(endpoint: Endpoint) -> None:
    target = endpoint.path.replace("{path...}", "js/app.js").replace("{ticker}", "BTC%2FUSD")
    for name in ("order_id", "parent_id", "seq", "account", "name"):
        target = target.replace(f"{{{name}}}", "7")
    found, values = ROUTES.find(endpoint.method, target + "?x=1")
    assert found is endpoint or found.operation == endpoint.operation
    assert values.get("ticker", "BTC/USD") == "BTC/USD"

from __future__ import annotations

import pytest

from tapewire.trace_context import TraceContext, of_headers, parse

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_is_read_and_written_back() -> None:
    assert parse(f"00-{TRACE}-{SPAN}-01") == TraceContext(TRACE, SPAN, 1)
    assert TraceContext(TRACE, SPAN, 0).traceparent() == f"00-{TRACE}-{SPAN}-00"
    assert of_headers({"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"}) == TraceContext(
        TRACE, SPAN, 1, "a=1"
    )
    assert of_headers(None) is None
    assert of_headers({"other": "x"}) is None


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_only_the_lowest_flag_says_sampled(flags: str, sampled: bool) -> None:
    context = parse(f"00-{TRACE}-{SPAN}-{flags}")
    assert context is not None
    assert context.sampled is sampled


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01 x",
    ],
)
def test_what_the_standard_says_to_ignore_is_ignored(text: str) -> None:
    assert parse(text) is None


def test_a_later_version_is_read_as_far_as_version_00_goes() -> None:
    assert parse(f"01-{TRACE}-{SPAN}-01-more") == TraceContext(TRACE, SPAN, 1)


def test_the_header_block_holds_both_headers() -> None:
    assert TraceContext(TRACE, SPAN, 1, "a=1").header_block() == (
        f"NATS/1.0\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1\r\n\r\n".encode()
    )

from __future__ import annotations

import pytest

from tapewire.errors import TransportError
from tapewire.transports.headers import block, parse


def test_a_block_is_the_bytes_of_nats_and_reads_back() -> None:
    headers = {"traceparent": "00-ab-cd-01", "Nats-Msg-Id": "7"}
    assert block(headers) == b"NATS/1.0\r\ntraceparent: 00-ab-cd-01\r\nNats-Msg-Id: 7\r\n\r\n"
    assert parse(block(headers)) == headers


def test_a_block_of_others_that_is_no_utf8_is_read_as_far_as_it_goes() -> None:
    assert parse(b"NATS/1.0\r\nbad: \xff\r\ntraceparent: 00-ab-cd-01\r\n\r\n")["traceparent"] == "00-ab-cd-01"


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"": "x"}, {"a": "x\r\nb: y"}, {"a:": "x"}])
def test_what_would_break_the_block_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(TransportError, match="expected a token as key and one line as value"):
        block(headers)

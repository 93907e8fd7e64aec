"""Parsing and building against a slow, obvious twin; framing against any cutting of the stream."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import FixError
from tapewire.fix.framing import Framer
from tapewire.fix.message import DATA_LENGTHS, build, checksum, parse
from tapewire.fix.timestamps import Stamp, to_ns

VALUE = st.text(st.characters(max_codepoint=255, exclude_characters="\x01"), min_size=1, max_size=40)
TAG = st.one_of(st.integers(11, 2000), st.integers(5000, 60_000)).filter(
    lambda tag: tag not in DATA_LENGTHS and tag not in (34, 35)
)
FIELDS = st.lists(st.tuples(TAG, VALUE), max_size=30).map(lambda fields: [(35, "D"), (34, "7"), *fields])


def slow(raw: bytes) -> list[tuple[int, str]]:
    """Fields of a message without data fields, by nothing but splitting."""
    return [(int(part.split("=", 1)[0]), part.split("=", 1)[1]) for part in raw.decode("latin-1").split("\x01")[:-1]]


@given(FIELDS)
def test_what_was_built_is_parsed_to_the_same_fields(fields: list[tuple[int, str]]) -> None:
    raw = build("FIX.4.4", fields)
    message = parse(raw)
    assert message.pairs() == slow(raw)
    assert message.pairs()[2:-1] == fields
    first: dict[int, str] = {}
    for tag, value in slow(raw):
        first.setdefault(tag, value)
    assert message.fields == first
    assert message.repeats == (len(first) != len(slow(raw)))


@given(st.binary(max_size=2000))
def test_the_checksum_is_the_sum_of_all_bytes(data: bytes) -> None:
    assert checksum(data) == sum(data) % 256


def test_the_checksum_holds_where_the_sums_are_largest() -> None:
    for length in (255, 256, 257, 511, 512, 513, 100_000):
        assert checksum(b"\xff" * length) == 255 * length % 256


@given(st.binary(min_size=1, max_size=50), FIELDS)
def test_data_may_hold_soh_where_its_length_says_so(data: bytes, fields: list[tuple[int, str]]) -> None:
    text = data.decode("latin-1")
    plain = build("FIX.4.4", [*fields, (95, len(data)), (96, "x" * len(data)), (58, "end")])
    raw = plain[:-7].replace(b"96=" + b"x" * len(data), b"96=" + data)
    message = parse(raw + b"10=%03d\x01" % checksum(raw))
    assert message.pairs()[-4:-1] == [(95, str(len(data))), (96, text), (58, "end")]


@given(st.lists(FIELDS, min_size=1, max_size=6), st.lists(st.integers(1, 400), max_size=12))
def test_a_stream_is_cut_into_the_same_messages_however_it_arrives(
    messages: list[list[tuple[int, str]]], sizes: list[int]
) -> None:
    expected = [build("FIX.4.4", fields) for fields in messages]
    stream, framer, found = b"".join(expected), Framer(4096), []
    for size in [*sizes, len(stream)]:
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert (found, framer.garbled, framer.waiting) == (expected, 0, 0)


@given(FIELDS, st.binary(min_size=1, max_size=60).filter(lambda data: b"8" not in data), st.integers(1, 100))
def test_after_garbage_the_next_message_is_found(fields: list[tuple[int, str]], junk: bytes, size: int) -> None:
    good, framer, found = build("FIX.4.4", fields), Framer(4096), []
    stream = good + junk + good
    for at in range(0, len(stream), size):
        found += framer.feed(stream[at : at + size])
    assert (found, framer.garbled) == ([good, good], 1)


def test_mutations_of_messages_are_refused_or_parsed_but_never_anything_else() -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    bases = [
        build("FIX.4.4", [(35, "D"), (34, 5), (49, "A"), (56, "B"), (52, "20261121-09:00:00"), (11, "x"), (55, "BTC")]),
        build("FIXT.1.1", [(35, "A"), (34, 1), (95, 4), (96, "abcd"), (98, 0), (108, 30)]),
        build("FIX.4.2", [(35, "8"), (453, 2), (448, "a"), (447, "D"), (448, "b"), (58, "a=b=")]),
    ]
    parsed = 0
    reasons: set[tuple[bool, int]] = set()  # (framed, SessionRejectReason)
    for _ in range(20_000):
        raw = bytearray(rng.choice(bases))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(raw))
            match rng.randrange(4):
                case 0:
                    raw[at] = rng.randrange(256)
                case 1:
                    del raw[at : at + rng.randrange(1, 9)]
                case 2:
                    raw[at:at] = rng.choice([b"\x01", b"=", b"8=FIX", b"9=", b"\x0110=", b"95=3\x01", rng.randbytes(3)])
                case _:
                    raw[at:] = raw[at : at + 3] + raw[at:]
        data = bytes(raw)
        if rng.random() < 0.7:  # with a right frame, so that the fields are reached
            _, _, rest = data.partition(b"\x0135=")
            body = b"35=" + rest[: max(rest.rfind(b"\x0110="), 0)] + b"\x01"
            data = b"8=FIX.4.4\x019=%d\x01%b" % (len(body), body)
            data += b"10=%03d\x01" % checksum(data)
        try:
            message = parse(data)
            again = parse(data)
            assert dict(reversed(message.pairs())) == message.fields == again.fields, f"seed {seed}: {data!r}"
            parsed += 1
        except FixError:
            pass
        try:
            framer = Framer(1000)
            for found in framer.feed(data) + framer.feed(bases[0]):
                parse_or_refuse(found, reasons)
            assert framer.waiting <= 1000, f"seed {seed}: {data!r}"
        except FixError as error:
            reasons.add((False, error.reason))
    assert parsed > 2000
    assert reasons <= {(False, 5), (True, 0), (True, 4), (True, 6)}, f"seed {seed}"


def parse_or_refuse(raw: bytes, reasons: set[tuple[bool, int]]) -> None:
    try:
        parse(raw)
    except FixError as error:
        reasons.add((True, error.reason))


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_times_come_back_to_the_microsecond(ns: int) -> None:
    stamp = Stamp()
    assert to_ns(stamp.micros(ns)) == ns // 1000 * 1000
    assert to_ns(stamp.millis(ns)) == ns // 10**6 * 10**6


@pytest.mark.parametrize(
    "text",
    ["", "20261121", "20261121-9:00:00", "20261321-09:00:00", "20261121-25:00:00", "20261121-09:00:00.",
     "２0261121-09:00:00", "20261121-09:00:00.1234567890", "20261121-09:00:00Z", "20261121T09:00:00",
     "20261121-09:00:61"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(FixError, match="is no UTC time") as raised:
        to_ns(text, 60)
    assert (raised.value.tag, raised.value.reason) == (60, 6)


def test_a_leap_second_is_the_second_after() -> None:
    assert to_ns("20161231-23:59:60.5") == to_ns("20170101-00:00:00.5")

from __future__ import annotations

import pytest

from tapewire.errors import FixError, FixGarbled
from tapewire.fix.framing import Framer
from tapewire.fix.message import build, checksum, frame, parse, printable


def raw(text: str) -> bytes:
    """A message from its body, `|` for SOH, with a right frame."""
    return frame("FIX.4.4", text.replace("|", "\x01"))


def test_a_message_has_its_fields_type_and_number() -> None:
    message = parse(raw("35=D|34=12|49=A|56=B|11=x=y|55=BTCUSDT|20001=far|"))
    assert (message.type, message.seq, message[11], message[20001], message.get(99, "-"), 55 in message) == (
        "D", 12, "x=y", "far", "-", True,
    )  # fmt: skip
    assert repr(message).startswith("Message(8=FIX.4.4|9=")


def test_a_message_is_built_with_its_length_and_checksum() -> None:
    assert build("FIX.4.2", [(35, "0"), (34, 4), (49, "KOD"), (52, "20180223-19:15:25.194"), (56, "BON")]) == (
        b"8=FIX.4.2\x019=49\x0135=0\x0134=4\x0149=KOD\x0152=20180223-19:15:25.194\x0156=BON\x0110=158\x01"
    )


@pytest.mark.parametrize(
    ("body", "tag", "reason"),
    [
        ("35=D|x=1|", 0, 0),
        ("35=D|=1|", 0, 0),
        ("35=D|011=1|", 0, 0),
        ("35=D|0=1|", 0, 0),
        ("35=D|-5=1|", 0, 0),
        ("35=D|11|", 0, 0),
        ("35=D|9999999999=1|", 0, 0),
        ("35=D|11=|", 11, 4),
        ("35=A|95=4|96=abc|", 96, 6),
        ("35=A|95=x|96=abc|", 95, 6),
        ("35=A|95=-1|96=abc|", 96, 6),
    ],
)
def test_fields_that_break_the_rules_are_named(body: str, tag: int, reason: int) -> None:
    with pytest.raises(FixError) as raised:
        parse(raw(body))
    assert (raised.value.tag, raised.value.reason) == (tag, reason)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"8=FIX.4.4\x01",
        b"8=FIX.4.4\x0135=D\x019=5\x0110=000\x01",
        raw("35=D|34=1|").replace(b"\x0134=1", b"\x0134=2"),
        raw("35=D|34=1|").replace(b"9=10", b"9=11"),
        raw("34=1|35=D|"),
        raw("35=D|34=1|")[:-1],
        raw("35=D|34=1|") + b"x",
        raw("35=D|34=1|").replace(b"9=10", b"9=1_0"),
        b"9=5" + raw("35=D|34=1|"),
    ],
)
def test_what_is_no_message_is_garbled(data: bytes) -> None:
    with pytest.raises(FixGarbled):
        parse(data)


def test_a_missing_tag_and_a_number_that_is_none_are_named() -> None:
    message = parse(raw("35=D|34=one|"))
    with pytest.raises(FixError) as raised:
        message[11]
    assert (raised.value.tag, raised.value.reason) == (11, 1)
    with pytest.raises(FixError) as raised:
        _ = message.seq
    assert (raised.value.tag, raised.value.reason) == (34, 6)


@pytest.mark.parametrize("value", ["", "a\x01b"])
def test_a_value_cannot_bring_a_field_of_its_own(value: str) -> None:
    with pytest.raises(ValueError, match="tag 58: a value must not"):
        build("FIX.4.4", [(35, "3"), (58, value), (45, 1)])


def test_free_text_is_made_safe() -> None:
    assert printable("a\x01b\nc€d") == "a b c?d"
    assert printable("") == " "


def test_a_length_that_is_wrong_costs_one_message_and_not_the_stream() -> None:
    good, framer = raw("35=0|34=1|"), Framer(4096)
    longer = raw("35=0|34=2|").replace(b"9=10", b"9=15")
    shorter = raw("35=0|34=3|").replace(b"9=10", b"9=05")
    assert framer.feed(longer + shorter + good) == [good]
    assert framer.garbled == 1


def test_a_message_above_the_bound_ends_the_stream() -> None:
    framer = Framer(1000)
    with pytest.raises(FixError, match="expected at most 1000"):
        framer.feed(b"8=FIX.4.4\x019=999999\x01")


def test_a_head_that_never_ends_is_garbage_and_not_kept() -> None:
    framer = Framer(1000)
    for _ in range(100):
        assert framer.feed(b"8=FIX" + b"4" * 95) == []
        assert framer.waiting < 30


def test_the_checksum_of_a_known_message() -> None:
    assert checksum(b"8=FIX.4.2\x019=49\x0135=0\x0134=3\x0149=KOD\x0152=20180223-19:14:55.188\x0156=BON\x01") == 162

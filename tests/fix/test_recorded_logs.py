"""Recorded FIX sessions of others: every message parses, and what is wrong in them is what their README says."""

from __future__ import annotations

import gzip
import re
from collections import Counter

import pytest

from tapewire.errors import FixGarbled
from tapewire.fix.framing import Framer
from tapewire.fix.message import build, parse
from tapewire.testing.recordings import folder

LOGS = folder() / "fix" / "logs"
MESSAGE = re.compile(rb"8=FIX.*?\x0110=\d{3}\x01", re.DOTALL)

pytestmark = pytest.mark.skipif(
    not LOGS.is_dir(), reason=f"no recorded FIX logs at {LOGS}; set TAPEWIRE_RECORDINGS to the recordings' folder"
)


def recorded(name: str) -> bytes:
    data = (LOGS / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


@pytest.mark.parametrize(
    ("name", "total", "wrong"),
    [
        ("FIX.4.2-KOD-BON.messages.current.log.gz", 2486, 0),
        ("Montran_order_messages.log", 12, 0),
        ("FIXT.1.1-EXEC-BANZAI.messages.log", 94, 2),
    ],
)
def test_every_message_parses_but_those_edited_by_hand(name: str, total: int, wrong: int) -> None:
    messages = MESSAGE.findall(recorded(name))
    garbled = 0
    for raw in messages:
        try:
            message = parse(raw)
        except FixGarbled:
            garbled += 1
            continue
        again = [pair for pair in message.pairs() if pair[0] not in (8, 9, 10)]
        assert build(message[8], again) == raw
    assert (len(messages), garbled) == (total, wrong)


def test_a_log_with_its_line_heads_is_a_stream_with_garbage_between() -> None:
    framer = Framer(4096)
    data = recorded("FIX.4.2-KOD-BON.messages.current.log.gz")
    found = [message for at in range(0, len(data), 777) for message in framer.feed(data[at : at + 777])]
    types = Counter(parse(raw).type for raw in found)
    assert types == {"8": 1204, "D": 602, "F": 602, "0": 74, "A": 2, "2": 1, "4": 1}
    assert framer.garbled == 2487  # the head of each line, and the last line's end

"""Rows of the security table of docs/fix.md that other tests of the front do not count: over sockets, with counters."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from services.gateway.front.admission import COUNTERS
from tapewire.fix.message import parse
from tests.fix.exchanges import DOCUMENT
from tests.fix.front_in_a_thread import FrontInAThread

HERE = Path(__file__).parent
SECOND = 10**9


def refusal(front: FrontInAThread, raw: bytes, source: str = "127.0.0.1") -> str:
    """What the Logout that answers it says; empty if the connection ends without one."""
    with front.socket(source) as sock:
        sock.sendall(raw)
        data = b""
        while piece := sock.recv(4096):
            data += piece
    return parse(data)[58] if data else ""


def test_an_address_that_is_not_allowed_is_closed_before_anything_is_read(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path, allow=("127.9.0.0/16",)) as front:
        with front.socket() as sock:
            assert sock.recv(1) == b""
        assert front.admission.counts["refused_address"] == 1
        assert refusal(front, front.login(bytes(32)).logon(1, time.time_ns()), "127.9.0.1").endswith("are not right")


@pytest.mark.parametrize("seconds", [-6, 15, -3600])
def test_a_logon_out_of_its_window_is_told_the_difference_and_our_time(tmp_path: Path, seconds: int) -> None:
    with FrontInAThread(tmp_path) as front:
        text = refusal(front, front.login().logon(1, time.time_ns() + seconds * SECOND))
        assert re.search(
            r"SendingTime \(52\) is \d+ ms (behind|ahead of) our time \d{8}-[\d:.]+; allowed: 5000 ms", text
        )
        assert front.counts == {"clock_skew": 1}


@pytest.mark.parametrize(
    ("heartbeat", "extra", "text"),
    [(4, [], "108"), (61, [], "108"), (30, [(4999, "x")], "4999"), (30, [(464, "Y")], "464")],
)
def test_a_logon_that_breaks_the_rules_is_told_the_tag(
    tmp_path: Path, heartbeat: int, extra: list[tuple[int, object]], text: str
) -> None:
    with FrontInAThread(tmp_path) as front:
        assert text in refusal(front, front.login().logon(1, time.time_ns(), heartbeat, extra))
        assert front.counts == {"invalid_logon": 1}


def test_failures_from_everywhere_throttle_strangers_and_not_the_clients_own_place(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path, logon_attempts=5, refusal_delay=0.01) as front:
        with front.socket("127.8.0.1") as own:
            own.sendall(front.login().logon(1, time.time_ns()))
            assert parse(own.recv(4096)).type == "A"
        wrong = front.login(bytes(32))
        texts = [refusal(front, wrong.logon(n, time.time_ns()), f"127.7.0.{n}") for n in range(1, 9)]
        assert [text.endswith("are not right") for text in texts] == [True] * 5 + [False] * 3
        assert front.counts["throttled_session"] == 3
        with front.socket("127.8.0.1") as own:
            own.sendall(front.login().logon(2, time.time_ns()))
            assert parse(own.recv(4096)).type == "A"


def test_every_row_of_the_table_has_a_counter_that_a_test_looks_at() -> None:
    table = DOCUMENT.read_text("utf-8").partition("| what comes | what happens | counted as |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.rpartition(" | ")[2])}
    assert named <= set(COUNTERS)
    tests = "".join(path.read_text("utf-8") for path in HERE.glob("test_front*.py"))
    assert sorted(name for name in named if f'"{name}"' not in tests) == []

"""A client that is logged on and means harm, through front, gateway and engine as processes: what it is answered, what
it costs, and that an honest session beside it is still served."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tapewire.fix.client import Disconnected, FixClient
from tapewire.fix.message import Message
from tapewire.histogram import StatsPage
from tests.fix.processes import skip_reason
from tests.fix.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]
FLOOD_S = 2.0
MOST_GROWTH = 64 << 20
PATIENCE_S = 30.0
NEW = [(54, 1), (60, "20261121-12:00:00.000"), (38, "1"), (40, 2), (44, "60.00"), (59, 1)]
_names = itertools.count()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    bounds = "max_resend = 300\nmax_ahead_bytes = 1048576\nmax_message_rate = 500\n"
    with Stack(tmp_path_factory.mktemp("hostile"), gateway=bounds, sessions="messages = 2000") as made:
        yield made


@pytest.fixture
def hostile(stack: Stack) -> Iterator[Callable[[str], FixClient]]:
    """Logs a client on that begins anew."""
    made: list[FixClient] = []

    def client(comp_id: str) -> FixClient:
        for _ in range(50):
            one = FixClient("127.0.0.1", stack.port, stack.login(comp_id), timeout=PATIENCE_S)
            made.append(one)
            with suppress(Disconnected):
                if one.logon(reset=True).type == "A":
                    return one
            one.close()
            time.sleep(0.1)
        raise AssertionError("it cannot log on")

    yield client
    for one in made:
        one.close()


def order(client: FixClient) -> Message:
    """A new order and its answer."""
    client.send("D", [(11, f"h{next(_names)}"), (55, "BTCUSDT"), *NEW])
    return client.expect("8", timeout=PATIENCE_S)


def held_by_gateway(stack: Stack) -> int:
    """Bytes of memory."""
    assert stack.gateway is not None
    return int(Path(f"/proc/{stack.gateway.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def count(stack: Stack, name: str) -> int:
    page = StatsPage.open(stack.engine.folders.stats / "gateway.front")
    try:
        return page.counter(name)
    finally:
        page.close()


def flood(client: FixClient, make: Callable[[], bytes]) -> None:
    """Sends for FLOOD_S, or until the connection is ended, and reads whatever comes."""
    sock = client._socket
    assert sock is not None
    sock.settimeout(0.2)
    # What waits in this machine for a slower reader is sent even when the client is gone, and its end comes behind it.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                try:
                    if not sock.recv(1 << 18):
                        return
                except OSError as error:
                    if isinstance(error, TimeoutError):
                        raise
                    return

    reader = threading.Thread(target=read)
    reader.start()
    end = time.monotonic() + FLOOD_S
    try:
        while time.monotonic() < end and reader.is_alive():
            with suppress(TimeoutError, ConnectionError):
                sock.sendall(b"".join(make() for _ in range(20)))
    finally:
        ended.set()
        reader.join()


def numbered(client: FixClient, kind: str, fields: list[tuple[int, object]]) -> bytes:
    client.next_out += 1
    return client.message(kind, fields, client.next_out - 1)


@pytest.mark.parametrize(
    ("make", "counter"),
    [
        (lambda c: numbered(c, "0", [(112, "x" * 15_000)]), "too_far_ahead"),
        (lambda _: b"8=FIX.4.4\x019=8000\x0135=0\x01" + b"x" * 8003, "oversize"),
        (lambda _: b"8=x\x019=199999999\x01", "oversize"),
        (lambda _: b"8=x\x019=-1\x01", "oversize"),
    ],
    ids=["ahead of a gap", "no 10=", "a length nobody sends", "no length"],
)
def test_what_the_session_layer_would_keep_without_end_ends_the_connection(
    stack: Stack, hostile: Callable[[str], FixClient], make: Callable[[FixClient], bytes], counter: str
) -> None:
    bad = hostile("OTHER-44")
    before, held = count(stack, counter), held_by_gateway(stack)
    if counter == "too_far_ahead":
        bad.next_out = 1_000
    flood(bad, lambda: make(bad))
    deadline = time.monotonic() + PATIENCE_S
    while count(stack, counter) == before:
        assert time.monotonic() < deadline, "the connection was not ended"
        time.sleep(0.05)
    assert held_by_gateway(stack) - held < MOST_GROWTH
    stack.check()


@pytest.mark.parametrize(
    "make",
    [
        lambda c: numbered(c, "XLQ", [(8030, "x")]),
        lambda c: numbered(c, "1", [(112, "x")]),
        lambda c: numbered(c, "D", [(11, "x")]),
        lambda _: b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01",
    ],
    ids=["XLQ", "TestRequest", "breaks the rules", "wrong checksum"],
)
def test_who_sends_more_than_its_share_is_read_more_slowly_and_others_are_served(
    stack: Stack, hostile: Callable[[str], FixClient], make: Callable[[FixClient], bytes]
) -> None:
    bad, honest = hostile("OTHER-44"), hostile("ORDERS-44")
    before = count(stack, "paced")
    thread = threading.Thread(target=flood, args=(bad, lambda: make(bad)))
    thread.start()
    try:
        while thread.is_alive():
            assert order(honest)[150] == "0"
            time.sleep(0.005)
    finally:
        thread.join()
    assert count(stack, "paced") > before
    stack.check()


def test_who_asks_for_too_much_is_refused_and_can_still_cancel(
    stack: Stack, hostile: Callable[[str], FixClient]
) -> None:
    bad = hostile("OTHER-44")
    names = [order(bad)[11] for _ in range(20)]
    refused = None
    for n in range(2_000):
        bad.send("AF", [(584, n), (585, 7)])
        found = bad.expect("8", "j", where=[] if n else [(150, "I")])
        if found.type == "j":
            refused = found
            break
    assert refused is not None
    assert (refused[380], refused[372]) == ("8", "AF")
    bad.send("F", [(11, "c"), (41, names[0]), (55, "BTCUSDT"), (54, 1), (60, "20261121-12:00:00.000")])
    assert bad.expect("8", where=[(11, "c")])[150] == "4"
    bad.send("q", [(11, "all"), (530, 7), (60, "20261121-12:00:00.000")])
    assert bad.expect("r")[531] == "7"


def test_who_asks_again_and_again_for_everything_is_logged_out(
    stack: Stack, hostile: Callable[[str], FixClient]
) -> None:
    bad = hostile("OTHER-44")
    for _ in range(100):
        order(bad)
    bad.send("2", [(7, 1), (16, 0)])
    bad.send("1", [(112, "behind them")])
    bad.expect("0", where=[(112, "behind them")])
    assert sum(b"\x0143=Y\x01" in sent.raw and b"\x0135=8\x01" in sent.raw for sent in bad.transcript) == 100
    for _ in range(10):
        bad.send("2", [(7, 1), (16, 0)])
    logout = bad.expect("5")
    assert "messages are asked for again; expected at most 300 at a time and 600 a minute" in logout[58]
    assert bad.resend_requests == 0


def test_what_one_session_follows_has_a_bound(stack: Stack, hostile: Callable[[str], FixClient]) -> None:
    bad = hostile("DATA-44")

    def ask(name: str, tickers: tuple[str, ...] = ("BTCUSDT",), depth: int = 0) -> Message:
        symbols = [(146, len(tickers)), *((55, one) for one in tickers)]
        fields = [(262, name), (263, 1), (264, depth), (265, 1), (267, 2), (269, 0), (269, 1), *symbols]
        bad.send("V", fields)
        return bad.expect("W", "Y", where=[(262, name)])

    assert [ask(f"n{n}").type for n in range(5)] == ["W", "W", "W", "W", "Y"]
    assert ask("more")[58] == "BTCUSDT is followed 4 times; expected at most 4"
    bad.send("V", [(262, "n0"), (263, 2), (264, 0), (267, 1), (269, 0), (146, 1), (55, "BTCUSDT")])
    assert ask("again").type == "W"


def test_a_logon_in_the_middle_of_a_session_ends_it_and_its_numbers_go_on(
    stack: Stack, hostile: Callable[[str], FixClient]
) -> None:
    bad = hostile("OTHER-50")
    name = order(bad)[11]
    numbers = bad.next_out, bad.next_in
    bad.send_raw(bad.login.logon(1, time.time_ns(), extra=[(141, "Y")]))
    assert bad.is_closed(PATIENCE_S)
    bad.close()
    bad.next_out, bad.next_in = numbers
    assert bad.logon().type == "A"
    bad.send("H", [(11, name), (55, "BTCUSDT"), (54, 1)])
    assert bad.expect("8", where=[(150, "I")])[11] == name


def test_the_session_layer_is_reached_from_loopback_alone(stack: Stack) -> None:
    backend = int(stack.engine.config.read_text().split("backend_port = ")[1].split()[0])
    with pytest.raises(TimeoutError), socket.create_connection(("127.0.0.2", backend), 0.5):
        pass


def test_a_front_that_is_killed_loses_nobody_an_order(stack: Stack, hostile: Callable[[str], FixClient]) -> None:
    honest = hostile("ORDERS-44")
    name = order(honest)[11]
    assert stack.front is not None
    stack.front.kill()
    stack.front.wait()
    assert honest.is_closed(PATIENCE_S)
    stack.restart_front()
    honest.close()
    assert honest.logon().type == "A"
    honest.send("H", [(11, name), (55, "BTCUSDT"), (54, 1)])
    assert honest.expect("8", where=[(150, "I"), (11, name)])[39] == "0"

"""The front over real sockets: what happens to who means harm, and to who is only wrong."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tapewire.config import GatewaySession
from tapewire.fix.auth import hash_password, is_front
from tapewire.fix.client import Disconnected, FixClient, Login
from tapewire.fix.message import build, parse
from tests.engine_process import PATIENCE_S
from tests.fix.front_in_a_thread import SECRET, FrontInAThread

FLOOD = 10_000


ClientOf = Callable[..., FixClient]


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    """Makes clients, and closes them at the end."""
    with ExitStack() as stack:
        yield lambda front, login, **more: stack.enter_context(
            closing(FixClient("127.0.0.1", front.port, login, timeout=PATIENCE_S, **more))
        )


def until(true: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def answer(sock: socket.socket, seconds: float = PATIENCE_S) -> bytes:
    """Everything until the other side closes."""
    sock.settimeout(seconds)
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def refused(front: FrontInAThread, logon: bytes, source: str = "127.0.0.1") -> tuple[str, float]:
    """The text of the Logout that answers a Logon, and how long it took."""
    with front.socket(source) as sock:
        began = time.monotonic()
        sock.sendall(logon)
        data = answer(sock)
        return parse(data)[58], time.monotonic() - began


def test_an_admitted_client_reaches_the_session_layer_without_its_secret(tmp_path: Path, client_of: ClientOf) -> None:
    with FrontInAThread(tmp_path) as front:
        client = client_of(front, front.login())
        assert client.logon().type == "A"
        passed = front.backends[0].logon
        assert passed is not None
        assert is_front(front.token, passed[96])
        sent = parse(client.transcript[0].raw)
        assert [(tag, passed[tag]) for tag in (34, 49, 52, 56, 108, 553)] == [
            (tag, sent[tag]) for tag in (34, 49, 52, 56, 108, 553)
        ]
        client.send("B", [(148, "hello")])
        assert client.expect("B")[148] == "hello"
        client.close()
        until(lambda: not front.admission.live)
        assert front.counts == {"logged_on": 1}


def test_bytes_that_follow_the_logon_at_once_are_not_lost_nor_out_of_order(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path) as front, front.socket() as sock:
        logon = front.login().logon(1, time.time_ns())
        messages = [build("FIX.4.4", [(35, "B"), (34, n), (58, "x" * 900)]) for n in range(2, 40)]
        stream = logon + b"".join(messages)
        for at in range(0, len(stream), 1111):
            sock.sendall(stream[at : at + 1111])
        expected, data = b"".join(messages), b""
        sock.settimeout(PATIENCE_S)
        while not data.endswith(messages[-1]):
            data += sock.recv(65536)
        assert data.endswith(expected)


@pytest.mark.parametrize("auth", ["password", "hmac", "ed25519"])
def test_each_way_of_logging_on_works_over_sockets(tmp_path: Path, client_of: ClientOf, auth: str) -> None:
    from tapewire.fix.auth import new_ed25519, write_secret

    private, public = new_ed25519()
    write_secret(tmp_path / "other", SECRET)
    ways = {
        "password": (b"s3cret", {"password_hash": hash_password("s3cret")}),
        "hmac": (SECRET, {"secret_file": tmp_path / "other"}),
        "ed25519": (private, {"public_key": public}),
    }
    secret, keys = ways[auth]
    session = GatewaySession(name="x", number=1, comp_id="ACME", username="u", auth=auth, accounts=(1,), **keys)  # type: ignore[arg-type]
    with FrontInAThread(tmp_path, (session,)) as front:
        login = Login("ACME", "TAPEWIRE", "u", auth, secret)  # type: ignore[arg-type]
        client = client_of(front, login)
        assert client.logon().type == "A"
        client.close()
        wrong = Login("ACME", "TAPEWIRE", "u", auth, bytes([65] * len(secret)))  # type: ignore[arg-type]
        assert client_of(front, wrong).logon()[58].endswith("credentials are not right")


def test_refusals_are_honest_and_take_the_same_time(tmp_path: Path) -> None:
    slow = GatewaySession(
        name="pw",
        number=2,
        comp_id="PW",
        username="u",
        auth="password",
        password_hash=hash_password("x"),
        accounts=(1,),
    )
    secret = tmp_path / "secret"
    fast = GatewaySession(
        name="acme", number=1, comp_id="ACME", username="key-1", auth="hmac", secret_file=secret, accounts=(1,)
    )
    with FrontInAThread(tmp_path, (fast, slow)) as front:
        login = front.login()
        wrong = "Logon refused: CompIDs, Username or credentials are not right"
        cases = {
            "unknown": (front.login(sender="NOBODY"), 0, wrong),
            "wrong key": (front.login(bytes(32)), 0, wrong),
            "wrong password": (Login("PW", "TAPEWIRE", "u", "password", b"y"), 0, wrong),
            "skew": (login, 3600, "Logon refused: SendingTime (52) is 36"),
            "version": (Login("A", "B", "", "none", b"", "FIX.4.3"), 0, "Logon refused: expected FIX.4.2"),
        }
        # Whatever else the machine does makes one of them late now and then; what a refusal itself takes is its least.
        times = dict.fromkeys(cases, PATIENCE_S)
        until_s = time.monotonic() + PATIENCE_S
        while max(times.values()) - min(times.values()) >= 0.2:
            assert time.monotonic() < until_s, times
            for name, (login, ago, text) in cases.items():
                found, took = refused(front, login.logon(1, time.time_ns() - ago * 10**9))
                assert found.startswith(text)
                assert took >= 0.3
                times[name] = min(times[name], took)


def test_a_replayed_logon_is_refused(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path) as front:
        recorded = front.login().logon(1, time.time_ns(), extra=[(8015, 60_000)])
        with front.socket() as sock:
            sock.sendall(recorded)
            assert parse(sock.recv(4096)).type == "A"
            text, _ = refused(front, recorded)
            assert text == "Logon refused: this session is logged on already"
        until(lambda: not front.admission.live)
        text, _ = refused(front, recorded)
        assert text == "Logon refused: the same Logon was used before; sign a new one"
        assert [name for name in ("replayed", "already_on", "logged_on") if front.counts[name] == 1] == [
            "replayed", "already_on", "logged_on",
        ]  # fmt: skip


def test_a_logout_comes_under_the_number_the_client_expects(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path) as front, front.socket() as sock:
        sock.sendall(front.login(bytes(32)).logon(9, time.time_ns(), extra=[(789, 17)]))
        logout = parse(answer(sock))
        assert (logout.type, logout[34], logout[49], logout[56]) == ("5", "17", "TAPEWIRE", "ACME")


@pytest.mark.parametrize(
    ("data", "counter"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "garbled"),
        (b"8=FIX.4.4\x019=4000\x01", "oversize"),
        (b"8=FIX.4.4\x019=999999999\x01", "oversize"),
        (build("FIX.4.4", [(35, "D"), (34, 1)]), "not_a_logon"),
        (build("FIX.4.4", [(35, "A"), (34, 1)]).replace(b"10=", b"10=9")[:-2] + b"\x01", "garbled"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "garbled"),
    ],
)
def test_what_is_no_logon_ends_the_connection_without_a_word(tmp_path: Path, data: bytes, counter: str) -> None:
    with FrontInAThread(tmp_path) as front, front.socket() as sock:
        if counter == "oversize" and b"4000" in data:
            data = data.replace(b"4000", b"5000")
        sock.sendall(data)
        assert answer(sock) == b""
        assert front.counts == {counter: 1}


def test_an_oversize_message_ends_a_session(tmp_path: Path, client_of: ClientOf) -> None:
    with FrontInAThread(tmp_path, max_message_bytes=2000) as front:
        client = client_of(front, front.login())
        client.logon()
        client.send("B", [(58, "x" * 1800)])
        client.expect("B")
        client.send_raw(b"8=FIX.4.4\x019=100000\x0135=B\x01")
        assert client.is_closed(PATIENCE_S)
        assert front.counts == {"logged_on": 1, "oversize": 1}
        assert front.backends[0].received < 4000


def test_a_slow_loris_has_until_the_logon_timeout(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path, logon_timeout=0.5) as front:
        began, logon, sent = time.monotonic(), front.login().logon(1, time.time_ns()), 0
        with front.socket() as sock, suppress(ConnectionResetError, BrokenPipeError):
            for byte in logon:
                sock.sendall(bytes([byte]))
                sent += 1
                time.sleep(0.02)
        assert time.monotonic() - began > 0.4
        assert sent < len(logon)
        assert front.counts == {"timed_out": 1}


def test_ten_thousand_half_open_connections_leave_room_for_who_means_it(tmp_path: Path, client_of: ClientOf) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FLOOD + 2000:
        pytest.skip(f"this process may open {hard} files; {FLOOD + 2000} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FLOOD + 2000), hard))
    with FrontInAThread(tmp_path, max_half_open=100, max_half_open_per_address=16) as front, ExitStack() as flood:
        for n in range(FLOOD):
            # From 250 addresses; the connect itself succeeds, as the kernel answers it.
            flood.enter_context(front.socket(f"127.1.0.{n % 250 + 1}"))
            if n % 1000 == 999:
                client = client_of(front, front.login(), source="127.2.0.1")
                client.next_out = n
                assert client.logon().type == "A", f"after {n + 1} connections"
                client.close()
                until(lambda: not front.admission.live)
                assert front.admission.connections <= 100
        until(lambda: front.admission.counts["connected"] + front.counts.get("refused_half_open", 0) >= FLOOD)
        counts = front.counts
        assert counts["logged_on"] == 10
        assert counts["evicted"] + counts.get("refused_half_open", 0) >= FLOOD - 100
        flood.close()
        until(lambda: front.admission.connections == 0)


def test_a_logon_flood_from_one_address_is_throttled_and_others_get_in(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path, logon_attempts=5, refusal_delay=0.05) as front:
        texts = [refused(front, front.login(bytes(32)).logon(n, time.time_ns()), "127.3.0.1")[0] for n in range(1, 21)]
        assert [text.startswith("Logon refused: more than 5 in 30 s") for text in texts] == [False] * 5 + [True] * 15
        assert front.counts == {"wrong": 5, "throttled_address": 15}
        # The session saw five failures, too: from where it never came, it waits; but nobody can lock out its own place.
        assert "more than 5" in refused(front, front.login().logon(1, time.time_ns()), "127.3.0.2")[0]


def test_a_reader_that_is_too_slow_is_let_go_and_was_seen_coming(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path, max_backlog_bytes=1 << 20) as front, front.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.sendall(front.login().logon(1, time.time_ns()))
        until(lambda: bool(front.backends) and front.backends[0].logon is not None)
        for _ in range(400):
            front.on_loop(lambda: front.backends[0].transport.write(b"x" * 65536))
            time.sleep(0.001)
            if front.counts.get("slow_reader"):
                break
        until(lambda: front.counts.get("slow_reader") == 1)
        assert front.most_waiting["acme"] > 100_000
        until(lambda: not front.admission.live)


def test_a_client_that_sends_faster_than_the_session_layer_reads_is_held_back(tmp_path: Path) -> None:
    with FrontInAThread(tmp_path) as front, front.socket() as sock:
        sock.sendall(front.login().logon(1, time.time_ns()))
        until(lambda: bool(front.backends) and front.backends[0].logon is not None)
        front.on_loop(lambda: front.backends[0].transport.pause_reading())
        message = build("FIX.4.4", [(35, "B"), (58, "x" * 8000)])
        sock.setblocking(False)
        sent, stalled = 0, 0
        while stalled < 20:
            try:
                sent += sock.send(message * 8)
                stalled = 0
            except BlockingIOError:
                stalled += 1
                time.sleep(0.01)
        assert sent < 64 << 20
        assert front.admission.live == {"acme": 1}


def test_without_a_session_layer_the_client_is_told_to_try_again(tmp_path: Path, client_of: ClientOf) -> None:
    with FrontInAThread(tmp_path) as front:
        (tmp_path / "front.token").unlink()
        client = client_of(front, front.login())
        assert client.logon()[58] == "Logon refused: starting; try again"
        until(lambda: not front.admission.live)


def test_at_the_end_sessions_may_log_out_and_the_rest_is_closed(tmp_path: Path, client_of: ClientOf) -> None:
    with FrontInAThread(tmp_path, drain_timeout=PATIENCE_S / 2) as front:
        client = client_of(front, front.login())
        client.logon()
        idle = front.socket()
        front.stop()
        until(lambda: front.admission.draining)
        client.send("5")
        assert client.expect("5").type == "5"
        client.close()
        assert answer(idle) == b""
        idle.close()


def test_a_client_knows_when_the_other_side_is_gone(tmp_path: Path, client_of: ClientOf) -> None:
    with FrontInAThread(tmp_path) as front:
        client = client_of(front, front.login())
        client.logon()
        front.on_loop(lambda: front.backends[0].transport.abort())
        with pytest.raises(Disconnected):
            client.expect("B")


def test_a_flood_of_passwords_does_not_pile_up(tmp_path: Path) -> None:
    session = GatewaySession(
        name="pw",
        number=2,
        comp_id="PW",
        username="u",
        auth="password",
        password_hash=hash_password("x"),
        accounts=(1,),
    )
    with (
        FrontInAThread(tmp_path, (session,), logon_attempts=1000, max_half_open_per_address=200) as front,
        ExitStack() as stack,
    ):
        guess = Login("PW", "TAPEWIRE", "u", "password", b"y")
        hashed = threading.Event()
        front.front._slow.submit(hashed.wait)  # a password that takes its time, so that the others wait
        socks = [stack.enter_context(front.socket()) for _ in range(60)]
        for n, sock in enumerate(socks):
            sock.sendall(guess.logon(n + 1, time.time_ns()))
        until(lambda: front.counts.get("busy") == 60 - 16)
        hashed.set()
        texts = [parse(answer(sock))[58] for sock in socks]
        busy = sum(text.startswith("Logon refused: too many at once") for text in texts)
        assert busy == 60 - 16
        assert busy + front.counts["wrong"] == 60


def test_a_fault_in_the_background_is_not_left_there(tmp_path: Path) -> None:
    front = FrontInAThread(tmp_path)
    with pytest.raises(AttributeError), front:  # noqa: PT012 - the fault is raised at its end
        front.on_loop(lambda: front.front._tasks.begin(fault()))
        time.sleep(0.05)


async def fault() -> None:
    raise AttributeError("of a test")

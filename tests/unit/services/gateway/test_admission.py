"""Who may come in, decided without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from services.gateway.front.admission import NS, Admission, Candidate, Refusal
from services.gateway.front.throttle import Throttle
from tapewire.config import Gateway, GatewaySession
from tapewire.fix.auth import write_secret
from tapewire.fix.client import Login
from tapewire.fix.message import parse

NOW = 1_795_251_600 * NS  # 2026-11-21 09:00:00 UTC
SECRET = bytes(range(32))
ACME = Login("ACME", "TAPEWIRE", "key-1", "hmac", SECRET)
IN = "logged on"


class Door:
    """An Admission, and connections that try to pass it."""

    def __init__(self, folder: Path, session: dict[str, object] | None = None, **settings: object) -> None:
        secret = folder / "secret"
        if not secret.exists():
            write_secret(secret, SECRET)
        one = GatewaySession(
            name="acme", number=1, comp_id="ACME", username="key-1", auth="hmac", secret_file=secret, accounts=(7,)
        )
        sessions = (msgspec.structs.replace(one, **(session or {})),)
        self.admission = Admission(msgspec.structs.replace(Gateway(sessions=sessions), **settings))

    def connect(self, address: str = "10.0.0.1") -> int:
        return self.admission.connect(address)[0]

    def knock(
        self,
        login: Login = ACME,
        *,
        seq: int = 1,
        sent: int = NOW,
        now: int = NOW,
        address: str = "10.0.0.1",
        heartbeat: int = 30,
        extra: Sequence[tuple[int, object]] = (),
    ) -> str:
        """Connects and sends a Logon; IN, or the text of the refusal."""
        connection = self.connect(address)
        logon = parse(login.logon(seq, sent, heartbeat, extra))
        verdict = self.admission.attempt(logon, address, now)
        if isinstance(verdict, Candidate):
            proven = verdict.credential.proves(logon)
            refusal = self.admission.conclude(verdict, logon, connection, address, now, proven=proven)
            if refusal is None:
                return IN
            verdict = refusal
        assert isinstance(verdict, Refusal)
        self.admission.close(connection)
        return verdict.text


WRONG = "Logon refused: CompIDs, Username or credentials are not right"


def test_who_proves_it_is_in_and_stays_counted_until_it_leaves(tmp_path: Path) -> None:
    door = Door(tmp_path)
    assert door.knock() == IN
    assert (door.admission.live, door.admission.connections, len(door.admission.half_open)) == ({"acme": 1}, 1, 0)
    door.admission.close(1)
    door.admission.close(1)
    assert (door.admission.live, door.admission.connections) == ({}, 0)
    assert door.admission.counts == {"connected": 1, "logged_on": 1}


@pytest.mark.parametrize(
    ("login", "session"),
    [
        (Login("ACME", "TAPEWIRE", "key-1", "hmac", bytes(32)), {}),
        (Login("ACME", "TAPEWIRE", "key-2", "hmac", SECRET), {}),
        (Login("ACNE", "TAPEWIRE", "key-1", "hmac", SECRET), {}),
        (Login("ACME", "TAPE", "key-1", "hmac", SECRET), {}),
        (Login("ACME", "TAPEWIRE", "key-1", "password", b"x"), {}),
        (Login("ACME", "TAPEWIRE", "key-1", "none", b""), {}),
        (Login("ACME", "TAPEWIRE", "key-1", "hmac", SECRET, "FIX.4.2"), {}),
        (ACME, {"allow": ("10.0.0.2", "10.1.0.0/16")}),
    ],
)
def test_whatever_is_wrong_with_who_it_is_gets_the_same_answer(
    tmp_path: Path, login: Login, session: dict[str, object]
) -> None:
    assert Door(tmp_path, session).knock(login) == WRONG


@pytest.mark.parametrize(
    ("off_ms", "window", "text"),
    [
        (0, None, IN),
        (-5_000, None, IN),
        (5_000, None, IN),
        (
            -5_001,
            None,
            "Logon refused: SendingTime (52) is 5001 ms behind our time 20261121-09:00:00.000; allowed: 5000 ",
        ),
        (5_001, None, "Logon refused: SendingTime (52) is 5001 ms ahead of our time"),
        (-60_000, 60_000, IN),
        (-20, 10, "Logon refused: SendingTime (52) is 20 ms behind"),
        (0, 60_001, "Logon refused: RecvWindow (8015) is 60001; expected 1 to 60000 ms"),
        (0, 0, "Logon refused: RecvWindow (8015) is 0"),
    ],
)
def test_a_logon_holds_within_its_receive_window(tmp_path: Path, off_ms: int, window: int | None, text: str) -> None:
    extra = [] if window is None else [(8015, window)]
    assert Door(tmp_path).knock(sent=NOW + off_ms * 1_000_000, extra=extra).startswith(text)


@pytest.mark.parametrize(
    ("heartbeat", "extra", "text"),
    [
        (4, [], "Logon refused: HeartBtInt (108) is 4; expected 5 to 60"),
        (61, [], "Logon refused: HeartBtInt (108) is 61; expected 5 to 60"),
        (30, [(464, "Y")], "Logon refused: this is no test system (464=Y)"),
        (30, [(9999, "x")], "Logon refused: tag 9999 is not in the dictionary"),
        (30, [(8013, "maybe")], "Logon refused: tag 8013: 'maybe' is neither Y nor N"),
    ],
)
def test_a_logon_that_breaks_the_rules_is_told_which(
    tmp_path: Path, heartbeat: int, extra: list[tuple[int, object]], text: str
) -> None:
    assert Door(tmp_path).knock(heartbeat=heartbeat, extra=extra) == text


def test_a_recorded_logon_is_worth_nothing_while_it_would_hold(tmp_path: Path) -> None:
    door = Door(tmp_path)
    assert door.knock() == IN
    assert door.knock() == "Logon refused: this session is logged on already"
    door.admission.close(1)
    assert door.knock(now=NOW + 4 * NS) == "Logon refused: the same Logon was used before; sign a new one"
    assert door.knock(now=NOW + 6 * NS).startswith("Logon refused: SendingTime (52) is 6000 ms behind")
    assert door.knock(seq=2) == IN


def test_a_session_is_open_in_its_hours(tmp_path: Path) -> None:
    def at(hours: str) -> bool:
        return Door(tmp_path, {"hours": hours}).knock() == IN

    assert [at(h) for h in ("09:00-17:00", "08:00-09:00", "22:00-09:01", "22:00-08:00", "")] == [
        True, False, True, False, True,
    ]  # fmt: skip
    assert Door(tmp_path, {"hours": "10:00-11:00"}).knock().endswith("this session is open 10:00-11:00 UTC")


def test_an_address_that_knocks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    door = Door(tmp_path, logon_attempts=3, logon_interval=30.0)
    stranger = Login("X", "TAPEWIRE", "x", "none", b"")
    assert [door.knock(stranger) for _ in range(3)] == [WRONG] * 3
    assert door.knock(now=NOW + 10 * NS, sent=NOW + 10 * NS).endswith("more than 3 in 30 s; try again in 20 s")
    assert door.knock(address="10.0.0.2") == IN
    assert door.knock(stranger, now=NOW + 31 * NS, sent=NOW + 31 * NS) == WRONG


def test_failures_from_elsewhere_do_not_lock_a_client_out_of_where_it_comes_from(tmp_path: Path) -> None:
    door = Door(tmp_path, logon_attempts=3, logon_interval=30.0)
    assert door.knock() == IN
    door.admission.close(1)
    guess = Login("ACME", "TAPEWIRE", "key-1", "hmac", bytes(32))
    assert [door.knock(guess, address=f"10.9.0.{n}") for n in range(3)] == [WRONG] * 3
    assert "more than 3" in door.knock(seq=2, address="10.9.0.9")
    assert door.knock(seq=3) == IN


def test_beyond_the_bound_of_one_address_the_newest_goes(tmp_path: Path) -> None:
    door = Door(tmp_path, max_half_open_per_address=2)
    assert [door.connect() for _ in range(3)] == [1, 2, 0]
    assert door.connect("10.0.0.2") == 3
    door.admission.close(1)
    assert door.connect() == 4


def test_beyond_the_bound_of_all_the_oldest_goes(tmp_path: Path) -> None:
    door = Door(tmp_path, max_half_open=3)
    assert [door.admission.connect(f"10.0.0.{n}") for n in range(5)] == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2)]
    assert list(door.admission.half_open) == [3, 4, 5]
    assert door.knock(address="10.0.1.1") == IN
    assert door.admission.connections == 3


def test_logged_on_sessions_are_never_pushed_out(tmp_path: Path) -> None:
    door = Door(tmp_path, max_connections=1)
    assert door.knock() == IN
    assert door.connect("10.0.0.2") == 0
    assert door.admission.counts["refused_connections"] == 1


def test_only_allowed_addresses_get_as_far_as_a_connection(tmp_path: Path) -> None:
    door = Door(tmp_path, allow=("10.0.0.0/24", "fd00::/8"))
    tried = ("10.0.0.9", "10.0.1.9", "::ffff:10.0.0.9", "fd00::1", "fe80::1%eth0")
    assert [bool(door.connect(address)) for address in tried] == [True, False, True, True, False]


def test_while_draining_nobody_comes_in(tmp_path: Path) -> None:
    door = Door(tmp_path)
    connection = door.connect()
    door.admission.draining = True
    assert door.connect() == 0
    verdict = door.admission.attempt(parse(ACME.logon(1, NOW)), "10.0.0.1", NOW)
    assert verdict == Refusal("draining", "Logon refused: shutting down")
    door.admission.close(connection)


def test_who_left_while_a_password_was_checked_is_not_on(tmp_path: Path) -> None:
    door = Door(tmp_path)
    connection = door.connect()
    logon = parse(ACME.logon(1, NOW))
    verdict = door.admission.attempt(logon, "10.0.0.1", NOW)
    assert isinstance(verdict, Candidate)
    door.admission.close(connection)
    late = door.admission.conclude(verdict, logon, connection, "10.0.0.1", NOW, proven=True)
    assert late is not None
    assert (late.counter, door.admission.live, door.admission.connections) == ("left", {}, 0)


def test_a_throttle_remembers_no_more_keys_than_it_may() -> None:
    throttle = Throttle(2, 10, most_keys=3)
    for key in range(10):
        throttle.count(key, 0)
        throttle.count(key, 1)
    assert (len(throttle), throttle.wait(9, 5), throttle.wait(0, 5)) == (3, 5, 0)
    assert throttle.wait(9, 10) == 0


def test_a_flood_from_everywhere_does_not_push_out_who_has_logged_on_before(tmp_path: Path) -> None:
    door = Door(tmp_path, max_half_open=20, max_half_open_per_address=4)
    assert door.knock(address="10.0.0.1") == IN
    for connection in list(door.admission.live.values()):
        door.admission.close(connection)
    mine = door.connect("10.0.0.1")
    stranger = door.connect("10.0.0.2")
    for n in range(1000):
        assert door.connect(f"10.1.{n // 250}.{n % 250}")
    assert mine in door.admission.half_open
    assert stranger not in door.admission.half_open
    assert len(door.admission.half_open) == 20


def test_the_addresses_of_one_customer_are_counted_as_one(tmp_path: Path) -> None:
    door = Door(tmp_path, max_half_open_per_address=2, logon_attempts=3)
    assert [bool(door.connect(f"2001:db8:0:7::{n:x}")) for n in range(1, 5)] == [True, True, False, False]
    assert door.connect("2001:db8:0:8::1")
    assert [bool(door.connect(address)) for address in ("::ffff:10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1")] == [
        True, True, False,
    ]  # fmt: skip
    assert door.connect("::ffff:10.0.0.2")
    other = Door(tmp_path, max_half_open_per_address=50, logon_attempts=3)
    wrong = Login("ACME", "TAPEWIRE", "key-1", "hmac", bytes(32))
    texts = [other.knock(wrong, address=f"fe80:0:0:1::{n}%eth0") for n in range(1, 5)]
    assert ["more than 3" in text for text in texts] == [False, False, False, True]


@pytest.mark.parametrize("network", ["10.0.0", "10.9.9"], ids=["allowed", "not allowed"])
def test_nobody_learns_which_sessions_there_are(tmp_path: Path, network: str) -> None:
    door = Door(tmp_path, {"allow": ("10.0.0.0/24",)}, logon_attempts=3, max_half_open_per_address=50)
    there = Login("ACME", "TAPEWIRE", "key-1", "hmac", bytes(32))
    not_there = Login("NOBODY", "TAPEWIRE", "key-1", "hmac", bytes(32))

    def told(login: Login, first: int) -> list[str]:
        return [door.knock(login, seq=n, address=f"{network}.{n}") for n in range(first, first + 8)]

    assert told(there, 1) == told(not_there, 11)

"""Tapes on other hosts, with real processes and a real nats-server that syncs before it acknowledges."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.nats_server import NatsServer
from tests.replica_hosts import Host, Load, on_tape, promote, same_bytes, server, until, verified

SEND, MIRROR = 'send = ["orders.0"]', 'mirror = ["orders.0"]'


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    with server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, bus: NatsServer) -> Iterator[tuple[Host, Host]]:
    primary = Host(tmp_path / "a", bus.url, replica=SEND)
    standby = Host(tmp_path / "b", bus.url, replica=MIRROR)
    try:
        yield primary, standby
    finally:
        primary.close()
        standby.close()


def test_a_mirror_has_every_byte_of_the_tape(pair: tuple[Host, Host]) -> None:
    primary, standby = pair
    primary.engine.start()
    primary.start_replica()
    standby.start_replica()
    with primary.engine.client() as client:
        load = Load(client)
        load.send(6000)
        until(load.all_answered, primary, standby)
    until(lambda: standby.released() == primary.released(), primary, standby)
    primary.engine.end(signal.SIGTERM)
    until(lambda: standby.released() == primary.released(), primary, standby)
    same_bytes(primary.tape, standby.tape)


def test_a_killed_primary_is_taken_over_without_a_loss(pair: tuple[Host, Host]) -> None:
    """kill -9 under load: every order that was answered stands on the standby's tape once, and both have one past."""
    primary, standby = pair
    primary.engine.start()
    primary.start_replica()
    standby.start_replica()
    standby.start_standby()
    with primary.engine.client() as client:
        load = Load(client)
        load.send(2000)
        primary.engine.kill()
        primary.end_replica(signal.SIGKILL)
        load.collect()
    answered = set(load.answers)
    assert 0 < len(answered) and set(load.answers.values()) == {1}
    said = promote(standby)
    assert said["epoch"] == 2
    kept = on_tape(standby.tape)
    assert answered <= kept.keys(), f"{len(answered - kept.keys())} answered orders are lost"
    assert set(kept.values()) == {1}
    with standby.engine.client() as client:
        again = Load(client)
        again.send(100)
        until(again.all_answered, standby)
    assert verified(standby.tape)


def test_a_paused_primary_that_wakes_after_a_promotion_releases_nothing(pair: tuple[Host, Host]) -> None:
    primary, standby = pair
    primary.engine.start()
    primary.start_replica()
    standby.start_replica()
    standby.start_standby()
    with primary.engine.client() as client:
        load = Load(client)
        load.send(500)
        until(load.all_answered, primary, standby)
        until(lambda: standby.released() == primary.released(), primary, standby)
        assert primary.engine.process is not None and primary.replica is not None
        for process in (primary.engine.process, primary.replica):
            process.send_signal(signal.SIGSTOP)
        promote(standby)
        released = primary.released()
        before = len(load.sent)
        load.send(50)
        for process in (primary.engine.process, primary.replica):
            process.send_signal(signal.SIGCONT)
        assert primary.replica.wait(30) == 1
        assert primary.engine.process.wait(30) == 1
        load.collect()
        assert not set(load.sent[before:]) & load.answers.keys()
    assert primary.released() == released
    assert "fenced: epoch 2 taken by" in primary.log.read_text()
    assert "fenced: epoch 2 was taken by another host" in primary.engine.log.read_text()

    # As a standby it gives up what it alone has, keeps it aside, and follows.
    primary.set_replica(MIRROR)
    primary.start_replica()
    primary.start_standby()
    with standby.engine.client() as client:
        load = Load(client)
        load.send(300)
        until(load.all_answered, primary, standby)
    until(lambda: primary.released() == standby.released(), primary, standby)
    assert list(primary.tape.glob("cut-*"))
    same_bytes(primary.tape, standby.tape)

    # And back again.
    until(lambda: "standing by" in primary.engine.log.read_text(), primary, standby)
    standby.engine.kill()
    standby.end_replica()
    assert promote(primary)["epoch"] == 3
    with primary.engine.client() as client:
        load = Load(client)
        load.send(100)
        until(load.all_answered, primary, standby)
    assert verified(primary.tape)


def test_while_the_bus_is_away_the_tape_goes_on_and_answers_wait(pair: tuple[Host, Host], bus: NatsServer) -> None:
    primary, standby = pair
    primary.engine.start()
    primary.start_replica()
    standby.start_replica()
    with primary.engine.client() as client:
        load = Load(client)
        load.send(200)
        until(load.all_answered, primary, standby)
        bus.stop()
        load.send(200)
        time.sleep(1.0)
        load.collect()
        assert not load.all_answered()
        bus.restart()
        until(load.all_answered, primary, standby)
        assert set(load.answers.values()) == {1}
    until(lambda: standby.released() == primary.released(), primary, standby)
    same_bytes(primary.tape, standby.tape)

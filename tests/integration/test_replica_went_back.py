"""A JetStream whose files were put back to an older state: nothing acknowledged is lost, no second history begins."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapewire.nats_server import NatsServer
from tests.engine_process import ROOT
from tests.replica_hosts import (
    MIRROR,
    TAPE,
    Host,
    Load,
    Pair,
    ended,
    on_tape,
    promote,
    same_bytes,
    tell_replica,
    until,
    verified,
)
from tests.stopped import stopped


class Backup:
    """The files of the server's JetStream, as a backup has them."""

    def __init__(self, bus: NatsServer, aside: Path) -> None:
        self.bus, self.store, self.aside = bus, bus.store / "jetstream", aside

    def take(self) -> None:
        self.bus.stop()
        shutil.copytree(self.store, self.aside)
        self.bus.restart()

    def put_back(self) -> None:
        """While nobody is served."""
        self.bus.stop()
        shutil.rmtree(self.store)
        shutil.copytree(self.aside, self.store)
        self.bus.restart()


@pytest.fixture
def backup(bus: NatsServer, tmp_path: Path) -> Backup:
    return Backup(bus, tmp_path / "backup")


def gone_back(host: Host) -> bool:
    state = host.state()
    return state is not None and state.back


def test_a_running_sender_sends_again_what_the_stream_has_lost(pair: Pair, backup: Backup) -> None:
    primary, standby = pair
    with pair.trading(200) as load:
        backup.take()
        pair.trade(load, 200)
        pair.until_both_have_it()
        released = standby.released()
        backup.put_back()
        pair.trade(load, 100)  # waits until the stream has everything again
        assert set(load.answers.values()) == {1}
    until(lambda: standby.released() == primary.released() > released, *pair)
    until(lambda: not gone_back(standby), *pair)
    until(lambda: "sending_again" in primary.log.read_text(), *pair)
    assert "stream_went_back" in standby.log.read_text()
    until(lambda: "stream_came_again" in standby.log.read_text(), *pair)
    assert not list(standby.tape.glob("cut-*")), "what the mirror has is nobody's own"
    same_bytes(primary.tape, standby.tape)


@pytest.mark.slow
def test_a_sender_that_was_started_since_stops_and_says_what_to_do(pair: Pair, backup: Backup) -> None:
    """Whether another host took the tape meanwhile, it has not seen: nothing is sent until somebody has looked."""
    primary, standby = pair
    with pair.trading(200) as load:
        backup.take()
        pair.trade(load, 200)
        pair.until_both_have_it()
        primary.end_replica(signal.SIGTERM)
        backup.put_back()
        primary.start_replica()
        load.send(10)
        assert ended(primary.replica) == 1
        assert "was started since" in primary.log.read_text()
        assert "tapewire replica renew orders.0 --yes" in primary.log.read_text()
        load.collect()
        assert not load.all_answered()

        # Meanwhile the mirror, which has more than the stream, is not promoted.
        until(lambda: gone_back(standby), *pair)
        command = [sys.executable, "-m", "tapewire.cli", "promote", TAPE, "--data", str(standby.engine.folders.data)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "went back" in done.stderr

        tell_replica(primary, "renew")
        primary.start_replica()
        until(load.all_answered, *pair)
    until(lambda: not gone_back(standby), *pair)
    pair.have_the_same()


@pytest.mark.slow
def test_the_writer_claims_again_when_the_stream_goes_back_before_its_claim(pair: Pair, backup: Backup) -> None:
    primary, standby = pair
    with pair.trading(200, standing_by=True):
        pass
    pair.until_both_have_it()
    backup.take()
    pair.until_both_have_it()
    primary.engine.kill()
    primary.end_replica()
    promote(standby)
    primary.set_replica(MIRROR)
    primary.start_replica()  # it follows the standby, and knows of its claim
    with standby.engine.client() as client:
        load = Load(client)
        pair.trade(load, 300)
        pair.until_both_have_it()
        backup.put_back()
        pair.trade(load, 100)
        assert set(load.answers.values()) == {1}
    assert "claimed_again" in standby.log.read_text()
    pair.have_the_same()
    assert standby.engine.process is not None
    assert standby.engine.process.poll() is None, "it was fenced by what the stream had forgotten"
    assert load.answers.keys() <= on_tape(primary.tape).keys()


@pytest.mark.slow
def test_a_former_writer_that_the_stream_names_again_does_not_go_on(pair: Pair, backup: Backup) -> None:
    """It was fenced. The stream forgot that; its host did not."""
    primary, standby = pair
    with pair.trading(100, standing_by=True):
        pass
    pair.until_both_have_it()
    backup.take()
    promote(standby)
    assert ended(primary.replica) == 1, "an idle sender hears that it was taken over"
    assert ended(primary.engine.process) == 1
    with standby.engine.client() as client:
        load = Load(client)
        pair.trade(load, 100)
    standby.engine.kill()
    standby.end_replica()
    backup.put_back()
    before = primary.released()
    primary.start_replica()
    assert ended(primary.replica) == 1
    assert "fenced: epoch 2" in primary.log.read_text()
    primary.set_replica(MIRROR)
    primary.start_replica()
    primary.start_standby()
    time.sleep(2.0)
    assert primary.released() == before
    state = primary.state()
    assert state is not None
    assert state.role != "sender"

    # The one that has everything comes back: it says that the stream is not the one it wrote to.
    standby.set_replica(MIRROR)
    standby.start_replica()
    assert ended(standby.replica) == 1
    assert "was started since" in standby.log.read_text()
    tell_replica(standby, "renew")
    standby.start_replica()
    standby.start_standby()
    with standby.engine.client() as client:
        again = Load(client)
        pair.trade(again, 50)
    assert load.answers.keys() <= on_tape(standby.tape).keys()
    pair.have_the_same()
    assert verified(primary.tape)


@pytest.mark.slow
def test_two_histories_are_told_by_the_host_that_finds_the_second(pair: Pair, backup: Backup) -> None:
    """What nobody could see: the former writer never knew of the claim, and the stream has forgotten it."""
    primary, standby = pair
    with pair.trading(100, standing_by=True):
        pass
    pair.until_both_have_it()
    primary.engine.kill()
    primary.end_replica(signal.SIGTERM)
    backup.take()
    promote(standby)
    with standby.engine.client() as client:
        pair.trade(Load(client), 100)
    released = standby.released()
    assert standby.replica is not None
    with stopped(standby.replica.pid):
        backup.put_back()
        primary.engine.start()
        primary.start_replica()
        with primary.engine.client() as client:
            pair.trade(Load(client), 10)
    assert ended(standby.replica) == 1
    assert "there are two histories" in standby.log.read_text()
    assert standby.released() == released, "what was acknowledged here stays"
    state = standby.state()
    assert state is not None
    assert state.role == "differs"
    # Started as a mirror it says the same in its way, and takes nothing of the other's over its own.
    standby.engine.kill()
    standby.set_replica(MIRROR)
    standby.start_replica()
    assert ended(standby.replica) == 1
    assert not list(standby.tape.glob("cut-*"))
    assert standby.released() == released

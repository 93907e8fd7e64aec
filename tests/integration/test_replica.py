"""Tapes on other hosts, with real processes and a real nats-server that syncs before it acknowledges."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

from tapewire import snapshots
from tapewire.health import Answer, ask_socket
from tapewire.histogram import StatsPage
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tapewire.tape.retention import Policy, carry_out, plan
from tests.replica_hosts import (
    MIRROR,
    SEND,
    Host,
    Load,
    Pair,
    a_pair,
    claim_for,
    delete_stream,
    ended,
    on_tape,
    promote,
    same_bytes,
    tell_replica,
    until,
    verified,
)
from tests.stopped import go_on, stop

OF_FEW_BYTES: dict[str, Any] = {
    "more": "max_bytes = 1048576", "segment_bytes": 1 << 18, "engine": "snapshot_every = 1000"
}  # fmt: skip
"""A stream that soon lets its oldest go, and a tape that can be pruned."""


def test_a_mirror_has_every_byte_of_the_tape(pair: Pair) -> None:
    primary, _ = pair
    with pair.trading(6000):
        pass
    pair.until_both_have_it()
    stored = StatsPage.open(primary.engine.folders.stats / f"replica.{primary.tape.name}").histogram("stored")
    assert stored.count > 0
    assert stored.max > 10_000  # ns: a server on this machine synced it
    primary.engine.end(signal.SIGTERM)
    pair.have_the_same()


def test_a_killed_primary_is_taken_over_without_a_loss(pair: Pair) -> None:
    """kill -9 under load: every order that was answered stands on the standby's tape once, and both have one past."""
    primary, standby = pair
    pair.start(standing_by=True)
    with primary.engine.client() as client:
        load = Load(client)
        load.send(1000)
        until(lambda: load.collect() > 100, primary, standby)
        until(lambda: standby.released() > 0, primary, standby)  # answers need no mirror, a takeover does
        load.send(400)
        primary.engine.kill()
        primary.end_replica(signal.SIGKILL)
        load.collect()
    answered = set(load.answers)
    assert answered
    assert set(load.answers.values()) == {1}
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


def test_a_paused_primary_that_wakes_after_a_promotion_releases_nothing(pair: Pair) -> None:
    primary, standby = pair
    with pair.trading(500, standing_by=True) as load:
        pair.until_both_have_it()
        assert primary.engine.process is not None
        assert primary.replica is not None
        for process in (primary.engine.process, primary.replica):
            stop(process.pid)
        promote(standby)
        released = primary.released()
        before = len(load.sent)
        load.send(50)
        for process in (primary.engine.process, primary.replica):
            go_on(process.pid)
        assert ended(primary.replica) == 1
        assert ended(primary.engine.process) == 1
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
        pair.trade(Load(client), 300)
    pair.have_the_same()
    assert list(primary.tape.glob("cut-*"))

    # And back again.
    until(lambda: "standing by" in primary.engine.log.read_text(), primary, standby)
    standby.engine.kill()
    standby.end_replica()
    assert promote(primary)["epoch"] == 3
    with primary.engine.client() as client:
        pair.trade(Load(client), 100)
    assert verified(primary.tape)


def test_while_the_bus_is_away_the_tape_goes_on_and_answers_wait(pair: Pair, bus: NatsServer) -> None:
    with pair.trading(200) as load:
        bus.stop()
        load.send(200)
        time.sleep(1.0)
        load.collect()
        assert not load.all_answered()
        bus.restart()
        until(load.all_answered, *pair)
        assert set(load.answers.values()) == {1}
    pair.have_the_same()


def test_a_new_mirror_gets_what_the_stream_has_no_more(tmp_path: Path, bus: NatsServer) -> None:
    """Of a pruned tape, too: its oldest records are gone, a snapshot stands for them."""
    with a_pair(tmp_path, bus.url, **OF_FEW_BYTES) as pair:
        primary, standby = pair
        with pair.trading(1000, mirror=False) as load:
            for _ in range(7):  # a snapshot comes between batches: all of them at once could be three of these
                pair.trade(load, 1000)
        until(lambda: len(list(primary.tape.glob("snapshots/*.snap"))) == 3, primary)
        done = carry_out(plan(primary.tape, Policy(max_bytes=2 << 20), time.time_ns()))
        assert done, "nothing was pruned"
        for fold in ("publisher", "views"):
            # Of folds that know what came before, the newest; none of records that the stream does not hold.
            (primary.tape / fold).mkdir()
            for seq in (2000, 3000, 1 << 40):
                snapshots.save(primary.tape / fold, snapshots.Snapshot(seq, f"{fold} {seq}".encode() * 200_000))
        standby.start_replica()
        pair.until_both_have_it()
        with TapeReader(standby.tape, from_seq=None) as reader:
            assert reader.first_seq > 1
        for fold in ("publisher", "views"):
            (path,) = (standby.tape / fold / "snapshots").iterdir()
            assert snapshots.load(path) == snapshots.Snapshot(3000, f"{fold} 3000".encode() * 200_000)
        same_bytes(primary.tape, standby.tape)
        standby.start_standby()
        until(lambda: "standing by" in standby.engine.log.read_text(), standby)
        primary.engine.kill()
        primary.end_replica()
        promote(standby)
        assert set(on_tape(standby.tape).values()) == {1}


def test_a_deleted_stream_is_missed_and_begun_anew_only_when_told(pair: Pair) -> None:
    primary, standby = pair
    with pair.trading(100, mirror=False) as load:
        delete_stream(primary)
        load.send(10)
        assert ended(primary.replica) == 1
        assert "was deleted behind our back" in primary.log.read_text()
        load.collect()
        assert not load.all_answered()
        tell_replica(primary, "renew")
        primary.start_replica()
        until(load.all_answered, primary)
    standby.start_replica()
    pair.have_the_same()


def test_a_stream_of_another_tape_of_that_name_is_refused(pair: Pair) -> None:
    primary, standby = pair
    pair.start(mirror=False)
    primary.engine.client().close()
    standby.engine.start()
    standby.set_replica(SEND)
    standby.start_replica()
    assert ended(standby.replica) == 1
    assert "taken by" in standby.log.read_text()
    assert ended(standby.engine.process) == 1
    assert standby.released() == 0


def test_a_claim_that_its_host_was_killed_behind_is_carried_out_after_the_restart(pair: Pair) -> None:
    """Stored by the stream, and the mirror killed before it let the tape go: nobody else can write, so it must."""
    primary, standby = pair
    with pair.trading(50, standing_by=True):
        pass
    pair.until_both_have_it()
    primary.engine.kill()
    primary.end_replica()
    standby.end_replica()
    claim_for(standby)
    standby.start_replica()
    with standby.engine.client() as client:
        again = Load(client)
        again.send(10)
        until(again.all_answered, standby)
    assert verified(standby.tape)


def engine_health(host: Host) -> Answer:
    return ask_socket(host.engine.folders.health / "engine")


def test_one_command_for_both_hosts_of_a_pair(tmp_path: Path, bus: NatsServer) -> None:
    """`engine --standby` and `mirror` on both: who is told first begins, and who wrote last goes on."""
    hosts = [Host(tmp_path / name, bus.url, replica=MIRROR) for name in "ab"]
    first, other = hosts
    try:
        for host in hosts:
            host.start_replica()
            host.start_standby()
        until(lambda: first.state() is not None, *hosts)
        until(lambda: engine_health(other).reasons == ("standby: there is no mirror of the tape yet",), *hosts)
        assert promote(first)["epoch"] == 1
        with first.engine.client() as client:
            load = Load(client)
            load.send(100)
            until(load.all_answered, *hosts)
            # Both are: the one trades, the other could at once. A cluster rolls a pair, and drains its nodes, by that.
            until(lambda: engine_health(first).ok and engine_health(other).ok, *hosts)
            assert engine_health(other).detail.startswith("standing by seq=")
            first.engine.kill()
            first.end_replica()
            first.start_standby()
            first.start_replica()
            load.send(100)
            until(load.all_answered, *hosts)
        until(lambda: other.released() == first.released(), *hosts)
        first.engine.kill()
        first.end_replica()
        assert promote(other)["epoch"] == 3
        first.start_standby()  # it does not know yet, and begins to write
        until(lambda: len(first.engine.lines("recovered")) == 3, *hosts)
        first.start_replica()
        ended(first.engine.process)
        assert "fenced: epoch" in first.engine.log.read_text()
        first.start_standby()
        until(lambda: first.released() == other.released() > 0, *hosts)
        same_bytes(first.tape, other.tape)
    finally:
        for host in hosts:
            host.close()


def test_sender_and_mirror_killed_at_random_lose_and_repeat_nothing(pair: Pair) -> None:
    primary, rng = pair.primary, random.Random(7)
    pair.start()
    with primary.engine.client() as client:
        load = Load(client)
        for _ in range(6):
            load.send(300)
            time.sleep(rng.random() * 0.3)
            host = rng.choice(pair)
            host.end_replica(signal.SIGKILL)
            load.send(50)
            host.start_replica()
        until(load.all_answered, *pair)
        assert set(load.answers.values()) == {1}
    pair.have_the_same()


def test_a_standby_takes_over_by_itself_after_a_silence(tmp_path: Path, bus: NatsServer) -> None:
    with a_pair(tmp_path, bus.url, mirror="takeover_after = 2.5") as pair:
        primary, standby = pair
        with pair.trading(100, standing_by=True) as load:
            pair.until_both_have_it()
            time.sleep(3.0)
            assert primary.engine.process is not None
            assert primary.engine.process.poll() is None, "a quiet market is no silence"
            primary.engine.kill()  # its replica lives, and says no more that its writer does
        until(lambda: bool(standby.engine.lines("recovered")), primary, standby)
        assert set(load.answers) <= on_tape(standby.tape).keys()


def test_without_an_engine_that_stands_by_a_silence_takes_nothing_over(tmp_path: Path, bus: NatsServer) -> None:
    """A claim would fence the writer, and nobody could go on."""
    with a_pair(tmp_path, bus.url, mirror="takeover_after = 0.5") as pair:
        primary, standby = pair
        with pair.trading(50) as load:
            pass
        pair.until_both_have_it()
        primary.engine.kill()
        until(lambda: "no engine stands by on this host" in standby.log.read_text(), primary, standby)
        time.sleep(1.5)
        assert "claiming" not in standby.log.read_text()
        state = standby.state()
        assert state is not None
        assert "no engine stands by" in state.why
        standby.start_standby()
        until(lambda: bool(standby.engine.lines("recovered")), primary, standby)
        assert load.answers.keys() <= on_tape(standby.tape).keys()


def test_a_mirror_that_was_away_too_long_says_so_and_begins_afresh_when_told(tmp_path: Path, bus: NatsServer) -> None:
    """Neither the stream nor the tape has what follows its end: asking for ever would not bring it back."""
    with a_pair(tmp_path, bus.url, **OF_FEW_BYTES) as pair:
        primary, standby = pair
        with pair.trading(300) as load:
            pair.until_both_have_it()
            standby.end_replica(signal.SIGTERM)
            for _ in range(8):
                pair.trade(load, 1000)
        until(lambda: len(list(primary.tape.glob("snapshots/*.snap"))) == 3, primary)
        assert carry_out(plan(primary.tape, Policy(max_bytes=1 << 20), time.time_ns())), "nothing was pruned"
        standby.start_replica()
        assert ended(standby.replica) == 1
        assert "tapewire replica afresh orders.0 --yes" in standby.log.read_text()
        tell_replica(standby, "afresh")
        standby.start_replica()
        pair.have_the_same()

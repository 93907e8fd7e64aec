"""What a replica says of itself, for who promotes and who watches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from services.replica.context import KEEP_EVERY_NS, SAY_EVERY_NS, Context
from services.replica.stream import Stream
from tapewire import logs
from tapewire.config import Replica
from tapewire.errors import TapeFull
from tapewire.replication import host
from tapewire.replication import state as states
from tapewire.replication.part import Part
from tapewire.transports.nats import NatsTransport
from tests.full_disk import fill, small_disk

HOUR_NS = 3_600 * 10**9


class Clocks:
    """Times in ns: the steady one, and the one that people set."""

    def __init__(self) -> None:
        self.steady, self.wall = 0, 1_700_000_000 * 10**9

    def pass_by(self, ns: int) -> None:
        self.steady += ns
        self.wall += ns


def context(folder: Path, clocks: Clocks) -> Context:
    """Of a tape that is only spoken of: its bus is never asked."""
    tape, stream, bus = folder / "orders.0", cast(Stream, None), cast(NatsTransport, None)
    tape.mkdir()
    return Context(
        *("test", tape, folder / "stats", "a/1", Replica(), bus, stream, logs.get("replica")),
        now=lambda: clocks.steady,
        clock=lambda: clocks.wall,
    )


def test_a_clock_that_is_put_back_does_not_silence_a_replica(tmp_path: Path) -> None:
    clocks = Clocks()
    of = context(tmp_path, clocks)
    of.say("sender", seq=1)
    clocks.wall -= HOUR_NS
    clocks.pass_by(SAY_EVERY_NS)
    of.say("sender", seq=2)
    found = states.read(of.tape)
    assert found is not None
    assert (found.seq, found.stale(clocks.wall)) == (2, False)


def test_the_same_role_is_said_only_now_and_then(tmp_path: Path) -> None:
    clocks = Clocks()
    of = context(tmp_path, clocks)
    said = []
    for seq in range(4):
        of.say("sender", seq=seq)
        clocks.pass_by(SAY_EVERY_NS // 2)
        found = states.read(of.tape)
        said.append(found and found.seq)
    assert said == [0, 0, 2, 2]


def test_without_room_only_what_something_rests_on_is_refused(tmp_path: Path) -> None:
    clocks, part = Clocks(), Part(kind="frames", mark="m", holder="a/1", epoch=1, position=0, end=100)
    with small_disk(tmp_path / "disk", 1) as disk:
        of = context(disk, clocks)
        of.stored("then", 1, part, b"")
        asyncio.run(of.keep_known())
        before = host.known_of(of.tape)
        filler = fill(disk)
        of.stored("then", 2, part, b"")
        with pytest.raises(TapeFull, match="cannot be written: No space left"):
            asyncio.run(of.keep_known())
        clocks.pass_by(KEEP_EVERY_NS)
        asyncio.run(of.refresh_known())
        of.say("sender")
        assert (host.known_of(of.tape), states.read(of.tape)) == (before, None)
        filler.unlink()
        clocks.pass_by(KEEP_EVERY_NS)
        asyncio.run(of.refresh_known())
        of.say("mirror")
        assert (host.known_of(of.tape), states.read(of.tape) is not None) == (of.known, True)
        assert of.known is not None
        assert of.known.sequence == 2

"""The mirror's shell, a step at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from services.replica.context import Context
from services.replica.mirror_copy import MirrorCopy
from services.replica.mirroring import Mirroring
from services.replica.stream import Stored, Stream
from tapewire import logs
from tapewire.config import Replica
from tapewire.errors import TransportError
from tapewire.interfaces import Handler
from tapewire.replication.copying import Mirror
from tapewire.replication.part import Part
from tapewire.transports.nats import NatsTransport
from tests.full_disk import fill, small_disk

NAME, MARK = "orders.0", "mark"


def test_messages_that_were_lost_on_the_way_make_it_find_its_place_anew(tmp_path: Path) -> None:
    nothing, stream = cast(NatsTransport, None), cast(Stream, None)
    tape = tmp_path / NAME
    context = Context("test", tape, tmp_path, "us", Replica(), nothing, stream, logs.get("replica"))
    mirroring = Mirroring(context)
    copy = mirroring._copy = MirrorCopy(str(tape), NAME)
    mirroring._mirror = Mirror(copy, "us", MARK, 1)
    mirroring._pending = [Stored(5, Part(kind="frames", mark=MARK, holder="them", epoch=1, position=900, end=990), b"")]
    try:
        asyncio.run(mirroring._step())
        assert mirroring._mirror is None
    finally:
        copy.close()


class Bus:
    """One that is away, but for who listens."""

    connected = False

    async def subscribe(self, pattern: str, handler: Handler) -> None:
        return

    async def info(self) -> None:
        raise TransportError("nobody leads the stream")


def test_a_copy_for_which_there_is_no_room_is_begun_once_there_is(tmp_path: Path) -> None:
    """Not given up: its other tapes keep the replica alive, and nobody would start it again."""

    async def run(disk: Path) -> tuple[str, str]:
        bus, stop = Bus(), asyncio.Event()
        parts = (Replica(), cast(NatsTransport, bus), cast(Stream, bus), logs.get("replica"))
        context = Context("test", disk / NAME, tmp_path, "us", *parts)
        running = asyncio.create_task(Mirroring(context).run(stop))
        while not context._last:
            await asyncio.sleep(0.01)
        before = context.reasons()
        filler.unlink()
        while not (disk / NAME / "control").exists() or "leads" not in context.reasons()[0]:
            assert not running.done()
            await asyncio.sleep(0.01)
        after = context.reasons()
        stop.set()
        assert not await running
        return before[0], after[0]

    with small_disk(tmp_path / "disk", 1) as disk:
        filler = fill(disk)
        before, after = asyncio.run(run(disk))
    assert "No space left" in before
    assert "nobody leads" in after


def test_behind_a_cut_the_copy_is_opened_anew(tmp_path: Path) -> None:
    """Also where that finds no room at first: a closed one would pass for an empty tape."""
    nothing, stream = cast(NatsTransport, None), cast(Stream, None)
    context = Context("test", tmp_path / NAME, tmp_path, "us", Replica(), nothing, stream, logs.get("replica"))
    mirroring = Mirroring(context)
    found = [mirroring._is_open]
    copy = mirroring._copy = MirrorCopy(str(context.tape), NAME)
    found.append(mirroring._is_open)
    copy.cut_behind(0, 1)
    found.append(mirroring._is_open)
    copy.close()
    assert found == [False, True, False]

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
from tapewire.replication.copying import Mirror
from tapewire.replication.part import Part
from tapewire.transports.nats import NatsTransport

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

"""What anybody may ask who is let onto the subject: a question that makes no sense is refused, and ends nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import pytest

from services.replica.context import Context
from services.replica.fetching import REFUSED, FetchServer, Request, fetch_snapshots
from services.replica.stream import Stream
from tapewire import logs, snapshots
from tapewire.config import Replica
from tapewire.errors import TapeFull, TransportError
from tapewire.replication.part import HEADER, decode
from tapewire.replication.sender import Last, Sender
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeFrames, TapeWriter
from tapewire.transports import headers
from tapewire.transports.nats import NatsTransport
from tests.full_disk import fill, small_disk
from tests.tapes import kill

NAME, SNAPSHOT = "orders.0", f"{7:020d}.snap"


class Asked(NamedTuple):
    """As it comes from the bus."""

    subject: str
    data: bytes
    reply: str
    headers: dict[str, str] | None = None


class Answers:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.said: list[dict[str, str]] = []

    def publish(self, subject: str, payload: bytes, block: bytes | None = None) -> None:
        self.said.append(dict(headers.parse(block or b"")))


def answer_to(question: bytes, folder: Path) -> dict[str, str]:
    """The headers of what a host says that sends a tape of one record."""
    tape, bus = folder / NAME, Answers()
    with TapeWriter(tape, name=NAME, durability="replicated") as writer:
        writer.append_many([kill(1)])
        writer.commit()
    frames = TapeFrames(tape)
    marks = frames.positions
    frames.close()
    sender = Sender("us", "mark")
    sender.synced(Last(0, None), marks.durable, 0)
    sender.released = (marks.durable, marks.durable_seq)
    transport, stream = cast(NatsTransport, bus), cast(Stream, None)
    context = Context("test", tape, folder, "us", Replica(), transport, stream, logs.get("replica"))
    asyncio.run(FetchServer(context, lambda: sender)._on_request(Asked("fetch", question, "inbox")))
    (said,) = bus.said
    return said


def test_a_position_that_is_there_is_answered(tmp_path: Path) -> None:
    question = msgspec.json.encode(Request(position=0))
    assert decode(answer_to(question, tmp_path)[HEADER]).last == 1


@pytest.mark.parametrize(
    "question",
    [
        b"",
        b"[]",
        b'{"position": -1}',
        b'{"position": 1180591620717411303424}',
        b'{"position": 1000000}',
        b'{"snapshot": "../../secret", "offset": 0}',
        b'{"snapshot": "1.snap", "offset": 1180591620717411303424}',
        b'{"snapshot": "\\u0000.snap"}',
        b'{"snapshot": "views/../1.snap"}',
        b'{"more": 1}',
    ],
)
def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, question: bytes) -> None:
    assert list(answer_to(question, tmp_path)) == [REFUSED]


class Kept:
    """A bus on which a host has one snapshot, of these bytes."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    async def request(self, subject: str, payload: bytes, *, timeout: float) -> Asked:
        asked = msgspec.json.decode(payload, type=Request)
        if asked.snapshots or asked.folds:
            listed = [{"name": SNAPSHOT, "bytes": len(self._raw)}] if asked.snapshots else []
            return Asked(subject, msgspec.json.encode(listed), "")
        return Asked(subject, self._raw[asked.offset :], "")


def fetch(folder: Path, raw: bytes) -> int:
    transport, stream = cast(NatsTransport, Kept(raw)), cast(Stream, None)
    (folder / NAME).mkdir(exist_ok=True)
    context = Context("test", folder / NAME, folder, "us", Replica(), transport, stream, logs.get("replica"))
    return asyncio.run(fetch_snapshots(context))


def test_a_snapshot_that_cannot_be_put_ends_no_other_tape(tmp_path: Path) -> None:
    """What is neither TapeError nor TransportError would end the whole replica, and what it sends with it."""
    raw = snapshots.save(tmp_path, Snapshot(7, bytes(200_000))).read_bytes()
    with small_disk(tmp_path / "disk", 1) as disk:
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - (1 << 16))  # room for the folders, and not for the snapshot
        with pytest.raises(TapeFull, match=r"snapshot 0+7\.snap cannot be written: No space left"):
            fetch(disk, raw)
        filler.unlink()
        assert fetch(disk, raw) == len(raw)
        assert snapshots.load(disk / NAME / "snapshots" / SNAPSHOT).seq == 7
    with pytest.raises(TransportError, match=r"does not hold: .*SHA-256"):
        fetch(tmp_path, raw[:-1] + b"x")

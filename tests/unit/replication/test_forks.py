"""A tape that forked behind what the stream still shows: its bytes are asked for and compared, never spliced."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import cast

import pytest

from services.replica import fetching
from services.replica.context import Context
from services.replica.mirror_copy import MirrorCopy
from services.replica.mirroring import Mirroring
from services.replica.sending import Sending
from services.replica.stream import Info, Stored, Stream
from tapewire.config import Replica
from tapewire.errors import TapeError
from tapewire.logs import configure
from tapewire.replication.copying import Mirror
from tapewire.replication.part import HEADER, Part, decode
from tapewire.replication.sender import Sender, State
from tapewire.tape import TapeFrames, TapeWriter
from tapewire.transports.nats import NatsTransport
from tests.tapes import kill, refused, segments

NAME, MARK = "orders.0", "mark"
COMMON, OURS, THEIRS = 10, 15, 40
"""Last records: of both tapes, of ours, of the other host's."""


def write(tape: Path, first: int, last: int, note: str = "") -> None:
    """Records of one length, whoever writes them: frames begin at the same places on both tapes."""
    with TapeWriter(tape, name=NAME, segment_bytes=1 << 16, durability="replicated") as writer:
        writer.append_many(refused(seq, note * 40) if note else kill(seq) for seq in range(first, last + 1))
        writer.commit()


@pytest.fixture
def tapes(tmp_path: Path) -> tuple[Path, Path]:
    """Ours, and the other host's: the same up to COMMON."""
    ours, theirs = tmp_path / "a" / NAME, tmp_path / "b" / NAME
    write(ours, 1, COMMON)
    shutil.copytree(ours, theirs)
    write(theirs, COMMON + 1, THEIRS, "b")
    return ours, theirs


def context(tape: Path, stream: object = None) -> Context:
    nothing = cast("NatsTransport", None)
    return Context("test", tape, tape.parent, "us", Replica(), nothing, cast("Stream", stream), configure("replica"))


def end_of(tape: Path) -> tuple[int, int]:
    frames = TapeFrames(tape)
    marks = frames.positions
    frames.close()
    return marks.durable, marks.durable_seq


def fetch_all(ours: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mirror does whose end the stream has no more, until it has what the other host stored."""
    server = fetching.FetchServer(context(theirs), lambda: Sender("them", MARK))
    end = end_of(theirs)

    async def frames_from(context: Context, position: int) -> tuple[Part, bytes]:
        headers, frames = server._answer(fetching.Request(position=position), end)
        return decode(headers[HEADER]), frames

    monkeypatch.setattr(fetching, "frames_from", frames_from)
    mirroring = Mirroring(context(ours))
    copy = mirroring._copy = MirrorCopy(str(ours), NAME)
    mirroring._mirror = Mirror(copy, "us", MARK, 1)
    try:
        while copy.end < end[0]:
            asyncio.run(mirroring._fetch())
    finally:
        copy.close()


def test_a_mirror_that_was_long_away_gets_the_rest(tapes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tapes
    fetch_all(ours, theirs, monkeypatch)
    assert [path.read_bytes() for path in segments(ours)] == [path.read_bytes() for path in segments(theirs)]


def test_a_former_writer_whose_claim_the_stream_has_no_more_takes_nothing_behind_its_own_tail(
    tapes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tapes
    write(ours, COMMON + 1, OURS, "a")
    with pytest.raises(TapeError, match="other bytes than this mirror"):
        fetch_all(ours, theirs, monkeypatch)
    assert end_of(ours)[1] < OURS, "what is ours alone is not shown"


class Held:
    """A stream that holds frames, and a claim of ours behind them."""

    name = "TAPE_test"

    def __init__(self, frames: Stored, claim: Stored) -> None:
        self.frames, self.claim = frames, claim

    async def info(self) -> Info:
        return Info(1, 2, "then", 2)

    async def get(self, sequence: int) -> Stored:
        return self.claim if sequence == self.claim.sequence else self.frames

    async def last_frames(self) -> Stored:
        return self.frames


@pytest.mark.parametrize("forked", [False, True])
def test_behind_our_claim_only_the_tape_that_was_claimed_is_sent(tapes: tuple[Path, Path], forked: bool) -> None:
    """As one that was restored from before the claim, and went on otherwise."""
    ours, theirs = tapes
    frames = TapeFrames(theirs)
    frames.seek(0)
    stretch = frames.read(1 << 20)
    frames.close()
    assert stretch is not None
    part = Part(
        kind="frames", mark=MARK, holder="them", epoch=1, position=stretch.position, end=stretch.end, last=THEIRS
    )
    claim = Part(kind="claim", mark=MARK, holder="us", epoch=2, position=part.end, end=part.end, last=THEIRS)
    if forked:
        write(ours, COMMON + 1, THEIRS + 5, "a")
    tape = ours if forked else theirs
    of = context(tape, Held(Stored(1, part, stretch.frames), Stored(2, claim, b"")))
    sending = Sending(of)
    sending._machine = Sender("us", MARK)
    sending._frames = TapeFrames(tape)
    try:
        asyncio.run(sending._sync())
        assert sending._machine.state is (State.stopped if forked else State.send)
    finally:
        sending._frames.close()

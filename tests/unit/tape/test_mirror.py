"""The copy of a tape: the same bytes however they are cut, and nothing that cannot stand there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tapewire.errors import TapeDamaged, TapeFenced
from tapewire.tape import TapeFrames, TapeMirror, TapeReader, TapeWriter
from tests.tapes import SMALL, any_record, segments, trade

NAME = "orders.0"


def written(folder: Path, records: int = 120, durability: str = "disk") -> Path:
    rng = random.Random(3)
    with TapeWriter(folder / NAME, segment_bytes=SMALL, durability=durability, helper=False) as tape:
        while tape.next_seq <= records:
            for _ in range(rng.randrange(1, 9)):
                tape.append(any_record(tape.next_seq))
            tape.commit()
    return folder / NAME


@pytest.mark.parametrize("most", [1, 300, 5000, 1 << 20])
def test_a_mirror_is_the_tape_byte_for_byte_however_it_is_cut(tmp_path: Path, most: int) -> None:
    source, copy = written(tmp_path / "a"), tmp_path / "b" / NAME
    frames, mirror = TapeFrames(source), TapeMirror(copy, NAME)
    frames.seek(0)
    while stretch := frames.read(most):
        mirror.apply(stretch.frames)
        assert mirror.end == stretch.end
        mirror.commit(stretch.whole, stretch.whole_seq, 1)
    assert mirror.positions == frames.positions
    mirror.close()
    assert [path.name for path in segments(copy)] == [path.name for path in segments(source)]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(segments(source), segments(copy), strict=True))
    with TapeReader(copy) as reader:
        assert reader.mirror
        assert list(reader) == [any_record(seq) for seq in range(1, reader.positions.released_seq + 1)]


def test_readers_of_a_mirror_see_whole_batches_alone(tmp_path: Path) -> None:
    source = tmp_path / "a" / NAME
    with TapeWriter(source, segment_bytes=SMALL, helper=False) as tape:
        for batch in (2, 3):
            for _ in range(batch):
                tape.append(trade(tape.next_seq))
            tape.commit()
    frames, mirror = TapeFrames(source), TapeMirror(tmp_path / "b" / NAME, NAME)
    frames.seek(0)
    shown = []
    while stretch := frames.read(1):
        mirror.apply(stretch.frames)
        mirror.commit(stretch.whole, stretch.whole_seq, 1)
        shown.append(mirror.positions.released_seq)
    assert sorted(set(shown)) == [0, 2, 5]


def test_a_killed_mirror_goes_on_where_its_last_whole_frame_ends(tmp_path: Path) -> None:
    source, copy = written(tmp_path / "a"), tmp_path / "b" / NAME
    frames, rng = TapeFrames(source), random.Random(1)
    mirror = TapeMirror(copy, NAME)
    while mirror.end < frames.positions.durable:
        frames.seek(mirror.end)
        stretch = frames.read(rng.randrange(1, 2000))
        assert stretch is not None
        mirror.apply(stretch.frames)
        if rng.random() < 0.5:
            mirror.commit(stretch.whole, stretch.whole_seq, 1)
        mirror.abandon()
        last = segments(copy)[-1]
        if rng.random() < 0.3 and mirror_end(copy) + 8 < last.stat().st_size:
            with last.open("r+b") as file:  # half of a frame, as of a killed host
                file.seek(mirror_end(copy))
                file.write(b"\x70\0\0\0\1\2\3\4")
        mirror = TapeMirror(copy, NAME)
    mirror.close()
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(segments(source), segments(copy), strict=True))


def mirror_end(copy: Path) -> int:
    """Offset in the last segment behind its last byte that is not zero, in whole words."""
    raw = segments(copy)[-1].read_bytes().rstrip(b"\0")
    return (len(raw) + 7) // 8 * 8


def test_what_cannot_stand_there_is_refused_with_its_place(tmp_path: Path) -> None:
    source = written(tmp_path / "a", 20)
    frames, mirror = TapeFrames(source), TapeMirror(tmp_path / "b" / NAME, NAME)
    frames.seek(0)
    first, second = frames.read(2000), frames.read(2000)
    assert first is not None
    assert second is not None
    mirror.apply(first.frames)
    for words, raw in {
        "checksum": second.frames[:20] + bytes([second.frames[20] ^ 1]) + second.frames[21:],
        "inside a frame": second.frames[:40],
        "another number": first.frames[216:],
        "no writer writes": b"\x01" * 64,
    }.items():
        with pytest.raises(TapeDamaged, match=words) as found:
            mirror.apply(raw)
        assert found.value.seq == first.last_seq + 1
    mirror.apply(second.frames)
    mirror.close()


def test_a_mirror_has_no_other_writer_until_it_is_handed_over(tmp_path: Path) -> None:
    source, copy = written(tmp_path / "a", 20), tmp_path / "b" / NAME
    frames, mirror = TapeFrames(source), TapeMirror(copy, NAME)
    frames.seek(0)
    stretch = frames.read(1 << 20)
    assert stretch is not None
    mirror.apply(stretch.frames)
    mirror.commit(stretch.whole, stretch.whole_seq, 1)
    with pytest.raises(TapeFenced, match="another writer has this tape open"):
        TapeWriter(copy, helper=False)
    mirror.close()
    with pytest.raises(TapeFenced, match="a mirror of a tape that another host writes"):
        TapeWriter(copy, helper=False)
    mirror = TapeMirror(copy, NAME)
    mirror.hand_over(5)
    with TapeWriter(copy, helper=False) as tape:
        assert (tape.epoch, tape.next_seq) == (5, stretch.last_seq + 1)
    with TapeWriter(copy, helper=False) as tape:
        assert tape.epoch == 6


def test_a_fenced_tape_is_opened_by_no_writer_until_it_is_a_mirror(tmp_path: Path) -> None:
    source = written(tmp_path / "a", 20)
    frames = TapeFrames(source)
    frames.set_fence(9)
    with pytest.raises(TapeFenced, match="fenced: epoch 9 was taken by another host"):
        TapeWriter(source, helper=False)
    TapeMirror(source, NAME).close()
    assert (frames.fence, frames.mirror) == (0, True)


def test_what_is_replicated_is_released_by_the_sender_alone(tmp_path: Path) -> None:
    source = written(tmp_path / "a", 20, "replicated")
    frames = TapeFrames(source)
    assert (frames.positions.durable_seq >= 20, frames.positions.released_seq) == (True, 0)
    frames.seek(0)
    stretch = frames.read(1500)
    assert stretch is not None
    frames.release(stretch.whole, stretch.whole_seq)
    with TapeReader(source) as reader:
        assert len(list(reader)) == stretch.whole_seq
    frames.release(0, 0)
    assert frames.positions.released_seq == stretch.whole_seq, "it never goes back"
    other = TapeFrames(source)
    with pytest.raises(TapeFenced, match="releases this tape's records"):
        other.release(stretch.end, stretch.last_seq)
    with TapeWriter(source, durability="replicated", helper=False):
        assert frames.positions.released_seq == stretch.whole_seq
    with pytest.raises(TapeFenced, match=r"Stop `tapewire replica` first"):
        TapeWriter(source, durability="disk", helper=False)
    frames.close()
    with TapeWriter(source, durability="disk", helper=False) as tape:
        assert tape.positions.released == tape.positions.durable

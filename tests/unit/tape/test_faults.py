"""What the compiled core words as text comes out as the same exception that the tape's own face raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tapewire.errors import TapeDamaged, TapeError, TapeFenced, TapeFull, TapeGone, TapeMissing
from tapewire.tape import TapeReader, Writer, raise_tape_error
from tests.tapes import SMALL, kill, segments


def fenced(path: Path) -> None:
    with Writer(path):
        Writer(path)


def gone(path: Path) -> None:
    segments(path)[0].unlink()
    TapeReader(path, from_seq=3)


def missing(path: Path) -> None:
    TapeReader(path / "none")


@pytest.mark.parametrize(("harm", "kind"), [(fenced, TapeFenced), (gone, TapeGone), (missing, TapeMissing)])
def test_each_kind_survives_being_worded(tmp_path: Path, harm: Callable[[Path], None], kind: type[TapeError]) -> None:
    with Writer(tmp_path, "t", SMALL) as writer:
        writer.append_many(kill(seq) for seq in range(1, 60))
    with pytest.raises(kind) as raised:
        harm(tmp_path)
    with pytest.raises(kind) as again:
        raise_tape_error(str(raised.value))
    assert (type(again.value), str(again.value)) == (kind, str(raised.value))


def test_damage_keeps_path_offset_and_seq() -> None:
    with pytest.raises(TapeDamaged, match="Restore this segment from a copy") as raised:
        raise_tape_error("/t/1.seg: damaged at byte 216 (record 7): crc32c is 00000001, the frame says 00000002")
    assert (raised.value.path, raised.value.offset, raised.value.seq) == ("/t/1.seg", 216, 7)


def test_no_room_is_known_by_what_the_system_says() -> None:
    for words in ("No space left on device", "File too large", "Disk quota exceeded"):
        with pytest.raises(TapeFull):
            raise_tape_error(f"/t/next.blank: cannot prepare the next segment: {words}")
    with pytest.raises(TapeError, match="Input/output error") as raised:
        raise_tape_error("/t/1.seg: cannot write the batch: Input/output error")
    assert type(raised.value) is TapeError

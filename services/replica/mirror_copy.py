"""A mirror of a tape that can be read back, and cut: what `Mirror` (pure) writes into."""

from __future__ import annotations

from pathlib import Path

from tapewire.tape import TapeFrames, TapeMirror, inspect
from tapewire.tape.cutting import cut_tape, set_aside


class MirrorCopy:
    """A `TapeMirror` that can be read back."""

    def __init__(self, path: str, name: str) -> None:
        self.tape = TapeMirror(path, name)
        self._frames = TapeFrames(path)

    @property
    def end(self) -> int:
        return self.tape.end

    @property
    def empty(self) -> bool:
        return self.tape.empty

    @property
    def last_seq(self) -> int:
        return self.tape.last_seq

    @property
    def epoch(self) -> int:
        return self.tape.epoch

    def apply(self, frames: bytes, /) -> None:
        self.tape.apply(frames)

    def read(self, position: int, most: int) -> bytes:
        self._frames.seek(position)
        found = self._frames.read(most, (self.end, self.last_seq))
        return found.frames if found else b""

    @property
    def last_segment(self) -> int:
        """The position at which the segment begins that ends with `end`."""
        return inspect.base_position(inspect.segments(Path(self.tape.path))[-1].path)

    def cut_behind(self, last_seq: int, now_ns: int) -> Path:
        """Ends the tape with record `last_seq`, and closes it; what was behind is kept in the folder returned."""
        path = self.tape.path
        if last_seq:
            self.close()
            return cut_tape(path, last_seq + 1, now_ns)[1]
        try:
            return set_aside(path, now_ns)
        finally:
            self.abandon()

    def close(self) -> None:
        self._frames.close()
        self.tape.close()

    def abandon(self) -> None:
        """As a killed process would."""
        self._frames.close()
        self.tape.abandon()

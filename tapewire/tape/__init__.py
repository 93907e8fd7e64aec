"""The tape: an append-only, totally ordered, checksummed log. One writer, any number of readers, in any processes."""

from tapewire.tape._tape import (
    CutReport,
    Positions,
    Recovery,
    Stretch,
    TapeFrames,
    TapeMirror,
    TapeReader,
    Writer,
    crc32c,
    cut,
)
from tapewire.tape.writer import TapeWriter

__all__ = [
    "CutReport",
    "Positions",
    "Recovery",
    "Stretch",
    "TapeFrames",
    "TapeMirror",
    "TapeReader",
    "TapeWriter",
    "Writer",
    "crc32c",
    "cut",
]

"""The tape: an append-only, totally ordered, checksummed log. One writer, any number of readers, in any processes."""

from tapewire.tape._tape import CutReport, Positions, Recovery, TapeReader, Writer, crc32c, cut
from tapewire.tape.writer import TapeWriter

__all__ = [
    "CutReport",
    "Positions",
    "Recovery",
    "TapeReader",
    "TapeWriter",
    "Writer",
    "crc32c",
    "cut",
]

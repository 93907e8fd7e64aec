"""Recordings onto the tape of a feed, once: what was imported is written down, and an import that was killed goes on.

1  <data>/imports/<tape>.json    this recording begins at record 1001
2  tape                          records 1001 … (those that are there already are compared, byte for byte)
3  <data>/imports/<tape>.json    it ends at record 5000
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from services.connector.recordings import Recording
from tapewire import messages as m
from tapewire.errors import StoreError
from tapewire.folders import Folders
from tapewire.store.disk import Disk
from tapewire.tape import TapeReader, TapeWriter

BATCH: Final = 4096
"""Records of one commit."""
Told = Callable[[str, int, int], None]


class Imported(msgspec.Struct):
    """One recording on a tape."""

    digest: str
    """SHA-256 of its files and of how they are read."""
    files: list[str]
    first_seq: int
    last_seq: int = 0
    """0: it is under way, or was killed."""
    repeated: bool = False
    """It was there before."""


def import_recording(data: Path, feed: str, recording: Recording, told: Told) -> Imported:
    """Puts a recording behind what the tape md.<feed> holds; one that it holds already is left as it is.

    Raises StoreError: another import was ended before its end, the recording is older than the tape's end, or it is
    none. TapeFenced: somebody writes this tape, such as the flusher of a running feed.
    """
    folders, disk = Folders(data), Disk()
    tape, ledger = folders.md_tape(feed), _Ledger(data, f"md.{feed}", disk)
    digest = _digest(recording)
    with TapeWriter(tape, tape.name, durability="memory") as writer:
        found = ledger.find(digest)
        if found is not None and found.last_seq:
            found.repeated = True
            return found
        if found is None:
            if (other := ledger.under_way) is not None:
                raise StoreError(
                    f"{ledger.path}: the import of {', '.join(other.files)} was ended too early; run it again first"
                )
            _check_times(recording, feed, tape, writer.next_seq)
            found = ledger.add(Imported(digest, [Path(name).name for name in recording.files], writer.next_seq))
        there = writer.next_seq - found.first_seq
        messages = recording.messages(feed, found.first_seq, lambda done, total: told(tape.name, done, total))
        _compare(tape, found.first_seq, messages, there)
        while batch := list(islice(messages, BATCH)):
            writer.append_many(batch)
            writer.commit()
        writer.sync()
        found.last_seq = writer.next_seq - 1
    ledger.save()
    return found


def _compare(tape: Path, first_seq: int, messages: Iterator[bytes], count: int) -> None:
    """Takes the first `count` messages: what an import that was killed has put there. Raises StoreError."""
    if not count:
        return
    with TapeReader(tape, first_seq, limit="written") as reader:
        for seq, raw in enumerate(islice(messages, count), first_seq):
            held = next(iter(reader.poll(1)), b"")
            if held != raw:
                raise StoreError(
                    f"{tape}: record {seq} is not what this recording gives there. Somebody else wrote to it after the "
                    f"import was ended; give the recording a feed of its own"
                )


def _check_times(recording: Recording, feed: str, tape: Path, next_seq: int) -> None:
    """A tape's times rise. Raises StoreError."""
    if next_seq == 1:
        return
    first = next(recording.messages(feed, 1, lambda done, total: None), None)
    with TapeReader(tape, next_seq - 1, limit="written") as reader:
        last = m.decode(reader.poll(1)[0]).ts
    if first is not None and (begins := m.decode(first).ts) < last:
        raise StoreError(
            f"{tape}: ends at {last} (UTC ns), and this recording begins before that, at {begins}. Import in the order "
            f"of time, or give it a feed of its own"
        )


def _digest(recording: Recording) -> str:
    """Of the contents and the terms; the files' names and places do not count."""
    terms = msgspec.structs.replace(recording, files=())
    digest = hashlib.sha256(msgspec.json.encode(terms))
    for name in recording.files:
        with Path(name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class _Ledger:
    """What a tape's imports were, in the order of its records."""

    def __init__(self, data: Path, tape: str, disk: Disk) -> None:
        self.path, self._disk = data / "imports" / f"{tape}.json", disk
        try:
            self._entries = msgspec.json.decode(self.path.read_bytes(), type=list[Imported])
        except FileNotFoundError:
            self._entries = []
        except msgspec.DecodeError as error:
            raise StoreError(f"{self.path}: does not say what was imported ({error}); restore the file") from None

    def find(self, digest: str) -> Imported | None:
        return next((one for one in self._entries if one.digest == digest), None)

    @property
    def under_way(self) -> Imported | None:
        return next((one for one in self._entries if not one.last_seq), None)

    def add(self, one: Imported) -> Imported:
        self._entries.append(one)
        self.save()
        return one

    def save(self) -> None:
        """Durable when this returns. Raises OSError."""
        self._disk.make_folder(self.path.parent)
        self._disk.replace_file(self.path, msgspec.json.format(msgspec.json.encode(self._entries)) + b"\n")

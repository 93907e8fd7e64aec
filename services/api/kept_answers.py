"""Snapshots of what became of requests, beside the API's own tape, so that a start need not fold a day of both tapes.

    <tape api.n>/snapshots/<own seq>.snap       u64 seq of the orders tape | SHA-256 of that record | SHA-256 of the own
                                                one | msgpack of [version, sources, Recovery.kept()]
    <orders tape>/consumers/api.<n>.restart     a restart needs the records behind these: of the oldest that is kept
    <tape api.n>/consumers/api.<n>.restart      likewise

A tape that lost its tail gives the same number to another record: the digests tell, and the snapshot is passed over.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from services.api.recovery import NOTHING, Recovery
from tapewire import snapshots
from tapewire.consumers import RESTART, ConsumerPosition
from tapewire.errors import TapeError, WireError
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader

VERSION: Final = 1
_HEAD: Final = struct.Struct("<Q32s32s")
_NONE: Final = bytes(32)


class KeptAnswers:
    """Those of the API whose tape is `own`, about the tape `orders`."""

    def __init__(self, own: Path, orders: Path, log: Logger) -> None:
        self.own, self.orders, self._log = own, orders, log
        self._name = own.name + RESTART

    def restore(self, into: Recovery, own: TapeReader, orders: TapeReader, up_to: int) -> bool:
        """Takes the newest good one, none behind record `up_to` of the orders tape; False: there is none.

        The readers then stand behind it. A damaged one, one of another version or of other records is passed over.
        Raises TapeError.
        """
        for candidate in snapshots.newest(self.own, own.positions.written_seq):
            try:
                if isinstance(candidate, ValueError):
                    raise WireError(str(candidate))
                if self._take(candidate, into, own, orders, up_to):
                    return True
            except WireError as error:
                # The tapes say it all: an older one, or none, only takes longer.
                self._log.warning("snapshot_passed_over", reason=str(error))
        return False

    def _take(self, one: Snapshot, into: Recovery, own: TapeReader, orders: TapeReader, up_to: int) -> bool:
        name = f"snapshot {one.seq} of {self.own}"
        if len(one.state) < _HEAD.size:
            raise WireError(f"{name}: {len(one.state)} bytes, its head has {_HEAD.size}")
        seq, orders_digest, own_digest = _HEAD.unpack_from(one.state)
        if seq > up_to:
            return False
        for reader, at, digest in ((orders, seq, orders_digest), (own, one.seq, own_digest)):
            if at < reader.first_seq - 1:
                raise WireError(f"{name}: retention removed records behind {at} of {reader.name}")
            if at >= reader.first_seq and _digest_at(reader, at) != digest:
                raise WireError(f"{name}: record {at} of {reader.name} is another one")
        try:
            version, sources, kept = msgspec.msgpack.decode(
                one.state[_HEAD.size :], type=tuple[int, list[int], list[Any]]
            )
            if version != VERSION:
                raise WireError(f"{name}: version {version}, expected {VERSION}")
            if sources != into.sources:
                raise WireError(f"{name}: of the rings {sources}, ours are {into.sources}")
            into.restore(kept)
        except WireError:
            raise
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            into.restore(NOTHING)
            raise WireError(f"{name}: not the state of an API: {error}") from error
        own.seek_seq(one.seq + 1)
        orders.seek_seq(seq + 1)
        return True

    def save(self, taken: Taken) -> None:
        """Keeps one whose records of the orders tape are durable. A full disk is logged: it delays a start."""
        try:
            snapshots.save(self.own, Snapshot(taken.own_seq, taken.state))
            oldest_own, oldest = min(self._kept(), default=(0, 0))
            for tape, seq in ((self.own, oldest_own), (self.orders, oldest)):
                position = ConsumerPosition(tape, self._name)
                try:
                    position.store(seq)
                finally:
                    position.close()
        except (OSError, TapeError) as error:
            self._log.error("snapshot_not_written", seq=taken.own_seq, error=str(error))

    def _kept(self) -> Iterator[tuple[int, int]]:
        """The records of the own tape and of the orders tape that the kept ones stand behind."""
        for path in snapshots.folder(self.own).glob("*.snap"):
            with path.open("rb") as file:
                file.seek(snapshots.HEAD.size)
                head = file.read(_HEAD.size)
            if len(head) == _HEAD.size and snapshots.seq_of(path) >= 0:
                yield snapshots.seq_of(path), _HEAD.unpack(head)[0]


class Taken:
    """A snapshot that waits for its records to be durable."""

    def __init__(self, of: Recovery, last: bytes, last_own: bytes) -> None:
        """`last`, `last_own`: the records folded last, empty if there is none."""
        self.seq, self.own_seq = of.at_seq, of.own_seq
        head = _HEAD.pack(of.at_seq, *(hashlib.sha256(raw).digest() if raw else _NONE for raw in (last, last_own)))
        self.state = head + msgspec.msgpack.encode((VERSION, of.sources, of.kept()))


def _digest_at(reader: TapeReader, seq: int) -> bytes:
    """Zeros if the tape does not reach it."""
    if not seq or seq > reader.positions.written_seq:
        return _NONE
    reader.seek_seq(seq)
    raw = next(iter(reader.poll(1)), b"")
    return hashlib.sha256(raw).digest() if raw else _NONE

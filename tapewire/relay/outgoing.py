"""The side of the producer: reads its ring, sends what is in it, and releases what the mirrored tape shows as taken.

    closed ── RelayOpened ──▶ asked ── taken: go on at its position ──▶ open ── RelayChunk … up to WINDOW ahead ──┐
      ▲  └── refused: wait RETRY ──┘                                     ▲ answers move `acked`, the tape `head`   │
      └──────── silence, gap, full, closed, a later epoch: begin again under the next session number ────────────┘

Whatever goes wrong, the way back is the same: a new session, and the position that the other side names. Answers to an
earlier session say nothing any more. Not to be called from several threads.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Protocol

from tapewire import messages as m
from tapewire.errors import RelayError
from tapewire.relay.name import RingName

CHUNK_BYTES: Final = 64 << 10
CHUNK_MAX: Final = 1000 << 10
"""A record that is longer than this is not carried: the bus takes messages of up to 1 MiB."""
WINDOW_BYTES: Final = 512 << 10
"""Sent and not answered yet, at most."""
ANSWER_NS: Final = 500_000_000
"""Silence for so long while an answer is due: the session begins again."""
RETRY_NS: Final = 250_000_000
FULL_RETRY_NS: Final = 5_000_000
FULL_RETRY_MAX_NS: Final = 100_000_000
FORGET_NS: Final = 10_000_000_000
"""After so long without a word a host of an earlier epoch may answer, too: a tape that was restored begins anew."""
REFUSED_RETRY_NS: Final = 1_000_000_000
PROBE_NS: Final = 1_000_000_000
"""After so long without anything to send, the other side is asked where it stands: it may have begun anew."""
NEVER: Final = (1 << 63) - 1


class Reads(Protocol):
    """A ring's consumer, as `tapewire.ring.RingConsumer`."""

    def poll_into(self, buffer: bytearray, limit: int = ..., /) -> tuple[int, int]: ...
    def seek(self, position: int, /) -> bool: ...
    def release_to(self, position: int, /) -> bool: ...
    @property
    def id(self) -> int: ...
    @property
    def head(self) -> int: ...
    @property
    def tail(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def max_record(self) -> int: ...


@dataclass(slots=True)
class OutCounts:
    records: int = 0
    bytes: int = 0
    resent: int = 0
    refused: int = 0


class Outgoing:
    """One ring. Times are monotonic, in ns."""

    def __init__(self, name: RingName, ring: Reads, session: int) -> None:
        """`session`: numbers from it on are used; drawn at random, so that those of an earlier process are others."""
        self.name, self._ring = name, ring
        self._buffer = bytearray(CHUNK_BYTES)
        self._session = session
        self.counts = OutCounts()
        self.open = False
        self.refusal = ""
        """Why there is no session, in words; empty: there is one, or nobody has answered."""
        self.epoch = 0
        """Of the host that answers."""
        self.acked = ring.head
        """Up to here the other ring has it."""
        self._shown = ring.head  # up to here the mirrored tape shows it
        self._next_open = 0
        self._due = False  # an answer is
        self._heard = 0  # the last one, or when it began to be due
        self._sent = 0
        self._window = WINDOW_BYTES
        self._full_wait = FULL_RETRY_NS

    @property
    def lag(self) -> int:
        """Bytes in the ring that the mirrored tape does not show as taken."""
        return self._ring.tail - self._ring.head

    @property
    def unsent(self) -> int:
        """Bytes in the ring that the other ring does not have, as far as it has said."""
        return max(self._ring.tail - max(self.acked, self._ring.head), 0)

    @property
    def pending(self) -> bool:
        """Whether the tape has shown more than could be released yet: it must be read again after a restart."""
        return self._shown > self._ring.head

    @property
    def waits_for_tape(self) -> bool:
        """Whether the mirrored tape is to be looked at."""
        return self._ring.head < max(self._ring.position, self._shown)

    def turn(self, now: int) -> list[bytes]:
        """What is to be sent now. Raises RingDamaged; RelayError: a record that cannot be carried."""
        if self.open and self._due and now - self._heard >= ANSWER_NS:
            self._begin_again(now)
        if not self.open:
            return self._ask(now)
        out = []
        while self._ring.position - self.acked < self._window and (chunk := self._next_chunk()):
            out.append(chunk)
        if not out and now - self._sent >= PROBE_NS:
            out.append(self._chunk(self._ring.position, b""))
        if out:
            self._sent = now
            if not self._due:
                self._due, self._heard = True, now
        return out

    def due(self) -> int:
        """When `turn` is to be called next, if nothing happens before."""
        if not self.open:
            return self._next_open
        return min(self._sent + PROBE_NS, self._heard + ANSWER_NS if self._due else NEVER)

    def answered(self, answer: m.RelayPosition, now: int) -> None:
        """The other side has said where it stands."""
        if answer.session != self._session or answer.epoch < self.epoch:
            return
        self._heard = now
        if answer.epoch > self.epoch:
            self.epoch = answer.epoch
            if self.open:  # another engine: what the last one had is to be asked for
                self._begin_again(now)
                return
        verdict = answer.verdict
        if verdict == m.RelayVerdict.taken:
            self._taken(answer.position, now)
        elif verdict in (m.RelayVerdict.gap, m.RelayVerdict.closed):
            self._begin_again(now)
        elif verdict == m.RelayVerdict.full:
            self._begin_again(now + self._full_wait)
            self._window, self._full_wait = CHUNK_BYTES, min(2 * self._full_wait, FULL_RETRY_MAX_NS)
        elif verdict == m.RelayVerdict.damaged:
            self._begin_again(now + RETRY_NS)
        else:
            self._refuse(answer.detail or verdict.name, now)

    def shown(self, position: int) -> None:
        """The mirrored tape shows that everything up to `position` was taken. RelayError: not of this ring."""
        self._shown = max(self._shown, position)
        if self._shown > self._ring.tail:
            raise RelayError(
                f"{self.name.file}: the tape {self.name.tape} shows that the ring was taken up to {self._shown}, but "
                f"it ends at {self._ring.tail}: another host carries this producer's records, or its ring was lost "
                f"while they were on their way. Stop the producer, remove the ring, start both again"
            )
        if self._ring.head < self._shown <= self._ring.position and not self._ring.release_to(self._shown):
            raise RelayError(
                f"{self.name.file}: the tape {self.name.tape} shows position {self._shown}, where no record of this "
                f"ring ends: another host carries this producer's records. Stop that one"
            )

    def lost(self, now: int) -> None:
        """The bus was away: what was sent meanwhile may be lost."""
        if self.open:
            self._begin_again(now)

    # -- sending

    def _ask(self, now: int) -> list[bytes]:
        if now < self._next_open:
            return []
        if now - self._heard >= FORGET_NS:
            self.epoch = 0
        self._session += 1
        self._next_open = now + RETRY_NS
        ring = self._ring
        return [
            bytes(
                m.RelayOpened(
                    source=self.name.source,
                    session=self._session,
                    ring_id=ring.id,
                    capacity=ring.capacity,
                    head=ring.head,
                    tail=ring.tail,
                    ring=self.name.full,
                )
            )
        ]

    def _next_chunk(self) -> bytes | None:
        position = self._ring.position
        try:
            count, used = self._ring.poll_into(self._buffer)
        except ValueError:
            if len(self._buffer) == CHUNK_MAX:
                raise RelayError(
                    f"{self.name.file}: the record behind position {position} is longer than {CHUNK_MAX} bytes: no "
                    f"command is. Stop its producer, and remove the ring"
                ) from None
            self._buffer = bytearray(CHUNK_MAX)
            return self._next_chunk()
        if not count:
            return None
        self.counts.records += count
        self.counts.bytes += self._ring.position - position
        return self._chunk(position, bytes(memoryview(self._buffer)[:used]))

    def _chunk(self, position: int, body: bytes) -> bytes:
        head = m.RelayChunk(
            source=self.name.source,
            session=self._session,
            position=position,
            end=self._ring.position,
            check=zlib.crc32(body),
        )
        return bytes(head) + body

    # -- answers

    def _taken(self, position: int, now: int) -> None:
        if self.open and self.acked <= position <= self._ring.position:
            if position > self.acked:
                self._window, self._full_wait = min(2 * self._window, WINDOW_BYTES), FULL_RETRY_NS
            self.acked = position
            self._due = position != self._ring.position
        elif not self.open and self._ring.seek(position):
            self.open, self.refusal, self.acked, self._sent, self._due = True, "", position, now, False
            self.shown(self._shown)
        elif self.open:
            self._begin_again(now)
        else:
            ring = self._ring
            self._refuse(
                f"the other ring goes on at {position}; here it can go on at the end of a record from {ring.head} to "
                f"{ring.tail}: the tape there lost what this one showed, or another host carries these records",
                now,
            )

    def _refuse(self, why: str, now: int) -> None:
        self.open, self.refusal = False, why
        self.counts.refused += 1
        self._next_open = now + REFUSED_RETRY_NS

    def _begin_again(self, at: int) -> None:
        self.open = False
        self._session += 1
        self._next_open = at
        self.counts.resent += 1

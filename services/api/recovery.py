"""What an earlier process left: nonces that count as used, ClOrdIDs and what they became, commands in the rings.

    tape api.<n> ── ApiReceived ──▶ key by number ┐
    orders tape ─── our commands, their events ───┴▶ ClOrdIDs and what they became

A pure fold of both tapes. It is taken by every start, from the newest snapshot on (kept_answers.py), and by the process
that takes these snapshots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from services.api.answers import MAX_SESSION, Answers, Made, Remembered, terms_of
from services.api.authors import NS
from services.api.keys import Keys
from tapewire import consumers, snapshots
from tapewire import messages as m
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader, TapeWriter

BATCH: Final = 4096
POLL_S: Final = 0.005
NOTHING: Final[list[Any]] = [0, 0, 0, [], []]
"""Kept of a Recovery that has folded nothing."""
_SEQ: Final = slice(16, 24)  # where a flat message has its seq


class Recovery:
    """What became of requests. The own tape goes ahead: a request is on it before its command can be anywhere."""

    def __init__(self, remembered: Remembered, sources: Sequence[int]) -> None:
        """`sources`: the numbers of our rings."""
        self.remembered, self.sources = remembered, sorted(sources)
        self._answers = Answers(sources, Made.remember, self.found)
        self._key_of: dict[int, int] = {}  # by the number that the command carries
        self.last_ts = 0
        """The highest time given to a request."""
        self.at_seq = self.own_seq = 0
        """The last records folded of the orders tape and of the API's own."""

    def fold_own(self, raws: Sequence[bytes]) -> None:
        """Takes the next records of the API's tape: which request became which command."""
        for raw in raws:
            record = m.decode(raw)
            if isinstance(record, m.ApiReceived):
                self.last_ts = max(self.last_ts, record.ts)
                if record.cl_ord_id:
                    self._key_of[record.cl_ord_id] = record.key
        if raws:
            self.own_seq = seq_of(raws[-1])

    def fold(self, raws: Sequence[bytes], at_end: bool) -> None:
        """Takes the next records of the orders tape. `at_end`: the last one's command has no more events."""
        self._answers.fold(raws, at_end)
        if raws:
            self.at_seq = seq_of(raws[-1])

    def key_of(self, number: int) -> int:
        """Which key sent the request whose command carries this number; 0: it was before what was read."""
        return self._key_of.get(number, 0)

    def forget(self, before: int) -> None:
        """Lets go of requests of before that time, UTC ns, that became no command of the engine: about parents."""
        self._key_of = {number: key for number, key in self._key_of.items() if number >= before}

    def found(self, raw: bytes, number: int) -> Made | None:
        """What to make of a command of ours on the orders tape (`Answers.found`)."""
        self.last_ts = max(self.last_ts, number)
        command = m.decode(raw)
        asked = self._key_of.pop(number, None)
        if isinstance(command, m.NewOrder):
            key, text = command.session & MAX_SESSION, command.client_text
        elif asked is None:
            return None
        elif isinstance(command, m.CancelOrder | m.ReplaceOrder | m.MassCancel):
            key, text = asked, command.client_text
        else:
            return None
        if not text:
            return None
        made = Made(command.TYPE, terms_of(command))
        self.remembered.add((key, command.account, text), made)
        return made

    def kept(self) -> list[Any]:
        """For `restore`; to be taken where no command is half there."""
        return [self.own_seq, self.at_seq, self.last_ts, list(self._key_of.items()), self.remembered.kept()]

    def restore(self, kept: list[Any]) -> None:
        self.own_seq, self.at_seq, self.last_ts, key_of, remembered = kept
        self._key_of = dict(key_of)
        self.remembered.restore(remembered)


def use_nonces(tape: Path, keys: Keys, now: int) -> None:
    """Nonces of the API's tape that could still be used again count as used. Raises TapeError."""
    with TapeReader(str(tape), None, limit="written") as reader:
        reader.seek_time(now - keys.remembered_ns)
        while raws := reader.poll(BATCH):
            for raw in raws:
                record = m.decode(raw)
                if isinstance(record, m.ApiReceived) and record.nonce:
                    keys.used(record.key, record.nonce, record.ts, now)


def fold_tapes(into: Recovery, own: TapeReader, orders: TapeReader, up_to: int) -> None:
    """Both tapes from where their readers stand, the orders tape up to record `up_to`, the end of a command.

    Raises TapeError.
    """
    while raws := own.poll(BATCH):
        into.fold_own(raws)
    while orders.next_seq <= up_to and (raws := orders.poll(min(BATCH, up_to + 1 - orders.next_seq))):
        into.fold(raws, orders.next_seq > up_to)


def seq_of(raw: bytes) -> int:
    return int.from_bytes(raw[_SEQ], "little")


def open_tape(tape: Path, segment_bytes: int) -> TapeWriter:
    """The API's tape. What was kept of records that it lost is forgotten before others take their numbers."""
    writer = TapeWriter(str(tape), tape.name, segment_bytes, durability="memory")
    last = writer.next_seq - 1
    snapshots.remove_beyond(tape, last)
    consumers.take_back(tape, last)
    return writer


async def drained(rings: Sequence[RingProducer], stop: asyncio.Event) -> None:
    """Returns once the engine has taken all that was in the rings when this began, or at `stop`."""
    tails = [ring.tail for ring in rings]
    while not stop.is_set() and any(ring.head < tail for ring, tail in zip(rings, tails, strict=True)):
        await asyncio.sleep(POLL_S)


def since(now: int, remember_for: float) -> int:
    """From when on tapes are read where there is no snapshot, UTC ns."""
    return max(0, now - int(remember_for * NS))

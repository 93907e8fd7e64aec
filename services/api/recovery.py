"""What an earlier process left: nonces that count as used, ClOrdIDs and what they became, commands in the rings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.api.answers import MAX_SESSION, Answers, Made, Remembered, terms_of
from services.api.authors import NS
from services.api.keys import Keys
from tapewire import consumers, snapshots
from tapewire import messages as m
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader, TapeWriter

BATCH: Final = 4096
POLL_S: Final = 0.005


class Recovery:
    """Folds both tapes from `since` (UTC ns) on."""

    def __init__(self, remembered: Remembered, keys: Keys, since: int, now: int) -> None:
        self._remembered, self._keys, self._since, self._now = remembered, keys, since, now
        self._key_of: dict[int, int] = {}  # by the number that the command carries
        self.last_ts = 0
        """The highest time given to a request."""

    def fold_own(self, tape: Path) -> None:
        """The API's tape: nonces, and which request became which command. Raises TapeError."""
        with TapeReader(str(tape), None, limit="written") as reader:
            reader.seek_time(min(self._since, self._now - self._keys.remembered_ns))
            while raws := reader.poll(BATCH):
                for raw in raws:
                    record = m.decode(raw)
                    if isinstance(record, m.ApiReceived):
                        self._received(record)

    def _received(self, record: m.ApiReceived) -> None:
        self.last_ts = max(self.last_ts, record.ts)
        if record.nonce:
            self._keys.used(record.key, record.nonce, record.ts, self._now)
        if record.cl_ord_id:
            self._key_of[record.cl_ord_id] = record.key

    def key_of(self, number: int) -> int:
        """Which key sent the request whose command carries this number; 0: it was before `since`."""
        return self._key_of.get(number, 0)

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
        self._remembered.add((key, command.account, text), made)
        return made

    def fold_orders(self, tape: Path, sources: list[int], up_to: int) -> None:
        """The orders tape up to record `up_to`, the end of a command. Raises TapeError."""
        answers = Answers(sources, Made.remember, self.found)
        with TapeReader(str(tape), None) as reader:
            reader.seek_time(self._since)
            while reader.next_seq <= up_to and (raws := reader.poll(min(BATCH, up_to + 1 - reader.next_seq))):
                answers.fold(raws, reader.next_seq > up_to)


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
    """From when on tapes are read, UTC ns."""
    return max(0, now - int(remember_for * NS))

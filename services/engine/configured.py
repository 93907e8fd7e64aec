"""What the operator's configuration asks of the market, as commands: only what the tape does not say already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from tapewire import messages as m
from tapewire.config import Account, Instrument
from tapewire.definitions import Definitions, bearer
from tapewire.logs import Logger
from tapewire.ring import RingProducer, ring_state
from tapewire.tape import TapeReader

HEADER = ("seq", "cause", "ts", "ts_event", "ts_recv", "origin_seq", "source")


def pending(instruments: Iterable[Instrument], accounts: Iterable[Account], stands: Definitions) -> Iterator[m.Message]:
    """The definitions and limits that differ from what `stands` on the tape, accounts first.

    Instruments get dense ids in the order they were first defined on the tape; new ones follow.
    """
    limits = stands.accounts
    for account in accounts:
        wanted = account.limits()
        if not same(limits.get(account.account), wanted):
            yield wanted
    next_id = max(stands.instruments, default=0) + 1
    for instrument in instruments:
        known = bearer(stands, instrument.ticker, instrument.price_exponent, instrument.qty_exponent)
        if known is None:
            yield instrument.definition(next_id)
            next_id += 1
        elif not same(known.replace(status=0), asked := instrument.definition(known.instrument).replace(status=0)):
            # Status and price go on from where the market is, not from where it once began.
            kept = asked.reference_price == known.reference_price
            yield asked.replace(reference_price=0) if kept else asked


def same(known: m.Message | None, wanted: m.Message) -> bool:
    """Whether two commands say the same, header aside (where and when they were said)."""
    return known is not None and known.replace(**dict.fromkeys(HEADER, 0)) == wanted


class Feed:
    """Puts commands into the operator's ring, as the engine makes room for them; then the ring is free for
    `tapewire operator`."""

    def __init__(self, ring: RingProducer, commands: list[bytes]) -> None:
        self._ring, self._commands, self._sent = ring, commands, 0
        self.until: int | None = None
        """Where the last of them ends in the ring, once all are in it."""

    def step(self) -> None:
        """Writes what there is room for."""
        if self.until is not None:
            return
        self._sent += self._ring.write_many(self._commands[self._sent :])
        if self._sent == len(self._commands):
            self.until = self._ring.tail
            self._ring.close()


class Refusals:
    """Says which of the configuration's commands were refused."""

    def __init__(self, tape: Path, source: int, ring: str | PathLike[str], log: Logger) -> None:
        self._source, self._ring, self._log = source, ring, log
        self._reader: TapeReader | None = TapeReader(str(tape), limit="released")
        self._reader.seek_seq(self._reader.positions.released_seq + 1)

    def report(self, until: int | None) -> None:
        """What was answered since. Done once the engine has taken the ring up to `until`."""
        if self._reader is None:
            return
        # Looked at before the answers are read, which are on the tape by then.
        taken = until is not None and ring_state(self._ring).head >= until
        while answers := self._reader.poll_answers(self._source, 256):
            for answer in map(m.decode, answers):
                if isinstance(answer, m.OrderRejected | m.CancelRejected | m.InputRefused):
                    self._say(answer)
        if taken:
            self.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _say(self, answer: m.OrderRejected | m.CancelRejected | m.InputRefused) -> None:
        numbers = {} if isinstance(answer, m.InputRefused) else {"value": answer.value, "limit": answer.limit}
        self._log.error(
            "the configuration asks for what the engine refuses",
            seq=answer.cause or answer.seq,
            reason=answer.reason.name,
            instrument=answer.instrument,
            account=getattr(answer, "account", 0),
            **numbers,
        )

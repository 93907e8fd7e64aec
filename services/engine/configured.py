"""What the operator's configuration asks of the market, as commands: only what the tape does not say already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from tapewire import messages as m
from tapewire.config import Account, Instrument
from tapewire.definitions import Definitions, bearer
from tapewire.logs import Logger
from tapewire.ring import ring_state
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


class Refusals:
    """Says which of the configuration's commands were refused; done once the engine has taken `ring` up to `until`."""

    def __init__(self, tape: Path, source: int, ring: str | PathLike[str], until: int, log: Logger) -> None:
        self._source, self._ring, self._until, self._log = source, ring, until, log
        self._reader: TapeReader | None = TapeReader(str(tape), limit="released")
        self._reader.seek_seq(self._reader.positions.released_seq + 1)

    def report(self) -> None:
        if self._reader is None:
            return
        taken = ring_state(self._ring).head >= self._until  # before the answers are read, which are on the tape by then
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

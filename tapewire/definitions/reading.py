"""Definitions off a tape: the newest snapshot's, and what the records behind it say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire import snapshots
from tapewire.definitions._definitions import Definitions
from tapewire.errors import TapeGone
from tapewire.tape import TapeReader

BATCH: Final = 4096
KINDS: Final = (
    m.MessageType.instrument_definition,
    m.MessageType.account_limits,
    m.MessageType.instrument_status_changed,
)
SEQ: Final = slice(16, 24)  # where a flat message has its seq


def read(tape: Path, limit: str = "released") -> Definitions:
    """What stands at the end of an orders tape: of what is `released`, `durable` or `written`.

    Raises TapeError if there is no tape, TapeGone if its beginning was removed and no snapshot says what that held.
    """
    with TapeReader(tape, from_seq=None, limit=limit) as reader:
        last = int(getattr(reader.positions, f"{limit}_seq"))
        found, seq, refused = _newest(tape, last)
        if seq + 1 < reader.first_seq:
            raise TapeGone(
                f"{tape}: begins with record {reader.first_seq}, and no snapshot says what was defined before "
                f"({'; '.join(refused) or 'there is none'}). Put one of a backup into {snapshots.folder(tape)}"
            )
        for raw in _behind(reader, seq + 1):
            found.fold(raw)
        return found


def by_ticker(definitions: Definitions) -> dict[str, m.InstrumentDefinition]:
    """The instruments by ticker: of several that have borne one, that which is listed, else the last defined."""
    rank = [(one.status != m.InstrumentStatus.delisted, one.seq, one) for one in definitions.instruments.values()]
    return {one.ticker: one for _, _, one in sorted(rank, key=lambda ranked: ranked[:2])}


def bearer(stands: Definitions, ticker: str, price_exponent: int, qty_exponent: int) -> m.InstrumentDefinition | None:
    """The instrument that a definition of this ticker would change or list anew; None: it needs an id of its own.

    So does a ticker that was delisted with other exponents: an id keeps what it has.
    """
    known = by_ticker(stands).get(ticker)
    if known is None or known.status != m.InstrumentStatus.delisted:
        return known
    return known if (known.price_exponent, known.qty_exponent) == (price_exponent, qty_exponent) else None


def _newest(tape: Path, last: int) -> tuple[Definitions, int, list[str]]:
    """As of the newest good snapshot, the record it was taken at (0: none), and why others were passed over."""
    refused: list[str] = []
    for candidate in snapshots.newest(tape, last):
        if isinstance(candidate, ValueError):
            refused.append(str(candidate))
            continue
        try:
            return Definitions.of_state(candidate.state), candidate.seq, refused
        except ValueError as error:
            refused.append(f"snapshot of record {candidate.seq}: {error}")
    return Definitions(), 0, refused


def _behind(reader: TapeReader, first: int) -> Iterable[bytes]:
    """The records that concern definitions from record `first` on, in the tape's order."""
    found: list[bytes] = []
    for kind in KINDS:
        reader.seek_seq(first)
        while batch := reader.poll_type(kind, BATCH):
            found += batch
    return sorted(found, key=lambda raw: int.from_bytes(raw[SEQ], "little"))

"""How far a tape has been archived. Written by the archiver alone, atomically; read by every query.

    archived              planned
    |---------------------|- - - - - - - -|- - - - - - ->  the tape
     rows are in files     being written    only on the tape
     for good              (or was, when
                           the light went out)

The plan is written before the first file of it, so that an archiver that was killed writes the very same files again,
under the same names: no row is ever in two files, not even for someone who reads the folder without this checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tapewire import definitions
from tapewire.errors import StoreError
from tapewire.store import layout
from tapewire.store.columns import Instrument
from tapewire.store.disk import Disk
from tapewire.tape import inspect

VERSION: Final = 1
ORDERS: Final = "orders."  # how the names of orders tapes begin


class Checkpoint(msgspec.Struct, kw_only=True, frozen=True):
    """How far a tape is archived: `archived` and `planned` are seqs, both inclusive; equal when nothing is under way.

    `instruments` is what the definitions up to `archived` say (orders tapes only). `rows` counts all rows in files for
    good, by kind. `last_crc` is the CRC-32C of record `archived` (None: not kept): a tape that was cut and has grown
    again has another one of that number.
    """

    tape: str
    version: int = VERSION
    archived: int = 0
    planned: int = 0
    instruments: dict[int, Instrument] = {}
    rows: dict[str, int] = {}
    last_crc: int | None = None


def path_of(data: Path, tape: str) -> Path:
    return layout.archive(data) / "_checkpoints" / f"{tape}.json"


def beginning(data: Path, tape: str) -> Checkpoint:
    """Of a tape that was never archived: blank. An orders tape without its beginning counts as archived up to there.

    What its instruments are called then comes from its definitions; an id keeps its ticker and exponents for ever.
    """
    path = layout.tape(data, tape)
    found = inspect.segments(path) if tape.startswith(ORDERS) else ()
    if not found or found[0].first_seq == 1:
        return Checkpoint(tape=tape)
    before = found[0].first_seq - 1
    instruments = {
        number: Instrument(one.ticker, one.price_exponent, one.qty_exponent)
        for number, one in definitions.read(path, "durable").instruments.items()
    }
    return Checkpoint(tape=tape, archived=before, planned=before, instruments=instruments)


def read(data: Path, tape: str) -> Checkpoint:
    """The checkpoint of a tape; if it was never archived, a blank one (`beginning`). StoreError: the file is none."""
    path = path_of(data, tape)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return beginning(data, tape)
    try:
        found = msgspec.json.decode(content, type=Checkpoint)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"{path}: not a checkpoint ({error}). Without it nobody knows which rows of tape {tape} are archived. "
            f"Restore the file; or remove it together with every archived file of this tape, to archive it anew."
        ) from None
    if found.version != VERSION or found.tape != tape or not 0 <= found.archived <= found.planned:
        raise StoreError(
            f"{path}: a checkpoint of version {found.version} of tape {found.tape}, archived {found.archived}, planned "
            f"{found.planned}; expected version {VERSION} of {tape} with archived <= planned. Is this the right folder?"
        )
    return found


def write(data: Path, checkpoint: Checkpoint, disk: Disk) -> None:
    """Durable when this returns. Raises OSError."""
    path = path_of(data, checkpoint.tape)
    disk.make_folder(path.parent)
    disk.replace_file(path, msgspec.json.format(msgspec.json.encode(checkpoint), indent=1) + b"\n")

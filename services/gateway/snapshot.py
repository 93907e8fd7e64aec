"""`python -m services.gateway.snapshot SETTLED`: takes a snapshot of a gateway's fold, in a process of its own.

The gateway starts it now and then, and at its end. It goes on from the newest snapshot, folds what is behind it on both
tapes, and so stands beside the gateway's own threads in nothing. What it writes is the place a restart begins at; both
tapes are kept from the oldest snapshot on, and the gateway's also from the first message that a client may lack.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import click

from services.gateway import state
from services.gateway.fold import BATCH, Fold, keep, restore
from tapewire import config as configuration
from tapewire import lifecycle, snapshots
from tapewire.config.gateway import GatewaySession
from tapewire.consumers import ConsumerPosition
from tapewire.errors import RingError
from tapewire.logs import Logger, configure
from tapewire.tape import TapeReader

NICENESS = 10
"""The gateway and the engine go first."""


def consumer_of(own_tape: Path) -> str:
    """Under this name both tapes know how far the gateway needs them."""
    return f"gateway.{own_tape.name}"


def register(own_tape: Path, orders_tape: Path) -> None:
    """From now on retention keeps what the gateway needs. Raises TapeError."""
    for tape in (own_tape, orders_tape):
        ConsumerPosition(tape, consumer_of(own_tape)).close()


def advance(
    own_tape: Path,
    orders_tape: Path,
    terms: tuple[GatewaySession, ...],
    shard: int,
    source: int,
    log: Logger,
    settled: int,
) -> Fold:
    """Folds both tapes from the newest snapshot on, and takes one there: the gateway's to its end, the orders tape to
    the record `settled`. What is reported up to there is on the gateway's tape; what is behind it, a start still has to
    report. Raises TapeError."""
    fold = restore(own_tape, orders_tape, terms, shard, source, log)
    with TapeReader(str(orders_tape), fold.at.seq + 1) as orders:
        with TapeReader(str(own_tape), fold.own.seq + 1, limit="written") as own:
            while raws := own.poll(BATCH):
                fold.fold_own(raws)
        while fold.at.seq < settled and (raws := orders.poll(min(BATCH, settled - fold.at.seq))):
            fold.fold_orders(raws)
    keep(own_tape, fold)
    _keep(own_tape, orders_tape, fold)
    return fold


def _keep(own_tape: Path, orders_tape: Path, fold: Fold) -> None:
    """Tells retention what may go: what is before the oldest snapshot, and what no client will ask for again."""
    own_seq, orders_seq = _oldest(own_tape)
    for one in fold.sessions.by_number.values():
        if one.terms.kind != "market-data" and one.confirmed + 1 < one.next_out:
            own_seq = min(own_seq, one.sent.seq_before(one.confirmed + 1))
    # The records themselves stay: they are looked at when the snapshot is.
    for tape, seq in ((own_tape, own_seq), (orders_tape, orders_seq)):
        position = ConsumerPosition(tape, consumer_of(own_tape))
        position.store(max(seq - 1, 0))
        position.close()


def _oldest(own_tape: Path) -> tuple[int, int]:
    """The records that the oldest snapshot stands at: of the gateway's tape and of the orders tape."""
    path = snapshots.folder(own_tape) / f"{snapshots.oldest(own_tape):020d}.snap"
    with path.open("rb") as file:
        file.seek(snapshots.HEAD.size)
        own, at = state.places(file.read(state.HEAD.size))
    return own.seq, at.seq


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--name", default="gateway", show_default=True, help="Of the gateway.")
@click.argument("settled", type=int)
def main(path: Path | None, name: str, settled: int) -> None:
    """Takes a snapshot of a FIX gateway's fold. SETTLED: the record of the orders tape up to which all is reported."""
    settings = configuration.load(path)
    log, folders, shard = configure("gateway.snapshot"), settings.folders, settings.engine.shard
    found = folders.find_inbound_ring(shard, name)
    if found is None:
        raise RingError(
            f"{folders.rings}: no inbound ring of a producer {name!r} for shard {shard}; expected the engine's"
        )
    os.nice(NICENESS)
    gc.disable()
    own_tape = folders.tape(f"fix.{name}")
    fold = advance(own_tape, folders.orders_tape(shard), settings.gateway.sessions, shard, found[1], log, settled)
    log.info("snapshot_taken", seq=fold.own.seq, orders_seq=fold.at.seq)


if __name__ == "__main__":
    lifecycle.main(main, "tapewire gateway snapshot")

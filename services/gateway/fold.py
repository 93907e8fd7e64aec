"""Where a gateway stands: the fold of its own tape and of the orders tape, from the newest good snapshot on.

    <gateway's tape>/snapshots/<seq>.snap    the fold behind its record `seq`, and the orders tape's that stands in it

A snapshot is passed over with its reason if it does not check, is of another gateway, or says of either tape what that
does not say: it lies beyond the end, or another record has its number now.

A gateway that is first started where the orders tape's beginning was removed begins at the engine's snapshot (`begin`),
and keeps its own of that before anything else: from then on it goes on from its own, as any other.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.gateway import begun, state
from services.gateway.orders import Orders
from services.gateway.session import Sessions
from services.gateway.state import Place, StateError
from tapewire import engine_state, snapshots
from tapewire import messages as m
from tapewire.config.gateway import GatewaySession
from tapewire.engine_state import EngineState
from tapewire.errors import TapeError, TapeGone, WireError
from tapewire.house import HouseMarket
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader

BATCH = 4096


class Fold:
    """Sessions, orders and books, and up to where."""

    def __init__(self, terms: tuple[GatewaySession, ...], shard: int, source: int) -> None:
        """At the beginning of both tapes. `source`: the number of the gateway's inbound ring."""
        self.sessions, self.orders = Sessions(terms), Orders(shard, source)
        self.orders.requests = self.sessions.requests
        self.house = HouseMarket("fix")
        self.house.quiet = True
        self.own, self.at = Place(), Place()
        """Records of the gateway's tape and of the orders tape."""
        self.begun = 0
        """Records on both by the snapshot that it began at."""

    @classmethod
    def restored(cls, kept: bytes, terms: tuple[GatewaySession, ...], shard: int, source: int) -> Fold:
        """Raises StateError, WireError."""
        made = cls(terms, shard, source)
        made.house = HouseMarket.restored("fix", state.decode(kept, made.sessions, made.orders))
        made.house.quiet = True
        made.own, made.at = state.places(kept)
        made.orders.seq = made.at.seq
        made.begun = made.own.seq + made.at.seq
        return made

    @classmethod
    def of_engine(
        cls, engine: EngineState, at: Place, terms: tuple[GatewaySession, ...], shard: int, source: int
    ) -> Fold:
        """Behind the record `at`, of which `engine` is the state; of sessions nothing is known. Raises WireError."""
        made = cls(terms, shard, source)
        made.house = HouseMarket.of_engine("fix", engine)
        made.house.quiet = True
        begun.begin(made.orders, engine)
        made.at, made.begun = at, at.seq
        return made

    def fold_own(self, raws: list[bytes]) -> None:
        """Takes the next records of the gateway's tape. Those of a command come before the command is folded."""
        for raw in raws:
            record = m.decode(raw)
            self.sessions.fold(record)
        if raws:
            self.own = Place.at(record.seq, raws[-1])

    def fold_orders(self, raws: list[bytes]) -> None:
        """Takes the next records of the orders tape."""
        orders, house = self.orders, self.house
        for raw in raws:
            orders.fold(m.decode(raw))
            orders.answered.clear()
            house.fold(raw)
        if raws:
            self.at = Place.at(orders.seq, raws[-1])

    def state(self) -> bytes:
        """To be called at the end of a command."""
        self.house.settle()
        return state.encode(self.sessions, self.orders, self.house.state(), self.own, self.at)


def begin(
    own_tape: Path, orders_tape: Path, terms: tuple[GatewaySession, ...], shard: int, source: int, log: Logger
) -> None:
    """Before a gateway's first start: where the orders tape was pruned, its first snapshot is made of the engine's.

    Nothing is done if the gateway has a record of its own, or a snapshot that holds. Raises TapeError.
    """
    with TapeReader(str(own_tape), from_seq=None, limit="written") as own:
        if own.positions.written_seq:
            return
    with TapeReader(str(orders_tape), from_seq=None) as orders:
        first, released = orders.first_seq, orders.positions.released_seq
    if first <= 1 or restore(own_tape, orders_tape, terms, shard, source, log).at.seq:
        return
    refused = list[str]()
    for found in engine_state.begins(orders_tape, first, released):
        try:
            if isinstance(found, ValueError):
                raise found
            fold = Fold.of_engine(found, _place(orders_tape, found.seq), terms, shard, source)
        except (ValueError, WireError) as error:
            log.warning("snapshot_passed_over", reason=str(error))
            refused.append(str(error))
            continue
        keep(own_tape, fold)
        log.warning("begun_from_the_engines_snapshot", snapshot=found.seq, tape_begins=first)
        return
    raise TapeGone(
        f"{orders_tape}: begins with record {first}, and no snapshot of the engine stands there or behind it "
        f"({'; '.join(refused) or 'there is none'}). Let the engine take one (its end does, and `snapshot_every`), "
        f"or put one of a backup into {snapshots.folder(orders_tape)}"
    )


def keep(own_tape: Path, fold: Fold) -> None:
    """Takes a snapshot of it, durably. Raises TapeError."""
    try:
        snapshots.save(own_tape, Snapshot(fold.own.seq, fold.state()))
    except OSError as error:
        raise TapeError(f"{own_tape}: the snapshot cannot be written: {error.strerror}") from error


def _place(tape: Path, seq: int) -> Place:
    """With the digest of the record, or without one where the tape begins behind it."""
    with TapeReader(str(tape), from_seq=None) as reader:
        if seq < reader.first_seq:
            return Place(seq)
        reader.seek_seq(seq)
        return Place.at(seq, reader.poll(1)[0])


def restore(
    own_tape: Path,
    orders_tape: Path,
    terms: tuple[GatewaySession, ...],
    shard: int,
    source: int,
    log: Logger,
    *,
    not_beyond: int | None = None,
) -> Fold:
    """The fold as of the newest good snapshot, or one that is at the beginning. `not_beyond`: only of those that
    stand at that record of the orders tape or before it. Raises TapeError if a tape cannot be read."""
    with TapeReader(str(own_tape), from_seq=None, limit="written") as reader:
        end = reader.positions.written_seq
    for candidate in snapshots.newest(own_tape, end):
        try:
            if isinstance(candidate, ValueError):
                raise StateError(str(candidate))
            own, at = state.places(candidate.state)
            if not_beyond is not None and at.seq > not_beyond:
                continue
            _check(own_tape, own, "written")
            _check(orders_tape, at, "released")
            return Fold.restored(candidate.state, terms, shard, source)
        except (StateError, WireError, TapeError) as error:
            log.warning("snapshot_passed_over", reason=str(error))
    return Fold(terms, shard, source)


def _check(tape: Path, place: Place, limit: str) -> None:
    """Raises StateError unless the tape has that very record, TapeError if it does not reach so far."""
    if not place.seq:
        return
    if place.digest == Place().digest:  # the record was gone already when it was folded, and what lay behind it was not
        with TapeReader(str(tape), from_seq=None, limit=limit) as reader:
            if reader.first_seq != place.seq + 1:
                raise StateError(f"{tape}: begins with record {reader.first_seq}, not with {place.seq + 1}")
        return
    with TapeReader(str(tape), place.seq, limit) as reader:
        found = reader.poll(1)
    if not found or hashlib.sha256(found[0]).digest() != place.digest:
        raise StateError(f"{tape}: record {place.seq} is not the one that was folded")

"""Every store of a data folder with its limit: one plan of all, carried out piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapewire import consumers
from tapewire.errors import RetentionError, StoreError, TapeError
from tapewire.retention import archive, files
from tapewire.retention.piece import DAY_NS, Limit, Piece, choose
from tapewire.tape import inspect
from tapewire.tape import retention as segments

if TYPE_CHECKING:
    from tapewire.config import Config

STORES: Final = ("tapes", "imported", "archive", "cuts", "inputs", "rings")
NOT_FEEDS: Final = "md."
WHO: Final = ("consumer ", "sink ")
"""How a plan of a tape's begins to say who holds it back."""


@dataclass(frozen=True)
class Planned:
    """What would become of one store."""

    store: str
    limit: Limit
    pieces: tuple[Piece, ...]
    failed: str = ""
    """Why the store could not be looked at: nothing of it goes."""

    @property
    def going(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.goes]

    @property
    def held(self) -> list[Piece]:
        """Beyond the limit, and still needed."""
        return [piece for piece in self.pieces if piece.why and piece.held_by]

    @property
    def bytes(self) -> int:
        return sum(piece.bytes for piece in self.pieces)

    def to_dict(self) -> dict[str, object]:
        return {
            "store": self.store,
            "limited": self.limit.given,
            "pieces": len(self.pieces),
            "bytes": self.bytes,
            "going_bytes": sum(piece.bytes for piece in self.going),
            "going": [piece.to_dict() for piece in self.going],
            "held": [piece.to_dict() for piece in self.held],
            "failed": self.failed,
        }


def plan(config: Config, now_ns: int, stores: Iterable[str] = STORES) -> list[Planned]:
    """What [retention] lets go at `now_ns` (UTC). A store that cannot be read says so, and keeps everything."""
    return [_plan(config, store, now_ns) for store in stores]


def _plan(config: Config, store: str, now_ns: int) -> Planned:
    keep = config.retention.of(store)
    limit = Limit(
        int(keep.days * DAY_NS) if keep.days else None,
        keep.mb * 10**6 if keep.mb else None,
    )
    found: dict[str, Callable[[Path], list[Piece]]] = {
        "archive": archive.pieces,
        "cuts": files.cuts,
        "inputs": files.inputs,
        "rings": files.rings,
    }
    try:
        if store in ("tapes", "imported"):
            return Planned(store, limit, tuple(_segments(config, store, limit, now_ns)))
        return Planned(store, limit, tuple(choose(found[store](config.data), limit, now_ns)))
    except (StoreError, OSError) as error:
        return Planned(store, limit, (), str(error))


def _segments(config: Config, store: str, limit: Limit, now_ns: int) -> Iterator[Piece]:
    for tape in inspect.tapes(config.folders.tapes):
        foreign = tape.name.startswith(NOT_FEEDS) and tape.name.removeprefix(NOT_FEEDS) not in config.feeds
        if foreign != (store == "imported"):
            continue
        try:
            yield from _of_tape(config, store, tape, limit, now_ns)
        except TapeError as error:  # the others go on
            yield Piece(store, tape.name, tape, 0, now_ns, _nothing, f"a person: {error}", "it cannot be read")


def _of_tape(config: Config, store: str, tape: Path, limit: Limit, now_ns: int) -> Iterator[Piece]:
    """One piece for what goes, and one for what would if its consumers had come further."""
    planned = segments.plan(tape, segments.Policy(limit.max_age_ns, limit.max_bytes), now_ns)
    if planned.delete and limit.given:
        planned = _for_sinks(config, planned, now_ns)
    went = {one.path for one in planned.delete}
    if went and limit.given:
        why = f"records before {planned.first_seq_kept:,} are beyond the limit"
        yield Piece(store, tape.name, tape, planned.bytes, now_ns, partial(_remove_segments, planned), "", why)
    kept = sum(one.bytes for one in inspect.segments(tape) if one.path not in went)
    # What `plan` says of the first one kept: a consumer is a reason of its own.
    held = planned.kept_because if planned.kept_because.startswith(WHO) and limit.given else ""
    why = "a sealed segment is beyond the limit" if held else ""
    yield Piece(store, tape.name, tape, kept, now_ns, _nothing, held, why)


def _for_sinks(config: Config, planned: segments.Plan, now_ns: int) -> segments.Plan:
    """`planned` without what a sink has yet to take that is configured here and never began with this tape."""
    known = consumers.positions(planned.tape)
    for name in config.sinks.configured:
        sink = getattr(config.sinks, name)
        if f"sink.{name}" in known or not any(fnmatch(planned.tape.name, one) for one in sink.tapes):
            continue
        keep_ns = int(sink.keep * 1e9)
        older = segments.plan(planned.tape, segments.Policy(keep_ns), now_ns) if keep_ns else None
        if (free := len(older.delete) if older else 0) < len(planned.delete):
            first = planned.delete[free].first_seq
            why = f"sink {name} is configured and has taken nothing of it yet: start it, or take it out of the settings"
            planned = replace(planned, delete=planned.delete[:free], first_seq_kept=first, kept_because=why)
    return planned


def _remove_segments(planned: segments.Plan) -> None:
    try:
        segments.carry_out(planned)
    except TapeError as error:
        raise RetentionError(str(error)) from error


def _nothing() -> None:
    raise RetentionError("the rest of a tape is no piece that goes")


def carry_out(config: Config, planned: Iterable[Planned]) -> tuple[list[Piece], list[str]]:
    """Removes what is planned; what went, and why others stayed after all. One that fails does not stop the rest."""
    archive.finish(config.data)
    files.finish(config.data)
    gone: list[Piece] = []
    stayed: list[str] = []
    for piece in (piece for one in planned for piece in one.going):
        try:
            piece.remove()
        except RetentionError as error:
            stayed.append(f"{piece.store} {piece.name}: {error}")
        else:
            gone.append(piece)
    return gone, stayed

"""One run over a data folder: alone there, by a clock that can be believed, a plan and what became of it.

<data>/retention/lock    held by the run under way; a second one leaves it alone
<data>/retention/clock   when the last run was (tapewire/believed_clock.py)
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapewire import believed_clock as clock
from tapewire.believed_clock import Sight
from tapewire.errors import RetentionError
from tapewire.retention.piece import Piece
from tapewire.retention.stores import STORES, Planned, carry_out, plan

if TYPE_CHECKING:
    from tapewire.config import Config
    from tapewire.logs import Logger

_TRUST: Final = "Ages are measured without that. If the clock is right: `tapewire retain --apply --clock-is-right`"


@dataclass(frozen=True)
class Outcome:
    """`stayed`: why something that was to go did not. `clock`: what is wrong with it, or empty."""

    planned: list[Planned]
    gone: list[Piece]
    stayed: list[str]
    clock: str

    @property
    def failed(self) -> list[str]:
        """What could not be looked at, or not be removed."""
        return [*(f"{one.store}: {one.failed}" for one in self.planned if one.failed), *self.stayed]

    def tell(self, log: Logger, retry_s: float) -> None:
        """What a run by itself says in its log; `retry_s`: when what failed is tried again."""
        if self.clock:
            log.error("retention_clock", why=self.clock)
        for one in self.planned:
            for piece in one.held:
                log.warning("retention_held_back", store=one.store, name=piece.name, by=piece.held_by)
        for why in self.failed:
            log.warning("retention_failed", why=why, retry_seconds=retry_s)
        if self.gone:
            removed = [f"{piece.store} {piece.name}" for piece in self.gone]
            log.info("retention", removed=removed, bytes=sum(piece.bytes for piece in self.gone))


def look(config: Config, stores: Iterable[str] = STORES, sight: Sight | None = None, *, trust: bool = False) -> Outcome:
    """What a run would do now; changes nothing. `trust`: believe the clock."""
    now_ns, why, _ = _judged(config, sight or clock.look(), trust)
    return Outcome(plan(config, now_ns, stores), [], [], why)


def run(config: Config, stores: Iterable[str] = STORES, sight: Sight | None = None, *, trust: bool = False) -> Outcome:
    """Removes what [retention] does not keep. Raises RetentionError if another run is under way here."""
    with _alone(config.folders.believed_clock.parent):
        now_ns, why, kept = _judged(config, sight or clock.look(), trust)
        clock.write(config.folders.believed_clock, kept)
        planned = plan(config, now_ns, stores)
        return Outcome(planned, *carry_out(config, planned), why)


def _judged(config: Config, sight: Sight, trust: bool) -> tuple[int, str, clock.Kept]:
    now_ns, why, kept = clock.judge(None if trust else clock.read(config.folders.believed_clock), sight)
    return now_ns, f"{why}. {_TRUST}" if now_ns != sight.wall_ns else why, kept


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RetentionError(f"{error.filename}: cannot be made: {error.strerror}. Nothing was removed") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "another"
            raise RetentionError(
                f"{folder}: process {by} runs retention here; this run leaves it to that one"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)

"""Beside a copy the republisher waits: the host that writes the tape publishes it, and nobody is to hear it twice.

It folds meanwhile, a few seconds behind, and keeps snapshots as the publisher does: after a takeover it goes on at
once, and retention may remove what neither would read again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from services.journal.checkpoint import Checkpoint
from tapewire import messages as m
from tapewire.errors import TapeGone
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader

LOOK_EVERY_S: Final = 0.2
BEHIND: Final = 15
"""Looks, so three seconds: what the other host may have sequenced and not published when it fell silent. After a
takeover it is published again, as after a kill."""
BATCH: Final = 512
"""Records folded between two looks at the stop signal."""


def epoch_begun(record: bytes) -> int:
    """The epoch that this record begins; 0: none, as it is of another kind."""
    message = m.decode(record)
    return message.epoch if isinstance(message, m.EpochStarted) else 0


async def until_ours(
    tape: TapeReader,
    checkpoint: Checkpoint,
    env: str,
    snapshot_every: int,
    stop: asyncio.Event,
    log: Logger,
    look_every_s: float = LOOK_EVERY_S,
) -> bool:
    """Waits while the tape is copied from another host; what was published follows behind. False if `stop` came first.

    Raises EngineStopped if a record contradicts those before it, TapeError if the copy does not read.
    """
    beside: _Beside | None = None
    ends: deque[int] = deque(maxlen=BEHIND)
    while tape.mirror:
        if stop.is_set():
            return False
        if beside is None:
            log.info("standing_by", tape=tape.name)
            beside = _Beside(tape, checkpoint, env, snapshot_every, log)
        ends.append(tape.positions.released_seq)
        if len(ends) == BEHIND:
            await beside.fold(ends[0], stop)
        await asyncio.sleep(look_every_s)
    if beside is not None:
        beside.keep()
        log.warning("taking_over", published=checkpoint.published.seq)
    return True


async def until_copied(tape: TapeReader, stop: asyncio.Event, log: Logger) -> None:
    """Sets `stop` once another host has taken the tape over: the next start waits."""
    while not stop.is_set():
        if tape.mirror:
            log.warning("another_host_has_the_tape", tape=tape.name)
            stop.set()
        await asyncio.sleep(LOOK_EVERY_S)


class _Beside:
    """The fold beside a copy, and the positions that follow it."""

    def __init__(self, tape: TapeReader, checkpoint: Checkpoint, env: str, snapshot_every: int, log: Logger) -> None:
        self._tape, self._checkpoint, self._env, self._every, self._log = tape, checkpoint, env, snapshot_every, log
        self._epoch = checkpoint.published.epoch
        self._tried: list[int] = []
        self._begin(tape.positions.released_seq)

    def _begin(self, released: int) -> None:
        """Where the copy goes on from a snapshot, or has its first record."""
        self._market = market = self._checkpoint.restore(self._env, released)
        market.quiet, self._kept, self._folds = True, market.seq, True
        try:
            self._tape.seek_seq(market.seq + 1)
        except TapeGone as error:
            # Said here, while nobody needs it yet; after a takeover the publisher ends with it.
            remedy = "put `publisher` and `consumers` of the writer's host, or of a backup, below the tape's folder"
            self._log.error("not_folded_beside_the_copy", reason=str(error), remedy=remedy)
            self._folds = False

    def _begin_again(self, end: int) -> None:
        """Of a new copy, the snapshots come first: until it has grown up to one it cannot be folded."""
        there = self._checkpoint.snapshots_up_to(end)
        if there != self._tried:
            self._tried = there
            self._begin(end)

    async def fold(self, end: int, stop: asyncio.Event) -> None:
        """Takes in all up to record `end`, where no command was half there."""
        published = self._checkpoint.published
        if not self._folds:
            self._begin_again(end)
        if not self._folds:
            published.store(end)
            return
        market = self._market
        while market.seq < end and not stop.is_set():
            records = self._tape.poll(min(BATCH, end - market.seq))
            if not records:  # a former writer's copy was cut since
                return
            for raw in records:
                market.fold(raw)
                self._epoch = max(self._epoch, epoch_begun(raw))
            await asyncio.sleep(0)
        if market.seq != end:
            return
        market.settle()
        published.store(market.seq, self._epoch)
        if self._every and market.seq - self._kept >= self._every:
            self.keep()

    def keep(self) -> None:
        """Keeps the fold as it stands: a restart of the publisher begins there."""
        market = self._market
        if market.seq > self._kept and market.between_commands and market.seq <= self._checkpoint.published.seq:
            self._checkpoint.save(Snapshot(market.seq, market.state()))
            self._kept = market.seq

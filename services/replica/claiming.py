"""How a mirror's host takes a tape over: a claim in its stream, when told or after a silence of the tape's writer.

A claim that is stored comes back by the stream, as to everybody; `Mirror` says what follows from it.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from services.replica.context import RETRY_S, Context
from services.replica.mirror_copy import MirrorCopy
from tapewire.interfaces import Received, Subscription
from tapewire.replication import host as hosts
from tapewire.replication import names, standing
from tapewire.replication import state as states
from tapewire.replication.copying import Mirror
from tapewire.replication.part import Part
from tapewire.replication.takeover import Silence, claim_of

CLAIM_AGAIN_NS = 3_000_000_000


class Claiming:
    """Of one mirror."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._silence = Silence(round(context.settings.takeover_after * 1e9))
        self._listening: Subscription | None = None
        self._claimed_at = 0
        self.unmanned = ""
        """Why this host would not take the tape over after a silence, where it is to."""

    async def start(self) -> None:
        """Listens for the writer's signs of life. Raises TransportError."""
        subject = names.alive(self._of.env, self._of.name)
        self._listening = await self._of.transport.subscribe(subject, self._on_alive)

    async def stop(self) -> None:
        if self._listening is not None:
            await self._listening.unsubscribe()

    def away(self) -> None:
        self._silence.away()

    def heard(self, holder: str) -> None:
        """That host speaks, as the writer of the tape."""
        if holder != self._of.host:
            self._silence.heard(self._of.now())

    async def if_due(self, mirror: Mirror, copy: MirrorCopy, *, back: bool) -> bool:
        """Claims where it is told to or too silent, and all of the stream is here. `back`: the stream went back.

        Whether it has. Raises TransportError.
        """
        context, now = self._of, self._of.now()
        asked = states.promotion_asked(context.tape)
        silent = self._silence.too_long(now, context.transport.connected) and mirror.durability == "replicated"
        self.unmanned = self._no_engine(copy) if silent or context.settings.takeover_after else ""
        if not mirror.holder or not (asked or (silent and not self.unmanned)):
            return False
        if back:
            # What was acknowledged is missing from the stream, and perhaps from here, too: only a person may say so.
            states.promotion_done(context.tape)
            return False
        if self._claimed_at and now - self._claimed_at < CLAIM_AGAIN_NS:
            return False
        info = await context.stream.info()
        if info is None or info.last != mirror.sequence - 1:
            return False  # not all of it is here yet
        claim = claim_of(context.host, mirror, copy)
        self._claimed_at = now
        context.log.warning("claiming", tape=context.name, epoch=claim.epoch, why="asked" if asked else "silence")
        context.stream.publish(claim, b"", info.last, self._answered)
        return True

    def _answered(self, sequence: int | None, why: str) -> None:
        # Refused: somebody was before it, and that comes by the stream, too.
        if sequence is None:
            self._of.log.warning("claim_refused", tape=self._of.name, reason=why)
            self._claimed_at = 0

    def _no_engine(self, copy: MirrorCopy) -> str:
        """Why a takeover by itself would leave the tape without a writer. Said in the log as it changes."""
        context = self._of
        why = standing.why_not(context.tape, copy.tape.positions.released_seq, context.now())
        if bool(why) != bool(self.unmanned):
            context.log.warning("takeover_after", tape=context.name, why=why or "an engine stands by")
        return f"would not be taken over by itself: {why}" if why else ""

    async def first(self, copy: MirrorCopy) -> None:
        """Of a tape that nobody has written yet: whoever is told to, is the first. Raises TransportError."""
        context = self._of
        if not states.promotion_asked(context.tape) or not copy.empty:
            await asyncio.sleep(RETRY_S)
            return
        info = await context.stream.make(*context.settings.stream_of(context.name))
        if info.last:
            return
        claim = Part(kind="claim", mark=hosts.new_mark(), holder=context.host, epoch=copy.epoch + 1, position=0, end=0)
        stored = asyncio.Event()
        context.stream.publish(claim, b"", 0, lambda sequence, why: stored.set())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stored.wait(), RETRY_S)

    def _on_alive(self, message: Received) -> None:
        try:
            holder = msgspec.json.decode(message.data).get("holder")
        except (msgspec.DecodeError, AttributeError):
            return  # not ours to judge: anybody may publish there whom the server lets
        self.heard(holder)

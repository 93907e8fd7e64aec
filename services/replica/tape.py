"""One tape of this host: who writes it decides whether it is sent or mirrored, and the stream says who does."""

from __future__ import annotations

import asyncio

from services.replica.context import RETRY_S, Context
from services.replica.mirroring import Mirroring
from services.replica.roll_call import RollCall
from services.replica.sending import Sending
from tapewire.errors import TapeFenced, TapeMissing, TransportError
from tapewire.replication import host as hosts
from tapewire.tape import TapeFrames

HANDED_OVER_WITHIN_S = 10.0
"""How long the engine may take to open what was handed to it, or to let it go."""


class TapeReplica:
    def __init__(self, context: Context, *, mirror: bool) -> None:
        self._of, self._mirror = context, mirror
        self._at_work: Sending | Mirroring | None = None

    def away(self) -> None:
        if self._at_work is not None:
            self._at_work.away()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises TapeFenced when another host has taken the tape, TapeError when it must not go on."""
        roll = RollCall(self._of, lambda: isinstance(self._at_work, Sending) and self._at_work.sends)
        # The bus may go away just as one of these begins to listen: this tape alone would be given up for that.
        await self._of.once_there(stop, self._of.stream.open)
        await self._of.once_there(stop, roll.start)
        try:
            while not stop.is_set():
                if self._mirror and not await self._ours(stop):
                    if await self._mirrored(stop):
                        continue
                    return
                self._at_work = sending = Sending(self._of)
                await sending.run(stop)
                return
        finally:
            await roll.stop()

    async def _mirrored(self, stop: asyncio.Event) -> bool:
        """True: this host has taken it over, and sends it from here on."""
        until = asyncio.get_running_loop().time() + HANDED_OVER_WITHIN_S
        while True:
            self._at_work = mirroring = Mirroring(self._of)
            try:
                return await mirroring.run(stop)
            except TapeFenced:
                # The engine of this host has it: it opens what it was given, or it has yet to hear that it is fenced.
                await self._fence()
                if asyncio.get_running_loop().time() > until or stop.is_set():
                    raise
                await asyncio.sleep(RETRY_S / 5)
                if await self._ours(stop):
                    return True

    async def _fence(self) -> None:
        """Tells an engine that writes here that another host has the tape."""
        known = self._of.known
        try:
            last = await self._of.stream.last()
            if known is not None and known.holder == self._of.host and await self._of.went_back():
                return  # that it was taken from us is not what the stream says: it has lost something
        except TransportError:
            return  # who has it cannot be told now; we are asked again
        if last is None or last.part.holder == self._of.host:
            return
        frames = TapeFrames(self._of.tape)
        try:
            if not frames.fence and not frames.mirror:
                self._of.log.warning("fenced", tape=self._of.name, epoch=last.part.epoch, holder=last.part.holder)
                frames.set_fence(last.part.epoch)
        finally:
            frames.close()

    async def _ours(self, stop: asyncio.Event) -> bool:
        """Whether this host writes the tape, by the stream's last word, and has all that the stream holds.

        A mirror whose claim was stored but that was killed before it let the tape go has it to let go yet. Where the
        stream went back, its last word is not to be had: who knew itself to be the writer takes that up as the sender.
        """
        known = self._of.known
        while not stop.is_set():
            try:
                back = await self._of.went_back()
                last = await self._of.stream.last()
            except TransportError as error:
                self._of.say("waiting", why=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            told = known is None and hosts.renewal_asked(self._of.tape)
            if back and (known is None or known.holder != self._of.host):
                return False
            if not (back or told) and (last is None or last.part.holder != self._of.host):
                return False
            try:
                frames = TapeFrames(self._of.tape)
            except TapeMissing:
                return False
            try:
                marks, granted = frames.positions, frames.grant > frames.epoch
                wrote = not frames.mirror and not frames.fence and marks.durable > 0
            finally:
                frames.close()
            return granted or (wrote and (bool(back) or told or (last is not None and marks.durable >= last.part.end)))
        return False

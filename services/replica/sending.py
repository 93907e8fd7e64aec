"""The sender's shell: the tape's frames into its stream, and the release of what the stream holds.

tape ──frames──▶ Sender (pure) ──publish, expecting──▶ JetStream
 ▲ released ◀──────── answers: stored ◀──────────────────┘
"""

from __future__ import annotations

import asyncio

import msgspec

from services.replica.context import RETRY_S, Context
from services.replica.doubt import Doubt
from services.replica.fetching import FetchServer
from services.replica.late import LateAnswer
from services.replica.stream import Info, Stored
from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeError, TapeFenced, TapeFull, TapeMissing, TransportError, WireError
from tapewire.histogram import StatsPage
from tapewire.replication import host as hosts
from tapewire.replication import names
from tapewire.replication.part import MAX_FRAMES, Part
from tapewire.replication.sender import Last, Sender, State, Stop
from tapewire.replication.state import Role
from tapewire.tape import TapeFrames

WAIT_S = 0.05
ALIVE_EVERY_NS = 100_000_000
CONSUMER = "replica"
"""Retention keeps what the stream does not hold yet."""
STORED = "stored"
"""The histogram of the page `stats/replica.<tape>`: what a `replicated` answer waits for behind its sync."""
WHOLE_PART = 1 << 30
LOOK_EVERY_NS = 5_000_000_000
"""How often a sender that has nothing to send looks whether the stream is what it was."""


class Sending:
    """Of one tape. Everything but reading the tape is on the event loop."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._frames: TapeFrames | None = None
        self._page: StatsPage | None = None
        self._machine = Sender(context.host, "")
        self._answered = asyncio.Event()
        self._alive_at = 0
        self._looked_at = 0
        self._refusal = ""
        self._created = ""
        self._doubt, self._late = Doubt(context), LateAnswer(context)
        self._through = False
        """Whether it has sent, since it runs."""

    @property
    def sends(self) -> bool:
        return self._machine.state is State.send

    def away(self) -> None:
        """The bus went away: whether what was on its way was stored, the stream will say."""
        self._machine.in_doubt()
        self._of.stream.forget_answers()
        self._answered.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises TapeFenced when another host has the tape, TapeError when it must not go on."""
        context = self._of
        frames = await self._open(stop)
        if frames is None:
            return
        self._frames = frames
        self._machine = Sender(context.host, hosts.mark_of(context.tape))
        position = ConsumerPosition(context.tape, CONSUMER)
        self._page = StatsPage.create(context.stats / f"replica.{context.name}", (STORED,))
        server = FetchServer(context, lambda: self._machine)
        try:
            await context.once_there(stop, server.start)
            while not stop.is_set():
                machine = self._machine
                if machine.state is State.stopped:
                    self._ended()
                elif machine.state is State.sync:
                    await self._sync()
                elif not self._send_some():
                    await self._wait()
                self._late.step(machine)
                machine.tick(context.now())
                self._keep_alive()
                position.store(machine.released[1])
                self._say()
                await context.refresh_known()
                await self._look()
        finally:
            await self._late.close()
            await context.refresh_known(every_ns=0)
            await server.stop()
            position.close()
            frames.close()
            self._page.close()
            self._page = None

    async def _open(self, stop: asyncio.Event) -> TapeFrames | None:
        while not stop.is_set():
            try:
                frames = TapeFrames(self._of.tape)
                if frames.positions.durable:
                    return frames
                frames.close()
            except TapeMissing:
                pass  # its writer has not started yet
            if self._of.tape.exists():  # what is said is kept there
                self._of.say("waiting", why="there is no tape yet")
            await asyncio.sleep(WAIT_S)
        return None

    # -- what the stream holds

    async def _sync(self) -> None:
        """Takes up what the stream holds; where the bus or the disk is in the way, it is tried again."""
        machine, context = self._machine, self._of
        if self._refusal:
            await asyncio.sleep(WAIT_S)
        if fence := self._live().fence:
            machine.state, machine.stop = State.stopped, _fenced(fence)
            return
        try:
            if (found := await self._held()) is not None:
                await self._take_up(*found)
        except WireError as error:
            raise TapeError(f"{context.tape}: {error}") from error
        except (TransportError, TapeFull) as error:
            machine.in_doubt()
            context.say("waiting", why=str(error), position=machine.stored)
            await asyncio.sleep(RETRY_S)

    async def _held(self) -> tuple[Info, Stored | None, bool] | None:
        """The stream, its last message, and whether this tape has its bytes; None: it is not to be gone on with yet."""
        context, stream = self._of, self._of.stream
        why = await context.went_back()
        info = await stream.info()
        if info is None and not why:
            info = await stream.make(*context.settings.stream_of(context.name))
        last = await stream.get(info.last) if info is not None and info.messages else None
        # A claim has no bytes: what shows whether this tape is what was claimed stands before it.
        proof = await stream.last_frames() if last is not None and last.part.kind == "claim" else last
        shown = [one for one in (last, proof) if one is not None]
        agrees = bool(shown) and all([await asyncio.to_thread(self._agrees, one) for one in shown])
        if not await self._may_go_on(why, last, agrees=agrees) or info is None:
            return None
        return info, last, agrees

    async def _take_up(self, info: Info, last: Stored | None, agrees: bool) -> None:
        """Goes on behind the stream's last message, or stops there. Raises TapeFull: what it held cannot be kept."""
        frames, machine, context = self._live(), self._machine, self._of
        frames.seek(0)
        found = Last(info.last, last.part if last else None, agrees)
        machine.synced(found, frames.positions.durable, frames.position)
        if last is not None:
            ours = machine.state is State.send
            context.stored(info.created, last.sequence, last.part, last.frames, ours=ours)
            await context.keep_known()
        if machine.state is not State.send:
            return
        self._created, self._through, self._late.leader = info.created, True, info.leader
        hosts.renewal_done(context.tape)
        if not machine.mark:
            machine.mark = hosts.new_mark()
        if hosts.mark_of(context.tape) != machine.mark:
            hosts.keep_mark(context.tape, machine.mark)
        frames.seek(machine.next)
        self._release()
        context.log.info(
            "sending", tape=context.name, stream=context.stream.name, position=machine.next, sequence=info.last
        )

    async def _may_go_on(self, why: str, last: Stored | None, *, agrees: bool) -> bool:
        """Whether the stream is to be judged as it is; a stream that went back is settled first, or ends this."""
        frames, machine, context = self._live(), self._machine, self._of
        if why:
            settled = await self._doubt.settle(why, last, agrees=agrees, frames=frames, through=self._through)
            if isinstance(settled, Stop):
                machine.state, machine.stop = State.stopped, settled
            return settled is True
        self._doubt.none()
        told = last is not None and context.known is None and hosts.renewal_asked(context.tape)
        if (
            last is not None
            and told
            and last.part.holder != context.host
            and agrees
            and last.part.epoch <= frames.epoch
        ):
            # Who says so has looked: this host took the tape over, and the stream has lost that.
            await self._doubt.claim(last, frames, None)
            return False
        return True

    async def _look(self) -> None:
        """An idle sender is refused nothing: so it looks by itself now and then."""
        machine, now = self._machine, self._of.now()
        if not machine.may_send or now - self._looked_at < LOOK_EVERY_NS:
            return
        self._looked_at, last = now, machine.sequence
        try:
            info = await self._of.stream.info()
            changed = info is None or info.last != last or bool(await self._of.went_back())
        except TransportError:
            return  # the bus is away, and the sender hears of it
        if changed and machine.may_send and machine.sequence == last:
            machine.in_doubt()

    def _agrees(self, last: Stored) -> bool:
        """Whether these bytes are on our tape, where the message says."""
        frames, part = self._live(), last.part
        if part.end > frames.positions.durable:
            return False
        try:
            frames.seek(part.position)
            if part.kind == "claim":
                return True
            ours = frames.read(WHOLE_PART, (part.end, part.last))
        except TapeError:
            return False  # damaged, or retention removed it: nothing here shows that it does
        return ours is not None and ours.frames == last.frames

    # -- sending

    def _send_some(self) -> bool:
        """True if something went out."""
        machine = self._machine
        stretch = self._live().read(MAX_FRAMES) if machine.may_send else None
        if stretch is None:
            return False
        part = self._of.part(self._live(), stretch, self._machine.mark)
        token, expected = machine.sent(part, began := self._of.now())

        def answer(sequence: int | None, why: str) -> None:
            self._on_answer(token, sequence, why, part, stretch.frames)
            if sequence is not None and self._page is not None:
                self._page.histogram(STORED).record(self._of.now() - began)

        if not self._of.stream.publish(part, stretch.frames, expected, answer):
            machine.in_doubt()
        return True

    def _on_answer(self, token: int, sequence: int | None, why: str, part: Part, frames: bytes) -> None:
        if sequence is None:
            if why != self._refusal:
                self._of.log.warning("refused", tape=self._of.name, reason=why)
                self._refusal = why
            self._machine.refused(token)
        else:
            self._refusal = ""
            if self._machine.acked(token, sequence):
                self._of.stored(self._created, sequence, part, frames)
            self._release()
        self._answered.set()

    def _release(self) -> None:
        if self._frames is not None and self._machine.released[0]:
            self._frames.release(*self._machine.released)

    async def _wait(self) -> None:
        """For more of the tape; or, while a part is on its way, for the answer."""
        machine = self._machine
        if machine.may_send:
            await asyncio.to_thread(self._live().wait, WAIT_S)
            return
        self._answered.clear()
        if machine.state is State.send:
            try:
                await asyncio.wait_for(self._answered.wait(), WAIT_S)
            except TimeoutError:
                return

    # -- what is said

    def _keep_alive(self) -> None:
        """Says that the tape's writer lives, and that we do."""
        frames, now = self._live(), self._of.now()
        if now - self._alive_at < ALIVE_EVERY_NS or self._machine.state is not State.send or not frames.writer_alive:
            return
        self._alive_at = now
        body = {"holder": self._of.host, "epoch": frames.epoch, "position": self._machine.stored}
        self._of.transport.publish(names.alive(self._of.env, self._of.name), msgspec.json.encode(body))

    def _say(self) -> None:
        machine, marks = self._machine, self._live().positions
        if machine.state is State.send:
            self._of.say(
                "sender",
                position=machine.stored,
                seq=machine.released[1],
                lag_bytes=max(0, marks.durable - machine.stored),
                lag_records=max(0, marks.durable_seq - machine.released[1]),
                epoch=self._live().epoch,
                holder=self._of.host,
            )

    def _ended(self) -> None:
        stop = self._machine.stop
        if stop is None:
            raise AssertionError("stopped without a reason")
        role: Role = "fenced" if stop.epoch else "differs"
        if stop.epoch:
            self._live().set_fence(stop.epoch)
        self._of.say(
            role, at_once=True, position=self._machine.stored, epoch=stop.epoch, holder=stop.holder, why=stop.why
        )
        raise (TapeFenced if stop.epoch else TapeError)(f"{self._of.tape}: {stop.why}")

    def _live(self) -> TapeFrames:
        if self._frames is None:
            raise AssertionError("the tape is not open")
        return self._frames


def _fenced(epoch: int) -> Stop:
    return Stop(f"fenced: epoch {epoch} was taken by another host", epoch)

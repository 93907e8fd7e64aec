"""The mirror's shell: the stream's messages into the copy of a tape, until this host takes it over (claiming.py).

stream ──Tail──▶ Mirror (pure) ──frames──▶ TapeMirror: durable, then seen by readers
                    │ Fetch ──asked──▶ the host that sends
                    │ HandOver ──▶ the engine that stands by
"""

from __future__ import annotations

import asyncio

from services.replica import fetching
from services.replica.claiming import Claiming
from services.replica.context import BACK_FOR_S, RETRY_S, Context
from services.replica.mirror_copy import MirrorCopy
from services.replica.place import cut_own_tail, first_reaching
from services.replica.stream import Stored, Tail
from tapewire.errors import TapeError, TapeFull, TransportError, WireError
from tapewire.replication import host as hosts
from tapewire.replication import state as states
from tapewire.replication.copying import Again, Differs, Fetch, HandOver, Mirror, Outcome

MOST = 64
"""Messages taken in one go: written one after the other, then synced once."""
WAIT_S = 0.05
LOOK_EVERY_NS = 5_000_000_000
"""How often a mirror looks whether the stream is what it was: one that went back says nothing by itself."""


class Mirroring:
    """Of one tape."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._copy: MirrorCopy | None = None
        self._mirror: Mirror | None = None
        self._tail = Tail(context.stream, context.transport)
        self._claiming = Claiming(context)
        self._pending: list[Stored] = []
        self._created = ""
        self._fetched = 0
        self._fetch_from: int | None = None
        """Where the next stretch that is asked for begins; None: nothing has been since the place was found."""
        self._looked_at = 0
        self._back = ""
        """Why the stream is not what it was; empty: it is, or has come again to where it was."""
        self._back_since: float | None = None
        self._epoch = 0
        """Of our claim, once the copy has been handed over."""

    def away(self) -> None:
        self._claiming.away()

    async def run(self, stop: asyncio.Event) -> bool:
        """Until `stop`, or until this host has taken the tape over: True. Raises TapeError when it must not go on."""
        context = self._of
        await context.once_there(stop, self._claiming.start)
        try:
            while not stop.is_set() and not self._epoch:
                try:
                    if not self._is_open:
                        self._copy = await asyncio.to_thread(MirrorCopy, str(context.tape), context.name)
                    await self._step()
                except TransportError as error:
                    self._say("waiting", why=str(error))
                    await asyncio.sleep(RETRY_S)
                    self._mirror = None  # the bus is asked anew where the copy stands in the stream
                except TapeFull as error:
                    if self._is_open:
                        self._say("mirror", why=str(error))
                    else:
                        context.say("waiting", why=str(error))
                    await asyncio.sleep(RETRY_S)
                except (TapeError, WireError) as error:
                    if self._copy is None:
                        raise  # a writer has it, or it does not hold: nothing was compared yet
                    context.say(
                        "differs", at_once=True, why=str(error), position=self._copy.end, seq=self._copy.last_seq
                    )
                    raise TapeError(f"{context.tape}: {error}") from error
        finally:
            if context.transport.connected:
                await self._claiming.stop()
                await self._tail.stop()
            if self._copy is not None:
                self._copy.close()
            await context.refresh_known(every_ns=0)
        return bool(self._epoch)

    async def _step(self) -> None:
        if self._mirror is None:
            await self._begin()
            if self._mirror is None:
                if not self._is_open:
                    return
                if self._back:
                    self._say("waiting")
                    await asyncio.sleep(RETRY_S)
                    return
                self._say("waiting", why="nobody sends this tape yet")
                await self._claiming.first(self._live())
                return
        if not self._pending:
            self._pending = await self._tail.next(MOST, WAIT_S)
        if self._pending:
            await self._take()
        elif self._tail.quiet:
            self._mirror = None
        if self._mirror is not None and not self._epoch:
            if not self._pending and await self._claiming.if_due(self._mirror, self._live(), back=bool(self._back)):
                self._say("claiming")
            await self._look()
            self._say("waiting" if self._back else "mirror")

    async def _look(self) -> None:
        now = self._of.now()
        if self._back or now - self._looked_at < LOOK_EVERY_NS:
            return
        self._looked_at = now
        if await self._of.went_back():
            self._mirror = None  # begins anew, and finds out more

    # -- where the copy stands in the stream

    async def _begin(self) -> None:
        """Finds the stream's message that holds our end, cuts what is our own alone, and reads from there on."""
        context, stream = self._of, self._of.stream
        if hosts.renewal_asked(context.tape):
            context.forget_known()
            hosts.renewal_done(context.tape)
        if await self._has_gone_back():
            return
        info = await stream.info()
        if info is None or not info.messages:
            return
        copy = self._live()
        if await cut_own_tail(context, copy, info.first):
            return  # it is opened anew first
        sequence = await first_reaching(stream, copy.end, info.first, info.last)
        self._created, self._pending = info.created, []
        self._fetch_from = None
        mirror = Mirror(copy, context.host, hosts.mark_of(context.tape), sequence)
        await self._tail.start(sequence)
        self._mirror, self._looked_at = mirror, context.now()
        context.log.info("mirroring", tape=context.name, position=copy.end, seq=copy.last_seq, sequence=sequence)

    async def _has_gone_back(self) -> bool:
        """True: it seems so, and is looked at again. Once it is sure, the mirror follows what comes, and claims nothing
        until the stream has come to where it was."""
        context, known = self._of, self._of.known
        why = await context.went_back()
        if not why or known is None:
            self._back, self._back_since = "", None
            return False
        now = asyncio.get_running_loop().time()
        self._back_since = now if self._back_since is None else self._back_since
        before, self._back = (
            self._back,
            _BACK.format(
                stream=context.stream.name, why=why, holder=known.holder, epoch=known.epoch, tape=context.name
            ),
        )
        if not before:
            context.log.warning("stream_went_back", tape=context.name, why=why)
        return now - self._back_since < BACK_FOR_S

    # -- messages

    async def _take(self) -> None:
        mirror = self._known()
        done, outcome = await asyncio.to_thread(self._feed, self._pending)
        self._claiming.heard(mirror.holder)
        if done:
            try:
                if mirror.mark != hosts.mark_of(self._of.tape):
                    hosts.keep_mark(self._of.tape, mirror.mark)
                await self._note(self._pending[done - 1], at_once=isinstance(outcome, HandOver))
            except TapeFull:
                self._mirror = None  # what follows rests on it: the place is found anew, and the outcome with it
                raise
        self._pending = self._pending[done:]
        await self._follow_up(outcome)

    async def _note(self, newest: Stored, *, at_once: bool) -> None:
        """What the stream holds now, as this host knows it; while it has gone back, what it held before is kept."""
        context, before = self._of, self._of.known
        if self._back and before is not None:
            if newest.part.kind != "frames" or newest.part.end < before.end:
                return
            context.log.warning("stream_came_again", tape=context.name, position=newest.part.end)
            self._back, self._back_since = "", None
        kept = context.kept
        taken = kept is None or (kept.holder, kept.epoch) != (newest.part.holder, newest.part.epoch)
        context.stored(self._created, newest.sequence, newest.part, newest.frames)
        await (context.keep_known() if at_once or taken else context.refresh_known())

    def _feed(self, messages: list[Stored]) -> tuple[int, Outcome | None]:
        """As many as go without a question; then one sync for all. Returns how many, and the question."""
        mirror, copy = self._known(), self._live()
        done = 0
        outcome: Outcome | None = None
        try:
            for message in messages:
                found = mirror.feed(message.sequence, message.part, message.frames)
                if isinstance(found, Again | Fetch | Differs):
                    outcome = found
                    break
                done += 1
                if isinstance(found, HandOver):
                    outcome = found
        finally:
            if not copy.empty:
                # A claim is of the epoch to come, which the writer itself begins.
                copy.tape.commit(*mirror.whole, 0 if isinstance(outcome, HandOver) else mirror.writer_epoch)
        return done, outcome

    async def _follow_up(self, outcome: Outcome | None) -> None:
        mirror, context = self._known(), self._of
        if isinstance(outcome, Differs):
            raise TapeError(outcome.why)
        if isinstance(outcome, Again):
            context.log.warning("messages_missing", tape=context.name, sequence=outcome.sequence)
            self._mirror = None  # also finds out whether the stream still has them
        elif isinstance(outcome, Fetch):
            await self._fetch()
        elif isinstance(outcome, HandOver):
            info = await context.stream.info()
            if info is None or mirror.sequence <= info.last:
                return  # a claim of long ago: others, or we ourselves, went on from there
            states.promotion_done(context.tape)
            await asyncio.to_thread(self._live().tape.hand_over, outcome.epoch)
            self._epoch = outcome.epoch
            context.log.warning("taken_over", tape=context.name, epoch=outcome.epoch, position=mirror.whole[0])

    async def _fetch(self) -> None:
        """Asks for what the stream has no more, until the copy reaches it.

        The stream shows nothing of what is here then, nor the claim behind which the last records may be this host's
        alone. So the last segment is asked for as well, and compared.
        """
        copy, mirror = self._live(), self._known()
        if copy.empty:
            self._fetched += await fetching.fetch_snapshots(self._of)
        position = copy.end if self._fetch_from is None else self._fetch_from
        if self._fetch_from is None and not copy.empty:
            position = await asyncio.to_thread(lambda: copy.last_segment)
        was_empty = copy.empty
        part, frames = await fetching.frames_from(self._of, position)
        if not was_empty and part.position > copy.end:
            raise fetching.gone(self._of, part.first)  # asked for position 0, it gives the first that it still has
        outcome = await asyncio.to_thread(mirror.fetched, part, frames)
        if isinstance(outcome, Differs):
            raise TapeError(outcome.why)
        self._fetch_from = part.end
        await asyncio.to_thread(copy.tape.commit, *mirror.whole, part.epoch)
        self._fetched += len(frames)
        self._say("mirror")

    # -- what is said

    def _say(self, role: states.Role, why: str = "") -> None:
        copy, mirror = self._copy, self._mirror
        if copy is None or not copy.tape.is_open:
            return
        self._of.say(
            role,
            position=copy.end,
            seq=copy.tape.positions.released_seq,
            lag_records=0,
            lag_bytes=sum(len(message.frames) for message in self._pending),
            epoch=mirror.epoch if mirror else 0,
            holder=mirror.holder if mirror else "",
            fetched=self._fetched,
            why=why or self._back or self._claiming.unmanned,
            back=bool(self._back),
        )

    @property
    def _is_open(self) -> bool:
        """Not before the first time, nor behind a cut."""
        return self._copy is not None and self._copy.tape.is_open

    def _live(self) -> MirrorCopy:
        if self._copy is None:
            raise AssertionError("the copy is not open")
        return self._copy

    def _known(self) -> Mirror:
        if self._mirror is None:
            raise AssertionError("the place in the stream is not known")
        return self._mirror


_BACK = (
    "the stream {stream} went back: {why}. This mirror goes on once its writer, {holder} (epoch {epoch}), has sent "
    "again what is missing, and is not promoted until then. If that host is lost, and no other has more of the tape: "
    "`tapewire replica renew {tape} --yes` here, start the replica anew, then `tapewire promote {tape}`"
)

"""The mirror's shell: the stream's messages into the copy of a tape, and the claim by which this host takes it over.

stream ──Tail──▶ Mirror (pure) ──frames──▶ TapeMirror: durable, then seen by readers
                    │ Fetch ──asked──▶ the host that sends
                    │ HandOver ──▶ the engine that stands by
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec

from services.replica import fetching
from services.replica.context import BACK_FOR_S, RETRY_S, Context
from services.replica.mirror_copy import MirrorCopy
from services.replica.stream import Stored, Tail
from tapewire.errors import TapeError, TapeFull, TransportError, WireError
from tapewire.interfaces import Received, Subscription
from tapewire.replication import host as hosts
from tapewire.replication import names, standing
from tapewire.replication import state as states
from tapewire.replication.copying import Again, Differs, Fetch, HandOver, Mirror, Outcome
from tapewire.replication.part import Part
from tapewire.replication.takeover import FOLLOWING, Silence, claim_of, own_tail

MOST = 64
"""Messages taken in one go: written one after the other, then synced once."""
WAIT_S = 0.05
CLAIM_AGAIN_NS = 3_000_000_000
LOOK_EVERY_NS = 5_000_000_000
"""How often a mirror looks whether the stream is what it was: one that went back says nothing by itself."""


class Mirroring:
    """Of one tape."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._copy: MirrorCopy | None = None
        self._mirror: Mirror | None = None
        self._tail = Tail(context.stream, context.transport)
        self._listening: Subscription | None = None
        self._silence = Silence(round(context.settings.takeover_after * 1e9))
        self._pending: list[Stored] = []
        self._created = ""
        self._claimed_at = 0
        self._fetched = 0
        self._fetch_from: int | None = None
        """Where the next stretch that is asked for begins; None: nothing has been since the place was found."""
        self._last = 0
        self._looked_at = 0
        self._back = ""
        """Why the stream is not what it was; empty: it is, or has come again to where it was."""
        self._back_since: float | None = None
        self._unmanned = ""
        """Why this host would not take the tape over after a silence, where it is to."""
        self._epoch = 0
        """Of our claim, once the copy has been handed over."""

    def away(self) -> None:
        self._silence.away()

    async def run(self, stop: asyncio.Event) -> bool:
        """Until `stop`, or until this host has taken the tape over: True. Raises TapeError when it must not go on."""
        context = self._of
        await context.once_there(stop, self._listen)
        try:
            self._copy = await asyncio.to_thread(MirrorCopy, str(context.tape), context.name)
            while not stop.is_set() and not self._epoch:
                try:
                    await self._step()
                except TransportError as error:
                    self._say("waiting", why=str(error))
                    await asyncio.sleep(RETRY_S)
                    self._mirror = None  # the bus is asked anew where the copy stands in the stream
                except TapeFull as error:
                    self._say("mirror", why=str(error))
                    await asyncio.sleep(RETRY_S)
                except (TapeError, WireError) as error:
                    context.say(
                        "differs", at_once=True, why=str(error), position=self._copy.end, seq=self._copy.last_seq
                    )
                    raise TapeError(f"{context.tape}: {error}") from error
        finally:
            if context.transport.connected:
                if self._listening is not None:
                    await self._listening.unsubscribe()
                await self._tail.stop()
            if self._copy is not None:
                self._copy.close()
            await context.refresh_known(every_ns=0)
        return bool(self._epoch)

    async def _listen(self) -> None:
        subject = names.alive(self._of.env, self._of.name)
        self._listening = await self._of.transport.subscribe(subject, self._on_alive)

    async def _step(self) -> None:
        if self._mirror is None:
            await self._begin()
            if self._mirror is None:
                if self._back:
                    self._say("waiting")
                    await asyncio.sleep(RETRY_S)
                    return
                self._say("waiting", why="nobody sends this tape yet")
                await self._claim_first()
                return
        if not self._pending:
            self._pending = await self._tail.next(MOST, WAIT_S)
        if self._pending:
            await self._take()
        elif self._tail.quiet:
            self._mirror = None
            return
        if not self._epoch:
            await self._claim_if_due()
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
        await self._cut_own_tail(info.first)
        copy = self._live()
        sequence = await self._find(info.first, info.last)
        self._created, self._last, self._pending = info.created, info.last, []
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

    async def _find(self, first: int, last: int) -> int:
        """The first message that reaches to our end or beyond; `last` if none does."""
        end, low, high = self._live().end, first, last
        while low < high:
            middle = (low + high) // 2
            message = await self._of.stream.get(middle)
            if message is not None and message.part.end >= end:
                high = middle
            else:
                low = middle + 1
        return low

    async def _cut_own_tail(self, first: int) -> None:
        """A former writer's records that no other host took are kept aside, never deleted."""
        copy = self._live()
        if copy.empty:
            return
        claims: list[tuple[Part, list[Part]]] = []
        differ: list[Part] = []
        at = first
        while (claim := await self._of.stream.next_claim(at)) is not None:
            at = claim.sequence + 1
            claims.append((claim.part, []))
            behind = at
            while len(claims[-1][1]) < FOLLOWING and (part := await self._of.stream.next_frames(behind)) is not None:
                claims[-1][1].append(part.part)
                behind = part.sequence + 1
                if part.part.position >= copy.end:
                    break
                if not await asyncio.to_thread(self._agrees, part):
                    differ.append(part.part)
                    break  # from here on not even the frames begin at the same places
        known = self._of.known
        kept = known.held if known else 0
        found = own_tail(claims, self._of.host, copy.end, lambda part: part not in differ, stored=kept)
        if found is None:
            return
        backup = await asyncio.to_thread(copy.cut_behind, found.last, time.time_ns())
        self._of.log.warning(
            "cut_own_records",
            tape=self._of.name,
            from_seq=found.last + 1,
            kept=str(backup),
            why=f"epoch {found.epoch} was taken by {found.holder} at position {found.position}",
        )
        self._copy = await asyncio.to_thread(MirrorCopy, str(self._of.tape), self._of.name)

    def _agrees(self, stored: Stored) -> bool:
        copy = self._live()
        if stored.part.position >= copy.end:
            return True
        ours = copy.read(stored.part.position, len(stored.frames))
        return ours[: len(stored.frames)] == stored.frames[: len(ours)]

    # -- messages

    async def _take(self) -> None:
        mirror = self._known()
        done, outcome = await asyncio.to_thread(self._feed, self._pending)
        if mirror.holder != self._of.host:
            self._silence.heard(self._of.now())
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
        self._last = max(self._last, mirror.sequence - 1)
        return done, outcome

    async def _follow_up(self, outcome: Outcome | None) -> None:
        mirror, context = self._known(), self._of
        if isinstance(outcome, Differs):
            raise TapeError(outcome.why)
        if isinstance(outcome, Again):
            context.log.warning("messages_missing", tape=context.name, sequence=outcome.sequence)
            self._mirror = None  # also finds out whether the stream still has them
        elif isinstance(outcome, Fetch):
            await self._fetch(outcome)
        elif isinstance(outcome, HandOver):
            info = await context.stream.info()
            if info is None or mirror.sequence <= info.last:
                return  # a claim of long ago: others, or we ourselves, went on from there
            states.promotion_done(context.tape)
            await asyncio.to_thread(self._live().tape.hand_over, outcome.epoch)
            self._epoch = outcome.epoch
            context.log.warning("taken_over", tape=context.name, epoch=outcome.epoch, position=mirror.whole[0])

    async def _fetch(self, wanted: Fetch) -> None:
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

    # -- taking over

    async def _claim_if_due(self) -> None:
        context, mirror = self._of, self._known()
        now = context.now()
        asked = states.promotion_asked(context.tape)
        silent = self._silence.too_long(now, context.transport.connected) and mirror.durability == "replicated"
        self._unmanned = self._no_engine() if silent or context.settings.takeover_after else ""
        if silent and not asked and self._unmanned:
            return
        if not (asked or silent) or not mirror.holder or self._pending:
            return
        if self._back:
            # What was acknowledged is missing from the stream, and perhaps from here, too: only a person may say so.
            states.promotion_done(context.tape)
            return
        if self._claimed_at and now - self._claimed_at < CLAIM_AGAIN_NS:
            return
        info = await context.stream.info()
        if info is None or info.last != mirror.sequence - 1:
            return  # not all of it is here yet
        claim = claim_of(context.host, mirror, self._live())
        self._claimed_at = now
        context.log.warning("claiming", tape=context.name, epoch=claim.epoch, why="asked" if asked else "silence")
        self._say("claiming")

        def answered(sequence: int | None, why: str) -> None:
            # Stored, it comes by the stream, as to everybody. Refused: somebody was before it, and that comes, too.
            if sequence is None:
                context.log.warning("claim_refused", tape=context.name, reason=why)
                self._claimed_at = 0

        context.stream.publish(claim, b"", info.last, answered)

    def _no_engine(self) -> str:
        """Why a takeover by itself would leave the tape without a writer. Said in the log as it changes."""
        context = self._of
        why = standing.why_not(context.tape, self._live().tape.positions.released_seq, context.now())
        if bool(why) != bool(self._unmanned):
            context.log.warning("takeover_after", tape=context.name, why=why or "an engine stands by")
        return f"would not be taken over by itself: {why}" if why else ""

    async def _claim_first(self) -> None:
        """A tape that nobody has written yet: whoever is told to, is the first."""
        context, copy = self._of, self._live()
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
        if holder != self._of.host:
            self._silence.heard(self._of.now())

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
            why=why or self._back or self._unmanned,
            back=bool(self._back),
        )

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

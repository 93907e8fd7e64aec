"""What a sender does with a stream that went back behind what was acknowledged: sends again, or stops and says why.

It sends again by itself if all of this holds; else a person looks, and says `tapewire replica renew`:

    it ran through: it was sending before, in this very process
    what the stream holds is on its tape, and nobody else went on from there
    another replica of the tape answers, and none knows that the tape was taken over meanwhile
"""

from __future__ import annotations

import asyncio

from services.replica import roll_call
from services.replica.context import BACK_FOR_S, RETRY_S, Context
from services.replica.stream import Stored
from tapewire.errors import TransportError
from tapewire.replication.known import Known, later
from tapewire.replication.part import Part
from tapewire.replication.sender import Stop
from tapewire.tape import TapeFrames

ROLL_FOR_S = 10.0
"""So long another replica may take to connect again, behind which its answer is not waited for any more."""
CLAIMED_WITHIN_S = 5.0


class Doubt:
    """Of one sender. `settle` is called with each look at the stream until it says what is to be done."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._since: float | None = None

    def none(self) -> None:
        """The stream is what it was."""
        self._since = None

    async def settle(
        self, why: str, last: Stored | None, *, agrees: bool, frames: TapeFrames, through: bool
    ) -> Stop | bool:
        """True: it may be gone on with as it is; False: look again; or why not. Raises TransportError."""
        context, known = self._of, self._of.known
        assert known is not None
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        if now - self._since < BACK_FOR_S:
            context.say("waiting", why=f"the stream {context.stream.name} went back: {why}; looked at again")
            await asyncio.sleep(RETRY_S)
            return False
        if last is None:
            return Stop(deleted(context))
        part = last.part
        ours = part.holder == context.host
        if frames.fence or (ours and not agrees) or (not ours and part.epoch > known.epoch):
            return True  # it is judged as any: taken over, other bytes, or this tape lost its end
        if not agrees or (not ours and part.epoch == known.epoch):
            return Stop(_two_histories(context, why, part))
        if not through:
            return Stop(_unproven(context, why, "this replica was started since, and has not seen what happened"))
        said = await roll_call.answers(context)
        if against := later(known, context.host, said):
            return Stop(_unproven(context, why, against))
        if not said:
            reason = "no other replica of the tape answers, which could say that nobody took it over"
            if now - self._since > ROLL_FOR_S:
                return Stop(_unproven(context, why, reason))
            context.say("waiting", why=f"the stream {context.stream.name} went back: {why}; {reason}")
            return False
        context.log.warning(
            "sending_again",
            tape=context.name,
            why=f"the stream went back: {why}",
            from_position=part.end,
            asked=sorted(answer.host for answer in said),
        )
        if not ours:
            await self.claim(last, frames, known)
            return False
        return True

    async def claim(self, last: Stored, frames: TapeFrames, known: Known | None) -> None:
        """Says in the stream again who holds the tape, from where it ends now. Raises TransportError: refused."""
        context, part = self._of, last.part
        claim = Part(
            kind="claim",
            mark=part.mark,
            holder=context.host,
            epoch=max(known.epoch if known else 0, frames.epoch, part.epoch),
            position=part.end,
            end=part.end,
            last=_record_before(frames, part.end),
            durability=frames.durability,
        )
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def answered(sequence: int | None, why: str) -> None:
            if not told.done():
                told.set_result(why if sequence is None else "")

        context.stream.publish(claim, b"", last.sequence, answered)
        try:
            refused = await asyncio.wait_for(told, CLAIMED_WITHIN_S)
        except TimeoutError:
            refused = f"no answer within {CLAIMED_WITHIN_S:g} s"
        if refused:
            raise TransportError(f"{context.stream.name}: the claim was not stored: {refused}")
        info = await context.stream.info()
        context.stored(info.created if info else "", last.sequence + 1, claim, b"")
        await context.keep_known()
        context.log.warning("claimed_again", tape=context.name, epoch=claim.epoch, position=claim.position)


def _record_before(frames: TapeFrames, position: int) -> int:
    """The number of the last record before a position of the tape."""
    marks = frames.positions
    frames.seek(position)
    size = 1
    while (found := frames.read(size, (marks.durable, marks.durable_seq))) is not None:
        if found.first_seq:
            return found.first_seq - 1
    return marks.durable_seq


def deleted(context: Context) -> str:
    return (
        f"the stream {context.stream.name} was deleted behind our back: what it held is on this tape, but whether "
        "another host took the tape meanwhile cannot be told. If none did, "
        f"`tapewire replica renew {context.name} --yes` begins a new one"
    )


def _unproven(context: Context, why: str, reason: str) -> str:
    return (
        f"the stream {context.stream.name} went back: {why}. It was put back to an older state; that no other host "
        f"took the tape over since is not proven: {reason}. Nothing is sent, and no answer leaves. Look at "
        "`tapewire replica status` on every host that has this tape. If none took it over: "
        f"`tapewire replica renew {context.name} --yes` here, then start the replica: it sends again what is missing. "
        "If one did: do that there, and here name the tape in replica.mirror"
    )


def _two_histories(context: Context, why: str, part: Part) -> str:
    return (
        f"the stream {context.stream.name} went back: {why}; and {part.holder} went on from there in epoch "
        f"{part.epoch}. From position {part.end} on, at the latest, there are two histories; nothing is sent. Compare "
        f"both with `tapewire tape tail {context.name}`. Where the right one is: delete the stream, `tapewire replica "
        f"renew {context.name} --yes`, start the replica. On the other host stop the engine, move the tape's folder "
        "aside, and name the tape in replica.mirror"
    )

"""Risk or the matcher where it is a service of its own, as the engine's thread sees it: asks that are always answered.

    ask ──▶ answered ─────────────────────────────────────────────▶ back to the core
        ──▶ nothing within answer_within: the same ask again, a few times; then whoever else is there
        ──▶ elsewhere: brought to the state, a piece at a time; the same ask again
        ──▶ the bus is away, or nobody is there: waits, says so once, tries again

An ask waits for ever, and the commands behind it in their rings: nothing is refused because a service is away. Only a
stop ends the waiting. Instances know each other not: the engine picks one and names it in each ask, the others are
silent; when it no longer answers, another is brought to the state and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol

from tapewire import messages as m
from tapewire.errors import TransportError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader

REPEATS: Final = 3  # of an ask, before another instance is looked for
RETRY_S: Final = 0.05  # between two looks for an instance; doubled up to RETRY_MOST_S
RETRY_MOST_S: Final = 1.0
MOST_TOLD: Final = 8  # reasons of one absence
PART_BYTES: Final = 128 << 10
FETCHED: Final = 4096  # records read of the tape at once
HISTOGRAMS: Final = ("answer",)
COUNTERS: Final = ("asks", "timeouts", "brought", "away", "waiting")
HEAD: Final = len(bytes(m.CoreAnswered()))
ASK_HEAD: Final = len(bytes(m.AskCore()))
_OUTCOME: Final = m.CoreAnswered.outcome.at
_TOTAL: Final = m.CoreAnswered.total.at
_INSTANCE: Final = m.AskCore.instance.at
_DONE: Final = int(m.AnswerOutcome.done).to_bytes(2, "little")
_SECTIONS: Final = {"risk": 2, "matcher": 3}  # of a state, behind definitions and sequencer
_NEXT_ORDER_ID: Final = 24  # where the sequencer's section has it


class Line(Protocol):
    """A way to one service."""

    def ask(self, ask: bytes, seconds: float, fits: Callable[[bytes], bool]) -> bytes | None:
        """The first answer that fits; None: none came in time. Raises TransportError: the way is not open."""

    def tend(self) -> None:
        """To be called now and then by whoever waits for nothing."""


class State(Protocol):
    """Of the engine, what a service is brought to its state with."""

    tape_path: object
    epoch: int

    def asked_to_stop(self) -> bool: ...
    def base(self) -> Snapshot: ...
    def recent(self, behind: int, up_to: int) -> bytes: ...


class Asked:
    """One of the two services. `ask` is called by the engine's thread alone."""

    def __init__(
        self,
        name: Literal["risk", "matcher"],
        line: Line,
        *,
        version: str,
        answer_within: float,
        log: Logger,
        page: StatsPage,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`version`: of ours; a service of another one derives perhaps other events, and is not asked.
        `answer_within`: seconds. `page`: with HISTOGRAMS and COUNTERS. `pause`: waits between two tries."""
        self.name, self._page, self._took = name, page, page.histogram("answer")
        self.failure: BaseException | None = None
        """What ended the engine's asking, if it is no stop."""
        self.waiting: Callable[[], object] = lambda: None
        """Called before every try: waiting is no standing still."""
        self._line, self._version, self._within, self._log = line, version[:15], answer_within, log
        self._instance = 0
        self._said, self._pause = "", pause
        self._told: set[str] = set()
        self._state: State | None = None

    def begin(self, state: State) -> None:
        """From now on the engine asks, whose this is."""
        self._state = state

    @property
    def away(self) -> str:
        """Why there is no answer just now; empty: there is."""
        return self._said

    def tend(self) -> None:
        """Keeps the way open while nothing is asked."""
        self._line.tend()

    def ask(self, ask: bytes) -> bytes | None:
        """The whole answer. None: the engine is being stopped."""
        assert self._state is not None
        self._page.add("asks")
        began, wait = time.monotonic_ns(), RETRY_S
        while True:
            try:
                if (answer := self._try(ask)) is not None:
                    if self._said:
                        self._log.info("service answers", service=self.name, instance=f"{self._instance:x}")
                        self._said = ""
                        self._told.clear()
                        self._page.set("waiting", 0)
                    self._took.record(time.monotonic_ns() - began)
                    return answer
            except TransportError as error:
                self._lose(str(error))
            if self._state.asked_to_stop():
                return None
            self._pause(wait)
            wait = min(wait * 2, RETRY_MOST_S)

    def _try(self, ask: bytes) -> bytes | None:
        for _ in range(1 + REPEATS):
            self.waiting()
            if not self._instance and not self._find():
                return None
            named = ask[:_INSTANCE] + self._instance.to_bytes(8, "little") + ask[_INSTANCE + 8 :]
            answer = self._line.ask(named, self._within, _any)
            if answer is None:
                self._page.add("timeouts")
                if self._stopping():
                    break
                continue
            if answer[_OUTCOME : _OUTCOME + 2] == _DONE:
                return self._whole(answer, named)
            head = m.CoreAnswered.decode(answer[:HEAD])
            if head.outcome is not m.AnswerOutcome.elsewhere:
                self._lose(_why(head, self._version))
                return None
            if not self._bring(m.AskCore.decode(ask[:ASK_HEAD])):
                return None
        self._lose(f"no answer within {self._within:g} s, asked {1 + REPEATS} times")
        return None

    def _stopping(self) -> bool:
        return self._state is not None and self._state.asked_to_stop()

    def _whole(self, answer: bytes, named: bytes) -> bytes | None:
        """The answer with all that belongs to it. None: it did not come."""
        total = int.from_bytes(answer[_TOTAL : _TOTAL + 8], "little")
        if len(answer) - HEAD == total:
            return answer
        parts, got = [answer], len(answer) - HEAD
        asked = m.AskCore.decode(named[:ASK_HEAD])
        while got < total:
            rest = self._step(asked.replace(kind=m.AskKind.rest, offset=got))
            if rest is None or len(rest) <= HEAD:
                return None
            parts.append(rest[HEAD:])
            got += len(rest) - HEAD
        return b"".join(parts)

    def _find(self) -> bool:
        """Picks an instance of our version: the first to answer."""
        assert self._state is not None
        others: list[str] = []

        def fits(answer: bytes) -> bool:
            head = m.CoreAnswered.decode(answer[:HEAD])
            if head.outcome is m.AnswerOutcome.done and head.version == self._version:
                return True
            others.append(_why(head, self._version))
            return False

        hello = bytes(m.AskCore(kind=m.AskKind.hello, epoch=self._state.epoch))
        answer = self._line.ask(hello, self._within, fits)
        if answer is None:
            self._lose(others[0] if others else "nobody is there")
            return False
        self._instance = m.CoreAnswered.decode(answer[:HEAD]).instance
        return True

    def _bring(self, ask: m.AskCore) -> bool:
        """Brings the instance where `ask` is to be asked: the last whole state, then the records behind it."""
        assert self._state is not None
        base = self._state.base()
        section, next_order_id = section_of(base.state, _SECTIONS[self.name])
        head = ask.replace(
            instance=self._instance,
            seq=base.seq,
            number=ask.number - 1,
            next_order_id=next_order_id,
            total=len(section),
        )
        for at in range(0, len(section), PART_BYTES):
            step = head.replace(kind=m.AskKind.state, offset=at)
            if not self._taken(self._step(step, section[at : at + PART_BYTES])):
                return False
        stands = base.seq
        head = head.replace(kind=m.AskKind.records)
        for last, records in self._behind(base.seq, ask.seq):
            if not self._taken(self._step(head.replace(seq=stands), records)):
                return False
            stands = last
        if stands != ask.seq:
            raise TransportError(f"records {stands + 1} to {ask.seq} are neither on the tape nor in the engine's batch")
        if not self._taken(self._step(head.replace(seq=stands, final=True))):
            return False
        self._page.add("brought")
        self._log.info(
            "service brought to the state",
            service=self.name,
            seq=stands,
            state=base.seq,
            instance=f"{self._instance:x}",
        )
        return True

    def _step(self, ask: m.AskCore, follows: bytes = b"") -> bytes | None:
        answer = self._line.ask(bytes(ask) + follows, self._within, _any)
        if answer is None:
            self._page.add("timeouts")
            self._lose(f"no answer within {self._within:g} s while it was brought to the state")
        return answer

    def _taken(self, answer: bytes | None) -> bool:
        if answer is None:
            return False
        head = m.CoreAnswered.decode(answer[:HEAD])
        if head.outcome is not m.AnswerOutcome.done:
            self._lose(_why(head, self._version))
        return head.outcome is m.AnswerOutcome.done

    def _behind(self, behind: int, up_to: int) -> Iterator[tuple[int, bytes]]:
        """The records behind one and up to another, in pieces with their last seq: the tape's, then the batch's."""
        assert self._state is not None
        with TapeReader(str(self._state.tape_path), from_seq=None, limit="written") as reader:
            written = min(reader.positions.written_seq, up_to)
            if behind < written:
                reader.seek_seq(behind + 1)
            while behind < written and (batch := reader.poll(min(FETCHED, written - behind))):
                for piece in _pieces(batch):
                    behind += len(piece)
                    yield behind, b"".join(piece)
        recent = self._state.recent(behind, up_to)
        for piece in _pieces(_split(recent)):
            behind += len(piece)
            yield behind, b"".join(piece)

    def _lose(self, why: str) -> None:
        """Says what is the matter, each reason once until there is an answer again."""
        self._page.add("away")
        self._page.set("waiting", 1)
        self._instance = 0
        if why not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(why)
            self._log.error("service away", service=self.name, reason=why, commands="stay in their rings")
        self._said = why


def _any(answer: bytes) -> bool:
    return True


def _why(head: m.CoreAnswered, version: str) -> str:
    if head.version != version:
        return f"it is version {head.version!r}, the engine {version!r}: both must be of one version"
    if head.outcome is m.AnswerOutcome.superseded:
        return f"another engine asks it, of epoch {head.epoch}: this one's tape has been taken over"
    if head.outcome is m.AnswerOutcome.differs:
        return f"record {head.seq} gives something else there than the tape has: it runs other rules"
    return f"it answers {head.outcome.name}"


def section_of(state: bytes, number: int) -> tuple[bytes, int]:
    """A section of a state (core.hpp), and the first order id that is free."""
    at, sections = 8, []
    while at < len(state):
        length = int.from_bytes(state[at : at + 8], "little")
        sections.append((at + 8, at + 8 + length))
        at += 8 + length
    begins = sections[1][0] + _NEXT_ORDER_ID
    return state[slice(*sections[number])], int.from_bytes(state[begins : begins + 8], "little")


def _split(records: bytes) -> list[bytes]:
    """Flat messages that lie one behind another."""
    found, at = [], 0
    while at < len(records):
        end = at + 8 + 8 * int.from_bytes(records[at + 4 : at + 8], "little")
        found.append(records[at:end])
        at = end
    return found


def _pieces(records: list[bytes]) -> Iterator[list[bytes]]:
    """Runs of them that are at most PART_BYTES long."""
    piece: list[bytes] = []
    size = 0
    for record in records:
        if piece and size + len(record) > PART_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(record)
        size += len(record)
    if piece:
        yield piece

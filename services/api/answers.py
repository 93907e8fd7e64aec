"""What became of commands: matched to their requests by ts_event, folded from the orders tape, remembered by ClOrdID.

    NewOrder (ts_event) ── its request ── OrderAccepted, OrderExecuted … (cause) ── next command: that was all of it

The same fold runs at a start over what an earlier process left, and then live.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tapewire import messages as m

_HEAD: Final = struct.Struct("<QQqqqQHHI")
_HEAD_AT: Final = 16
REFUSALS: Final = frozenset({m.MessageType.order_rejected, m.MessageType.cancel_rejected, m.MessageType.input_refused})
MAX_SESSION: Final = 0xFFFF
Command = m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel
OperatorCommand = m.AccountLimits | m.KillSwitch | m.SetInstrumentStatus
Terms = tuple[int, ...]
Name = tuple[int, int, str]
"""Number of the key, account, ClOrdID."""


class Answer(NamedTuple):
    """What a request became."""

    status: int
    """HTTP: 201 done, 422 refused, 202 not answered in time."""
    received: int
    """Seq of its ApiReceived."""
    seq: int = 0
    """The record of the orders tape that decided it; 0: not yet."""
    ts: int = 0
    order_id: int = 0
    cancelled: int = 0
    """Orders cancelled, by a command that can cancel many."""
    reason: m.RejectReason = m.RejectReason.unspecified
    value: int = 0
    limit: int = 0
    event: bytes = b""
    """That record, flat; empty of an answer that was remembered."""
    repeated: bool = False
    """It is what an earlier request of the same ClOrdID became."""
    flat_ns: int = 0
    """From its last byte until the answer was released."""


class Made:
    """One command that a request became."""

    __slots__ = ("answer", "kind", "order_id", "seq", "terms")

    def __init__(self, kind: int, terms: Terms) -> None:
        self.kind, self.terms = kind, terms
        self.seq = self.order_id = 0
        """Where it stands on the orders tape; 0: not yet."""
        self.answer: Answer | None = None

    def remember(self, answer: Answer) -> None:
        """What it became, without the event."""
        self.answer = answer._replace(event=b"")

    def kept(self) -> list[Any]:
        """For `restored`: what the orders tape says of it."""
        head, said = [self.kind, self.terms, self.seq, self.order_id], self.answer
        if said is None:
            return [*head, None]
        numbers = [said.status, said.seq, said.ts, said.order_id, said.cancelled]
        return [*head, [*numbers, int(said.reason), said.value, said.limit]]

    @classmethod
    def restored(cls, kept: list[Any]) -> Made:
        kind, terms, made_seq, made_id, said = kept
        made = cls(kind, tuple(terms))
        made.seq, made.order_id = made_seq, made_id
        if said is not None:
            status, seq, ts, order_id, cancelled, reason, value, limit = said
            made.answer = Answer(status, 0, seq, ts, order_id, cancelled, m.RejectReason(reason), value, limit)
        return made


def terms_of(command: m.Message) -> Terms:
    """What makes a command the same as another one of its ClOrdID. The engine writes a price into market and stop
    orders, and the account's choice into self_trade: these do not count."""
    if isinstance(command, m.NewOrder):
        priced = command.ord_type in (m.OrdType.limit, m.OrdType.stop_limit)
        return (
            *(command.instrument, command.side, command.ord_type, command.time_in_force, command.qty),
            *(command.price if priced else 0, command.stop_px, command.display_qty, command.min_qty),
            *(command.expire_time, command.post_only, command.hidden, command.slide),
        )
    if isinstance(command, m.CancelOrder):
        return (command.order_id,)
    if isinstance(command, m.ReplaceOrder):
        return (command.order_id, command.price, command.qty, command.stop_px)
    if isinstance(command, m.MassCancel):
        return (command.instrument, command.side)
    return ()


class Remembered:
    """Commands by key, account and ClOrdID: the last so many, of which each key and account has a share.

    Whoever sends much makes its own names forgotten and nobody else's. What is not answered yet is not forgotten: it
    may still lie in the ring, and its repetition would be sent beside it.
    """

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._groups: dict[tuple[int, int], OrderedDict[str, Made]] = {}

    def __len__(self) -> int:
        return self._count

    def get(self, name: Name) -> Made | None:
        group = self._groups.get(name[:2])
        return None if group is None else group.get(name[2])

    def add(self, name: Name, made: Made) -> None:
        group = self._groups.setdefault(name[:2], OrderedDict())
        self._count += name[2] not in group
        group[name[2]] = made
        for _ in range(2):  # the second makes up for one that was spared before
            if self._count > self._most:
                self._forget_one(group)

    def kept(self) -> list[Any]:
        """For `restore`: by group, in the order they came."""
        return [[*who, [[text, *one.kept()] for text, one in own.items()]] for who, own in self._groups.items()]

    def restore(self, kept: list[Any]) -> None:
        """Takes back what `kept` gave. Raises TypeError, ValueError for anything else."""
        self._groups, self._count = {}, 0
        for key, account, own in kept:
            group = self._groups[key, account] = OrderedDict[str, Made]()
            for text, *made in own:
                group[text] = Made.restored(made)
            self._count += len(group)

    def _forget_one(self, adding: OrderedDict[str, Made]) -> None:
        """The oldest of whoever adds, or, if it has less than its share, of whoever has most."""
        group = adding
        if len(adding) * len(self._groups) <= self._most:
            group = max(self._groups.values(), key=len)
        text, made = group.popitem(last=False)
        if made.answer is None:
            group[text] = made
        else:
            self._count -= 1


class Answers:
    """Takes the records of the orders tape."""

    def __init__(
        self,
        sources: Sequence[int],
        decided: Callable[[Made, Answer], None],
        found: Callable[[bytes, int], Made | None],
    ) -> None:
        """`sources`: the numbers of our rings. `decided` is called once for each of our commands, when all its events
        were folded, and lets its Made remember the answer. `found`: what to make of a command that nobody here expects
        (its bytes and ts_event)."""
        self._sources = frozenset(sources)
        self._decided, self._found = decided, found
        self.expected: dict[int, Made] = {}
        """Commands that were sent, by ts_event."""
        self._current: Made | None = None
        self._events: list[bytes] = []

    def fold(self, raws: Sequence[bytes], at_end: bool) -> None:
        """Takes the next records. `at_end`: the last one's command has no more events."""
        unpack, sources = _HEAD.unpack_from, self._sources
        for raw in raws:
            seq, cause, _, ts_event, _, _, _, source, _ = unpack(raw, _HEAD_AT)
            made = self._current
            if made is not None:
                if cause == made.seq:
                    self._events.append(raw)
                    continue
                self._finish(made)
            if cause == 0 and source in sources:
                self._begin(raw, seq, ts_event)
        if at_end and self._current is not None and self._events:
            self._finish(self._current)

    def _begin(self, raw: bytes, seq: int, ts_event: int) -> None:
        made = self.expected.pop(ts_event, None)
        if made is None and (made := self._found(raw, ts_event)) is None:
            return
        made.seq = seq
        self._current = made

    def _finish(self, made: Made) -> None:
        events, self._events, self._current = self._events, [], None
        if events:
            self._decided(made, answer_of(made, events))


def answer_of(made: Made, events: Sequence[bytes]) -> Answer:
    """What the events of a command say. An order is answered by its first one, anything else by its last."""
    first = m.decode(events[0])
    if type(first) in (m.OrderRejected, m.CancelRejected):
        made.order_id = int(first.order_id)  # type: ignore[attr-defined]
        return _refused(first)  # type: ignore[arg-type]
    if isinstance(first, m.OrderAccepted):
        made.order_id = first.order_id
        return Answer(201, 0, first.seq, first.ts, first.order_id, event=events[0])
    last = first if len(events) == 1 else m.decode(events[-1])
    if type(last) in (m.OrderRejected, m.CancelRejected):
        return _refused(last)  # type: ignore[arg-type]
    if isinstance(last, m.CommandCompleted):
        return Answer(201, 0, last.seq, last.ts, cancelled=last.count, event=bytes(last))
    # Of a cancel or a replace: what happened to its order; trades of the replaced one follow.
    order_id = int(getattr(first, "order_id", 0))
    return Answer(201, 0, first.seq, first.ts, order_id, event=events[0])


def _refused(event: m.OrderRejected | m.CancelRejected) -> Answer:
    return Answer(
        *(422, 0, event.seq, event.ts, event.order_id),
        reason=event.reason,
        value=event.value,
        limit=event.limit,
        event=bytes(event),
    )

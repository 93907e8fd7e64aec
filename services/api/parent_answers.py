"""What became of the commands about parents: a fold of the router's tape; ClOrdIDs that came again.

    NewParent (cl_ord_id) ── its request ── ParentChanged or ParentRefused (cl_ord_id): what it became

The same fold runs over what an earlier process of the API left there, and then live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from services.api.answers import MAX_SESSION, Answer, Made, Remembered, Terms
from tapewire import messages as m

Command = m.NewParent | m.ReplaceParent | m.CancelParent
Event = m.ParentChanged | m.ParentRefused
Name = tuple[int, int, int, str]
"""Source (the client's number at the router), number of the key, account, ClOrdID."""
Number = tuple[int, int]
"""Source, and the ClOrdID that the command carries: the time of its ApiReceived."""


class Asked(Made):
    """One command about a parent."""

    __slots__ = ("future", "received")

    def __init__(self, command: Command, received: int = 0) -> None:
        """`received`: seq of its ApiReceived; 0: of an earlier process."""
        super().__init__(int(command.TYPE), terms_of(command))
        self.received = received
        self.future: asyncio.Future[Answer] | None = None
        """Of who waits for the answer."""

    def same(self, command: Command) -> bool:
        return (self.kind, self.terms) == (int(command.TYPE), terms_of(command))


def terms_of(command: Command) -> Terms:
    """What makes a command the same as another one of its ClOrdID. The router writes a seed into a parent: it does not
    count."""
    if isinstance(command, m.NewParent):
        return (
            *(command.instrument, command.side, command.algorithm, command.time_in_force, command.qty),
            *(command.limit_price, command.start_time, command.end_time, command.participation),
            *(command.max_participation, command.display_qty, command.interval, command.randomness),
            *(command.urgency, command.venues),
        )
    if isinstance(command, m.ReplaceParent):
        return (
            *(command.parent_id, command.qty, command.limit_price, command.end_time),
            *(command.participation, command.max_participation),
        )
    return (command.parent_id,)


class ParentAnswers:
    """On the loop's thread. `fold` takes the records of the router's tape, in order."""

    def __init__(self, most: int, key_of: Callable[[int], int]) -> None:
        """`most`: ClOrdIDs that are remembered, of each source. `key_of`: which key sent the request that an earlier
        process gave this number; 0: unknown."""
        self._most, self._key_of = most, key_of
        self._by_source: dict[int, Remembered] = {}
        self._open: dict[Number, Asked] = {}

    def find(self, name: Name) -> Asked | None:
        """What was asked by this ClOrdID before."""
        remembered = self._by_source.get(name[0])
        return None if remembered is None else cast("Asked | None", remembered.get(name[1:]))

    def expect(self, number: Number, asked: Asked, name: Name | None) -> None:
        """A command that is in the ring now."""
        self._open[number] = asked
        if name is not None:
            self._by_source.setdefault(name[0], Remembered(self._most)).add(name[1:], asked)

    def fold(self, record: m.Message) -> None:
        if isinstance(record, m.NewParent | m.ReplaceParent):
            self._commanded(record)
        elif isinstance(record, Event) and record.cl_ord_id:
            asked = self._open.pop((record.source, record.cl_ord_id), None)
            if asked is not None:
                asked.answer = answer = _answer(record, asked.received)
                if asked.future is not None and not asked.future.done():
                    asked.future.set_result(answer)

    def _commanded(self, command: m.NewParent | m.ReplaceParent) -> None:
        """One that this process did not send: of an earlier one, or of another client of the router."""
        number = (command.source, command.cl_ord_id)
        if not command.client_text or number in self._open:
            return
        key = command.session & MAX_SESSION if isinstance(command, m.NewParent) else self._key_of(command.cl_ord_id)
        if key:
            self.expect(number, Asked(command), (command.source, key, command.account, command.client_text))


def _answer(event: Event, received: int) -> Answer:
    if isinstance(event, m.ParentRefused):
        return Answer(
            *(422, received, event.seq, event.ts, event.parent_id),
            reason=event.reason,
            value=event.value,
            limit=event.limit,
            event=bytes(event),
        )
    return Answer(201, received, event.seq, event.ts, event.parent_id)

"""From a request to its answer, for every door: HTTP, the stream, the bus.

    request ──▶ tape api.<n> ──▶ (one fdatasync for all that wait) ──▶ ring ──▶ engine
    answer  ◀── tape api.<n> ◀── orders tape, released and folded ◀──────────────┘

A ClOrdID that was used before is answered what became of it, and nothing is sent again. Nothing is taken in before all
that an earlier process left in the rings has been taken by the engine and folded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from services.api.answers import (
    Answer,
    Answers,
    Command,
    Made,
    OperatorCommand,
    Remembered,
    Terms,
    terms_of,
)
from services.api.authors import Author
from services.api.outgoing import Outgoing, Ring
from services.api.problems import Problem
from services.api.tape import ApiTape, Origin
from tapewire import messages as m
from tapewire.config import Api
from tapewire.errors import TapeError
from tapewire.logs import Logger

NS: Final = 10**9
TICK_S: Final = 0.01
"""Between two looks at what is due by time."""
LOOK_S: Final = 0.001
"""From a command to a look at the tape where many wait: the engine has mostly answered by then."""
FEW: Final = 4
"""Requests under way up to which each is worth being woken for: with more, one look answers many, and costs less."""
TRIES: Final = 4
"""Times to be woken by what others did, for one command."""
LOOK_EVERY: Final = 10
"""Ticks between two looks at whether an engine listens."""
MAX_TEXT: Final = 39
"""Bytes of a ClOrdID."""


class _Pending:
    """A request whose answer is waited for."""

    __slots__ = ("deadline", "future", "made", "origin", "received")

    def __init__(
        self, made: Made, origin: Origin, received: int, deadline: int, future: asyncio.Future[Answer]
    ) -> None:
        self.made, self.origin, self.received = made, origin, received
        self.deadline, self.future = deadline, future


class Entry:
    """All on the loop's thread."""

    def __init__(
        self,
        settings: Api,
        tape: ApiTape,
        trader: Ring,
        operator: Ring | None,
        remembered: Remembered,
        found: Callable[[bytes, int], Made | None],
        clock: Callable[[], int],
        log: Logger,
    ) -> None:
        """`operator`: None if the engine knows no such producer; limits, kills and statuses are then refused. `found`:
        what to make of a command in our rings that an earlier process left there. `clock`: UTC ns."""
        self._settings, self._tape, self.clock, self._log = settings, tape, clock, log
        self._trader, self._operator = trader, operator
        self._remembered = remembered
        sources = [trader.source] if operator is None else [trader.source, operator.source]
        self._answers = Answers(sources, self._decided, found)
        self._pending: dict[int, _Pending] = {}  # by ts_event
        self._by_made: dict[int, _Pending] = {}  # by id of its Made
        self._outgoing = Outgoing(tape, self._look_soon)
        self._engine_listens = trader.producer.consumer_alive
        self.ready = False
        """Set by `open`."""
        self.hurry: Callable[[], object] = lambda: None
        """Takes in what is on the orders tape: called soon after a command went into the ring."""
        self.await_tape: Callable[[], object] = lambda: None
        """Asks for a call of `look` as soon as there is more on the orders tape than was taken in."""
        self._looks, self._tries = False, 0
        self.took: Callable[[int], object] = lambda _: None
        """Called with the time that each answer took, ns."""
        self.received = self.answered = self.late = self.repeated = 0
        """Counters: requests on the tape, answers on it, requests told 202, ClOrdIDs that came again."""

    def open(self) -> None:
        """The orders tape is folded behind all that was in the rings: from now on requests are taken."""
        self.ready = True

    def close(self) -> None:
        """No more requests; those under way may still be answered."""
        self.ready = False

    @property
    def waiting(self) -> int:
        """Requests under way."""
        return len(self._pending)

    @property
    def engine_listens(self) -> bool:
        return self._engine_listens

    # Requests

    async def submit(self, author: Author, command: Command, origin: Origin) -> Answer:
        """Sends a trading command for `author`. Raises Problem where nothing was sent: 403, 409, 422, 429, 503."""
        author.need_account(command.account)
        cl_ord_id = command.client_text
        name = (author.number, command.account, cl_ord_id)
        terms = terms_of(command)
        if cl_ord_id:
            check_text(cl_ord_id)
            made = self._remembered.get(name)
            if made is not None:
                return await self._repeat(made, command, terms, cl_ord_id)
        self._check_open()
        made = Made(command.TYPE, terms)
        future = self._send(author, command, made, command.account, origin, self._trader)
        if cl_ord_id:
            self._remembered.add(name, made)
        return await future

    async def operate(self, author: Author, command: OperatorCommand, account: int, origin: Origin) -> Answer:
        """Sends a command of the operator. Raises Problem."""
        if self._operator is None:
            raise Problem(
                503,
                f"the engine has no producer {self._settings.operator!r}; name it in [engine] producers with the role "
                f"operator",
                reason="no_operator",
            )
        self._check_open()
        made = Made(command.TYPE, ())
        return await self._send(author, command, made, account, origin, self._operator)

    def order_id(self, author: Author, account: int, cl_ord_id: str) -> int:
        """The order that a request of this ClOrdID became; 0: there was none, or it is not answered yet."""
        made = self.made(author, account, cl_ord_id)
        return made.order_id if made is not None and made.kind == m.NewOrder.TYPE else 0

    def made(self, author: Author, account: int, cl_ord_id: str) -> Made | None:
        """What a request of this ClOrdID became, or is about to; None: there was none, or it was forgotten."""
        return self._remembered.get((author.number, account, cl_ord_id))

    def note(self, author: Author, account: int, origin: Origin) -> int:
        """Puts a request on the tape that becomes no command of the engine; returns the seq of its ApiReceived, to be
        answered by `noted`. Raises Problem (503)."""
        if not self.ready:
            raise _unavailable("the API is starting or ending", "not_ready")
        received, _ = self._tape.received(author.number, author.name, account, True, origin)
        self._tape.commit()
        self.received += 1
        return received

    def noted(self, received: int, status: int) -> None:
        """How that was answered."""
        self._tape.answered(received, 0, status)
        self._tape.commit()
        self.answered += 1

    async def secured(self) -> None:
        """Returns once what is on the tape is as durable as it is to be."""
        if self._tape.durable:
            await asyncio.get_running_loop().run_in_executor(None, self._tape.secure)

    async def _repeat(self, made: Made, command: Command, terms: Terms, cl_ord_id: str) -> Answer:
        """What the first request of this ClOrdID became."""
        if (made.kind, made.terms) != (command.TYPE, terms):
            raise Problem(
                409,
                f"ClOrdID {cl_ord_id!r} was used for another request of this account",
                field="cl_ord_id",
                reason="cl_ord_id_used",
            )
        self.repeated += 1
        if made.answer is not None:
            return made.answer._replace(repeated=True)
        pending = self._by_made.get(id(made))
        if pending is None:
            return Answer(202, 0, repeated=True)
        return (await asyncio.shield(pending.future))._replace(repeated=True)

    def _check_open(self) -> None:
        if not self.ready:
            raise _unavailable("the API is starting or ending", "not_ready")
        if not self._engine_listens:
            raise _unavailable("no engine takes commands", "no_engine")
        if self._outgoing.waiting >= self._settings.max_waiting:
            raise _unavailable("the engine is behind with taking commands", "behind")

    def _send(
        self, author: Author, command: Command | OperatorCommand, made: Made, account: int, origin: Origin, ring: Ring
    ) -> asyncio.Future[Answer]:
        """Nothing here waits: records and commands have the same order."""
        trading = ring is self._trader
        received, number = self._tape.received(author.number, author.name, account, trading, origin)
        self.received += 1
        stamps = {"ts_event": number, "ts_recv": origin.ts_recv}
        if trading:
            assert origin.trace is not None, "the tape began one"
            stamps |= {"cl_ord_id": number, **origin.trace.numbers()._asdict(), "span_is_ts_event": True}
        if isinstance(command, m.NewOrder):
            stamps["session"] = author.number
        raw = bytes(command.replace(**stamps))  # the record comes first: its number stands in the command
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        deadline = origin.ts_recv + int(self._settings.answer_timeout * NS)
        pending = _Pending(made, origin, received, deadline, future)
        self._pending[number] = self._by_made[id(made)] = pending
        self._answers.expected[number] = made
        self._outgoing.add(ring, raw)
        return future

    # What the tape says

    def fold(self, raws: Sequence[bytes], at_end: bool) -> None:
        """Takes the next records of the orders tape, after the hub has."""
        self._answers.fold(raws, at_end)
        self._tape.commit()

    def lost(self) -> NoReturn:
        """The orders tape has lost its tail. Raises TapeError: what was answered of it is void, OrderIDs of it are
        given to others, and only a start reads off the tapes what became of which request."""
        self.close()
        raise TapeError(
            "the orders tape lost its tail: answers given of it are void; a new start reads what still holds"
        )

    def _decided(self, made: Made, answer: Answer) -> None:
        pending = self._by_made.pop(id(made), None)
        if pending is None:  # of an earlier process, or told 202 before
            made.remember(answer)
            return
        answer = answer._replace(received=pending.received, flat_ns=self.clock() - pending.origin.ts_recv)
        made.remember(answer)
        self.took(answer.flat_ns)
        self._resolve(pending, answer)

    def _resolve(self, pending: _Pending, answer: Answer) -> None:
        if pending.future.done():
            return
        self._tape.answered(pending.received, answer.seq, answer.status)
        self.answered += 1
        pending.future.set_result(answer)

    # Work

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: makes records durable, fills the ring, tells requests that took too long."""
        secured = asyncio.create_task(self._outgoing.run())
        ticks = 0
        try:
            while not stop.is_set():
                if secured.done():
                    secured.result()
                self.tick()
                ticks += 1
                if ticks % LOOK_EVERY == 0:
                    self._engine_listens = self._trader.producer.consumer_alive
                await asyncio.sleep(TICK_S)
        finally:
            secured.cancel()

    def tick(self) -> None:
        """What is due."""
        self._outgoing.tick()
        now = self.clock()
        for number in [number for number, one in self._pending.items() if one.future.done() or one.deadline <= now]:
            pending = self._pending.pop(number)
            if not pending.future.done():
                self.late += 1
                self._resolve(pending, Answer(202, pending.received))
        self._tape.commit()

    def look(self) -> None:
        """Takes in what is on the orders tape, and waits on if that was not the answer."""
        self.hurry()
        self._tries -= 1
        if self._by_made and self._tries > 0:
            self._await_answers()

    def _look_soon(self) -> None:
        """The answer need not wait until somebody looks by himself."""
        self._tries = TRIES
        self._await_answers()

    def _await_answers(self) -> None:
        if len(self._by_made) <= FEW:
            self.await_tape()
        elif not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look_at_many)

    def _look_at_many(self) -> None:
        self._looks = False
        self.hurry()


def check_text(cl_ord_id: str) -> None:
    """Raises Problem (422) for what cannot be a ClOrdID."""
    if not 0 < len(cl_ord_id) <= MAX_TEXT or not cl_ord_id.isascii() or not cl_ord_id.isprintable():
        raise Problem(
            422,
            f"expected 1 to {MAX_TEXT} printable ASCII characters",
            field="cl_ord_id",
            reason="invalid_field",
        )


def _unavailable(detail: str, reason: str) -> Problem:
    return Problem(503, detail, reason=reason, headers={"Retry-After": "1"})

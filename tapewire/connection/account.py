"""The reports of one account: from the bus, and where the bus may have lost some, from the tape by the door.

    exec.<account> ──▶ behind the cursor? drop ──▶ orders, subscribers
    reconnected, dropped, or an answer whose report does not come ──▶ history behind the cursor, then what came since

The cursor is the last record taken, so nothing is lost, and nothing is told twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from tapewire import house, subjects
from tapewire import messages as m
from tapewire.connection.account_orders import AccountOrders
from tapewire.connection.door import ASK_AGAIN_S, Decided, Door
from tapewire.connection.handle import Order
from tapewire.connection.instrument import Instrument
from tapewire.connection.order import KINDS, Event, Report
from tapewire.connection.values import Gap
from tapewire.errors import OrderRefused, TransportError
from tapewire.interfaces import Received, Subscription, Transport
from tapewire.logs import Logger

REPORT_WAIT_S: Final = 0.5
"""How long the bus may take to bring what an answer has already told of; then the tape is read."""
MAX_HELD: Final = 100_000
"""Reports that wait while the tape is read; more of them are read from the tape, too."""
MAX_DONE: Final = 100_000
"""Orders kept after they are done, for trades that are busted later."""


class AccountStream:
    """Everything that is told of one account, once, in the order of the tape."""

    def __init__(
        self,
        transport: Transport,
        door: Door,
        env: str,
        account: int,
        instrument_of: Callable[[int], Instrument | None],
        log: Logger,
    ) -> None:
        self.account, self.door = account, door
        self.orders: AccountOrders[Order] = AccountOrders()
        self.cursor = 0
        """The last record taken."""
        self.repeated = self.caught_up = 0
        """Reports dropped as known; times that the tape was read."""
        self.listeners: list[Callable[[Report], None]] = []
        self.gap_listeners: list[Callable[[Gap], None]] = []
        self._cursor_ts = 0
        self._transport, self._log, self._instrument_of = transport, log, instrument_of
        self.subject = subjects.subject(env, house.FEED, "exec", account)
        self._held: deque[Event] = deque()
        self._held_too_many = False
        self._subscription: Subscription | None = None
        self._catching: asyncio.Task[bool] | None = None
        self._moved = asyncio.Event()
        self._done: deque[Order] = deque()
        self._away = 0
        """How often the bus went away; 0: nothing can be missing."""
        self._tasks: set[asyncio.Task[None]] = set()

    # -- its life

    async def start(self, after: int | None = None) -> None:
        """Begins behind record `after`, or now. Raises OrderRefused if the tape no longer has that, TransportError or
        TimeoutError if the door does not answer."""
        self._catching = asyncio.get_running_loop().create_future()  # type: ignore[assignment]  # holds what comes
        self._subscription = await self._transport.subscribe(self.subject, self._on_exec)
        try:
            page = await self.door.history(0, 0)
        except BaseException:
            await self._subscription.unsubscribe()
            raise
        finally:
            self._catching = None
        self.cursor = page.released if after is None else after
        if after is None:
            self._release_held()
        else:
            await self.catch_up()

    async def close(self) -> None:
        for task in (*self._tasks, *([self._catching] if self._catching is not None else [])):
            task.cancel()
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        for order in self.orders.live:
            order.failed(TransportError("the connection was closed before the order was answered"))

    # -- what comes in

    def _on_exec(self, received: Received) -> None:
        event = m.decode(bytes(received.data))
        if type(event) not in KINDS:
            return  # A later version may tell of more.
        if self._catching is not None or self._away:
            self._held.append(cast("Event", event))
            if len(self._held) > MAX_HELD:
                self._held.clear()
                self._held_too_many = True
            return
        self._take(cast("Event", event))

    def _take(self, event: Event) -> None:
        if event.seq <= self.cursor:
            if event.ts <= self._cursor_ts or not self._cursor_ts:
                self.repeated += 1
                return
            # A tape that lost its tail gives the same numbers again, at later times.
            self._gap(Gap(self.subject, "tape_cut", self.cursor, event.seq))
        self.cursor, self._cursor_ts = event.seq, event.ts
        self._tell(self.orders.fold(event))
        if self.listeners:
            report = Report(event, self._instrument_of(event.instrument))
            for listener in tuple(self.listeners):
                listener(report)
        self._moved.set()

    def _tell(self, told: list[tuple[Order, Report]]) -> None:
        for order, report in told:
            order.tell(report)
            if order.is_done and report.kind not in ("busted", "corrected"):
                self._done.append(order)
                if len(self._done) > MAX_DONE:
                    self.orders.forget(self._done.popleft())

    def _gap(self, gap: Gap) -> None:
        self._log.warning("gap", subject=gap.subject, reason=gap.reason, after=gap.after, before=gap.before)
        for listener in tuple(self.gap_listeners):
            listener(gap)

    # -- what was lost

    def disconnected(self) -> None:
        """The bus is away. What it brings once it is back lies behind what is missing, and waits."""
        self._away += 1

    def reconnected(self) -> None:
        """The bus is back."""
        task = asyncio.get_running_loop().create_task(self.catch_up())
        self._tasks.add(task)
        task.add_done_callback(self._caught)

    def _caught(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("reports_missed", subject=self.subject, after=self.cursor, error=str(error))
            self._gap(Gap(self.subject, "reconnected", self.cursor))

    async def catch_up(self, sure: bool = True) -> None:
        """Reads what the tape has behind the cursor. `sure`: something is missing, so what comes in waits until the
        door answers; else it is given up when the door does not."""
        while self._catching is not None:
            # Another reading may have begun before what we are after was on the tape.
            await asyncio.wait([self._catching])
        self._catching = task = asyncio.get_running_loop().create_task(self._read(sure))
        try:
            await task
        finally:
            self._catching = None
            self._release_held()
        self.caught_up += 1
        if self._held_too_many:
            self._held_too_many = False
            await self.catch_up()

    async def _read(self, sure: bool) -> bool:
        after, tries, away = self.cursor, 0, self._away
        while True:
            try:
                page = await self.door.history(after)
            except (TransportError, TimeoutError) as error:
                if not sure:
                    return False
                self._log.warning("cannot_ask", subject=self.door.history_subject, error=str(error) or "no answer")
                await asyncio.sleep(ASK_AGAIN_S[min(tries, len(ASK_AGAIN_S) - 1)])
                tries += 1
                continue
            self.take_history(page.records)
            after = page.seq
            if page.last:
                if away == self._away:
                    self._away = 0
                return True

    def take_history(self, records: list[m.Message]) -> None:
        """Records behind the cursor, as the tape has them."""
        for record in records:
            if isinstance(record, m.NewOrder):
                self._tell(self.orders.command(record))
            elif type(record) in KINDS:
                self._take(cast("Event", record))

    def _release_held(self) -> None:
        if self._away:
            return
        held, self._held = self._held, deque()
        for event in held:
            self._take(event)

    async def reached(self, seq: int) -> None:
        """Returns once everything up to a record was taken."""
        while self.cursor < seq:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), REPORT_WAIT_S)
            except TimeoutError:
                await self.catch_up(sure=False)

    # -- answers

    def answered(self, order: Order, decided: Decided) -> None:
        """What became of a new order is known, by an answer or from the tape."""
        event = decided.event
        if decided.records:
            self._take_settled(order, decided)
            return
        if not order.requests:
            # Its first event, so nothing can come before it: no need to wait for the bus to bring it, too.
            order.answered_seq = event.seq
            self._tell([(order, self.orders.fold_one(order, event))])
        order_id = getattr(event, "order_id", 0)
        self._tell(self.orders.link(order, event.source, getattr(event, "cl_ord_id", 0), order_id))

    def _take_settled(self, order: Order, decided: Decided) -> None:
        """Of what the history told, this order's part up to the cursor is folded here; the rest comes by the stream."""
        event = decided.event
        if order.requests:
            return  # The stream has found it out meanwhile.
        self.orders.bind(order, event.source, getattr(event, "cl_ord_id", 0), getattr(event, "order_id", 0))
        for record in decided.records:
            if record.seq <= self.cursor and type(record) in KINDS:
                told = cast("Event", record)
                if order in self.orders.concerned(told):
                    self._tell([(order, self.orders.fold_one(order, told))])

    def refused(self, order: Order, why: OrderRefused) -> None:
        self.orders.not_taken(order)
        order.not_taken(why)
        self._done.append(order)

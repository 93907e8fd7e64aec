"""Parent orders of clients, by the router's ring; its answers read off the router's tape. Without a router: 503.

A ClOrdID that was used before is answered what became of it, and nothing is sent again. Nothing is sent before all that
an earlier process left in the ring is on the router's tape, and folded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from services.api import platform
from services.api.answers import Answer
from services.api.authors import Author
from services.api.desk import Response, Terms, mantissa, nanoseconds, refused
from services.api.entry import Entry, check_text
from services.api.hub import Hub
from services.api.parent_answers import Asked, Command, Name, ParentAnswers
from services.api.problems import Problem
from services.api.requests import AmendParent, NewParent
from services.api.shapes import Pending
from services.api.tape import Origin
from tapewire import messages as m
from tapewire.client import RingFull
from tapewire.config import Config
from tapewire.errors import RingError, TapeError
from tapewire.router_client import RouterClient

POLL_S: Final = 0.005
MS: Final = 1_000_000
MAX_BPS: Final = 10_000
MAX_MS: Final = 1 << 32


class ParentDesk:
    """Every method raises Problem for what is refused."""

    def __init__(
        self, config: Config, entry: Entry, hub: Hub, answers: ParentAnswers, clock: Callable[[], int]
    ) -> None:
        self._config, self._entry, self._hub, self._clock = config, entry, hub, clock
        self._answers = answers
        self._client: RouterClient | None = None
        self._instruments: dict[str, m.InstrumentDefinition] = {}
        self._by_number: dict[int, m.InstrumentDefinition] = {}
        self._sending = asyncio.Lock()
        self._waiting = 0
        self._left = 0
        """Where what an earlier process left in the ring ends."""
        self._caught_up = False
        """All of that is on the router's tape, and folded."""
        hub.tap_parents(answers.fold)

    async def new(self, author: Author, asked: NewParent, origin: Origin) -> Response:
        author.need_account(asked.account)
        check_text(asked.cl_ord_id)
        await self._open()
        definition = self._definition(asked.ticker)
        px, qx = definition.price_exponent, definition.qty_exponent
        numbers = {
            "participation": _bounded("participation_bps", asked.participation_bps, MAX_BPS),
            "max_participation": _bounded("max_participation_bps", asked.max_participation_bps, MAX_BPS),
            "randomness": _bounded("randomness_bps", asked.randomness_bps, MAX_BPS),
            "urgency": _bounded("urgency_bps", asked.urgency_bps, MAX_BPS),
            "interval": _bounded("interval_ms", asked.interval_ms, MAX_MS) * MS,
            "limit_price": _mantissa("limit_price", asked.limit_price, px),
            "display_qty": _mantissa("display_qty", asked.display_qty, qx),
            "start_time": _time("start_time", asked.start_time),
            "end_time": _time("end_time", asked.end_time),
        }
        times = m.TimeInForce.unspecified if asked.time_in_force is None else m.TimeInForce[asked.time_in_force]
        command = m.NewParent(
            instrument=definition.instrument,
            account=asked.account,
            side=m.Side[asked.side],
            algorithm=m.Algorithm[asked.algorithm],
            qty=_mantissa("qty", asked.qty, qx),
            time_in_force=times,
            venues=self._venues(asked.venues),
            session=author.number,
            client_text=asked.cl_ord_id,
            **numbers,
        )
        return await self._answer(author, command, asked.account, asked.cl_ord_id, origin, 201)

    async def amend(self, author: Author, parent_id: int, asked: AmendParent, origin: Origin) -> Response:
        author.need_account(asked.account)
        check_text(asked.cl_ord_id)
        await self._open()
        parent = self.find(author, parent_id)
        definition = self._definition(parent.ticker)
        command = m.ReplaceParent(
            parent_id=parent_id,
            account=asked.account,
            qty=_mantissa("qty", asked.qty, definition.qty_exponent),
            limit_price=_mantissa("limit_price", asked.limit_price, definition.price_exponent),
            end_time=_time("end_time", asked.end_time),
            participation=_bounded("participation_bps", asked.participation_bps or 0, MAX_BPS),
            max_participation=_bounded("max_participation_bps", asked.max_participation_bps or 0, MAX_BPS),
            client_text=asked.cl_ord_id,
        )
        return await self._answer(author, command, asked.account, asked.cl_ord_id, origin, 200)

    async def cancel(self, author: Author, parent_id: int, origin: Origin) -> Response:
        await self._open()
        parent = self.find(author, parent_id)
        author.need_account(parent.account)
        command = m.CancelParent(parent_id=parent_id, account=parent.account)
        return await self._answer(author, command, parent.account, "", origin, 200)

    def find(self, author: Author, parent_id: int) -> platform.Parent:
        """Raises Problem (404)."""
        found = self._hub.parent(parent_id, author.visible)
        if found is None:
            raise Problem(404, f"there is no parent order {parent_id}", field="parent_id", reason="unknown_order")
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Looks for answers while somebody waits for one, until `stop`."""
        try:
            while not stop.is_set():
                if self._waiting:
                    self._hub.poll_parents()
                await asyncio.sleep(POLL_S)
        finally:
            if self._client is not None:
                self._client.close()

    async def _answer(
        self, author: Author, command: Command, account: int, cl_ord_id: str, origin: Origin, status: int
    ) -> Response:
        """Sends it, or finds what was sent by this ClOrdID before; tells what became of it."""
        assert self._client is not None
        name = (self._client.source, author.number, account, cl_ord_id) if cl_ord_id else None
        async with self._sending:  # ClOrdIDs must reach the ring in the order of their records
            asked = None if name is None else self._answers.find(name)
            if asked is None:
                asked = await self._send(author, command, account, origin, name)
            elif asked.same(command):
                status = 200
                self._entry.repeated += 1
            else:
                raise Problem(
                    409,
                    f"ClOrdID {cl_ord_id!r} was used for another request of this account",
                    field="cl_ord_id",
                    reason="cl_ord_id_used",
                )
        answer = asked.answer or await self._awaited(asked)
        if origin.number:
            self._entry.noted(asked.received, 202 if answer is None else answer.status if answer.reason else status)
        if answer is None:
            detail = "the router has not answered yet; ask again with the same ClOrdID, or look at /v1/parents"
            pending = Pending(asked.received, detail, cl_ord_id) if cl_ord_id else Pending(asked.received, detail)
            return Response(202, pending)
        if answer.reason:
            raise self._refused(answer, command)
        found = self._hub.parent(answer.order_id, author.visible)
        if found is None:
            raise Problem(
                410, f"parent {answer.order_id} ended so long ago that it is only on the tape", received=asked.received
            )
        return Response(status, found)

    async def _send(self, author: Author, command: Command, account: int, origin: Origin, name: Name | None) -> Asked:
        """Raises Problem (503)."""
        assert self._client is not None
        received = self._entry.note(author, account, origin)
        number = origin.number
        asked = Asked(command, received)
        try:
            await self._entry.secured()
            stamps = {"ts_event": number, "ts_recv": origin.ts_recv, "cl_ord_id": number}
            if isinstance(command, m.NewParent) and origin.trace is not None:
                stamps |= origin.trace.numbers()._asdict()
            self._client.submit(command.replace(**stamps))
        except RingFull as error:
            self._entry.noted(received, 503)
            raise Problem(503, str(error), reason="behind", received=received) from None
        self._answers.expect((self._client.source, number), asked, name)
        return asked

    async def _awaited(self, asked: Asked) -> Answer | None:
        """None: there is no answer in time."""
        if asked.future is None:
            asked.future = asyncio.get_running_loop().create_future()
        self._waiting += 1
        try:
            return await asyncio.wait_for(asyncio.shield(asked.future), self._config.api.answer_timeout)
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1

    def _refused(self, answer: Answer, command: Command) -> Problem:
        """With what the router says of it; numbers at the instrument's exponents."""
        of = self._by_number.get(command.instrument) if isinstance(command, m.NewParent) else None
        problem = refused(answer, None if of is None else Terms(of.instrument, of.price_exponent, of.qty_exponent))
        said = m.ParentRefused.decode(answer.event).text
        if said:
            problem.detail = problem.body.detail = said
        return problem

    async def _open(self) -> None:
        """Raises Problem (503): no router runs, or it has not taken yet what an earlier process left in its ring."""
        if self._client is None:
            self._client = self._opened()
            self._left = self._client.sent
        client = self._client
        if not client.router_listens:
            raise self._no_router()
        if self._caught_up:
            return
        deadline = self._clock() + int(self._config.api.answer_timeout * 1e9)
        while client.taken < self._left or not self._hub.poll_parents():
            if self._clock() > deadline:
                raise Problem(
                    503,
                    "the router has not taken yet what an earlier process sent it",
                    reason="not_ready",
                    headers={"Retry-After": "1"},
                )
            await asyncio.sleep(POLL_S)
        self._caught_up = True

    def _opened(self) -> RouterClient:
        """Raises Problem (503)."""
        try:
            client = RouterClient.open(
                self._config.data, self._config.router.number, client=self._config.api.router_client
            )
            self._learn(client)
        except (RingError, TapeError) as error:
            raise self._no_router() from error
        return client

    def _no_router(self) -> Problem:
        return Problem(
            503,
            f"no router with a client {self._config.api.router_client!r} in [router] clients runs here",
            reason="no_router",
            headers={"Retry-After": "5"},
        )

    def _learn(self, client: RouterClient) -> None:
        """The router's instruments."""
        self._instruments = client.instruments()
        self._by_number = {one.instrument: one for one in self._instruments.values()}

    def _definition(self, ticker: str) -> m.InstrumentDefinition:
        if ticker not in self._instruments and self._client is not None:
            self._learn(self._client)
        found = self._instruments.get(ticker)
        if found is None:
            raise Problem(422, "the router has no such instrument", field="ticker", reason="unknown_instrument")
        return found

    def _venues(self, names: list[str] | None) -> int:
        """A bit for each; 0: all."""
        bits = 0
        known = {venue.name: venue.number for venue in self._config.venues}
        for name in names or ():
            if name not in known:
                raise Problem(422, f"there is no such venue; there is {sorted(known)}", field="venues", reason="venue")
            bits |= 1 << known[name]
        return bits


def _mantissa(field: str, text: str | None, exponent: int) -> int:
    return 0 if text is None else mantissa(field, text, exponent)


def _time(field: str, text: str | None) -> int:
    return 0 if text is None else nanoseconds(field, text)


def _bounded(field: str, value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise Problem(422, f"expected 0 to {most}", field=field, reason="invalid_field", limit=str(most))
    return value

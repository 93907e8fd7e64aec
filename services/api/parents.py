"""Parent orders of clients, by the router's ring; its answers read off the router's tape. Without a router: 503."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from services.api import platform
from services.api.authors import Author
from services.api.desk import Response, mantissa, nanoseconds
from services.api.entry import Entry, check_text
from services.api.hub import Hub
from services.api.problems import FIELDS, REASONS, Problem
from services.api.requests import AmendParent, NewParent
from services.api.shapes import Pending
from services.api.tape import Origin
from tapewire import messages as m
from tapewire.client import RingFull
from tapewire.config import Config
from tapewire.errors import RingError, TapeError
from tapewire.router_client import RouterClient

POLL_S: Final = 0.005
FOLD_S: Final = 0.5
"""How long the hub may take to hear on the bus what the tape has told already."""
MS: Final = 1_000_000
MAX_BPS: Final = 10_000
MAX_MS: Final = 1 << 32
Command = m.NewParent | m.ReplaceParent | m.CancelParent
Event = m.ParentChanged | m.ParentRefused


class ParentDesk:
    """Every method raises Problem for what is refused."""

    def __init__(self, config: Config, entry: Entry, hub: Hub, clock: Callable[[], int]) -> None:
        self._config, self._entry, self._hub, self._clock = config, entry, hub, clock
        self._client: RouterClient | None = None
        self._instruments: dict[str, m.InstrumentDefinition] = {}
        self._waiting: dict[int, asyncio.Future[Event]] = {}

    async def new(self, author: Author, asked: NewParent, origin: Origin) -> Response:
        author.need_account(asked.account)
        check_text(asked.cl_ord_id)
        self._open()
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
        self._open()
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
        self._open()
        parent = self.find(author, parent_id)
        author.need_account(parent.account)
        command = m.CancelParent(parent_id=parent_id, account=parent.account)
        return await self._answer(author, command, parent.account, "", origin, 200)

    def find(self, author: Author, parent_id: int) -> platform.Parent:
        """Raises Problem (404)."""
        for one in self._hub.parents(author.visible).parents:
            if one.parent_id == parent_id:
                return one
        raise Problem(404, f"there is no parent order {parent_id}", field="parent_id", reason="unknown_order")

    async def run(self, stop: asyncio.Event) -> None:
        """Reads the router's answers until `stop`."""
        try:
            while not stop.is_set():
                if self._client is not None and self._waiting:
                    for event in self._client.poll():
                        if isinstance(event, Event):
                            self._told(event)
                await asyncio.sleep(POLL_S)
        finally:
            if self._client is not None:
                self._client.close()

    def _told(self, event: Event) -> None:
        future = self._waiting.pop(event.cl_ord_id, None)
        if future is not None and not future.done():
            future.set_result(event)

    async def _answer(
        self, author: Author, command: Command, account: int, cl_ord_id: str, origin: Origin, status: int
    ) -> Response:
        assert self._client is not None
        received = self._entry.note(author, account, origin)
        await self._entry.secured()
        number = origin.number
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._client.submit(command.replace(ts_event=number, ts_recv=origin.ts_recv, cl_ord_id=number))
            event = await asyncio.wait_for(future, self._config.api.answer_timeout)
        except TimeoutError:
            self._entry.noted(received, 202)
            detail = "the router has not answered yet; look at /v1/parents"
            return Response(202, Pending(received, detail, cl_ord_id) if cl_ord_id else Pending(received, detail))
        except RingFull as error:
            self._entry.noted(received, 503)
            raise Problem(503, str(error), reason="behind", received=received) from None
        finally:
            self._waiting.pop(number, None)
        if isinstance(event, m.ParentRefused):
            self._entry.noted(received, 422)
            raise Problem(
                422,
                REASONS.get(event.reason, event.reason.name),
                field=FIELDS.get(event.reason, ""),
                reason=event.reason.name,
                value=str(event.value),
                limit=str(event.limit),
                received=received,
            )
        self._entry.noted(received, status)
        return Response(status, await self._shown(author, event, received, cl_ord_id))

    async def _shown(
        self, author: Author, event: m.ParentChanged, received: int, cl_ord_id: str
    ) -> platform.Parent | Pending:
        """The parent as the hub has it, once it has heard of it."""
        deadline = self._clock() + int(FOLD_S * 1e9)
        while True:
            for one in self._hub.parents(author.visible).parents:
                if one.parent_id == event.parent_id:
                    return one
            if self._clock() > deadline:
                return Pending(received, f"parent {event.parent_id} is {event.state.name}", cl_ord_id)
            await asyncio.sleep(POLL_S)

    def _open(self) -> None:
        """Raises Problem (503) if no router runs."""
        own, router = self._config.api, self._config.router
        if self._client is not None:
            return
        try:
            client = RouterClient.open(self._config.data, router.number, client=own.router_client)
            self._instruments = client.instruments()
        except (RingError, TapeError) as error:
            raise Problem(
                503,
                f"no router with a client {own.router_client!r} in [router] clients runs here",
                reason="no_router",
                headers={"Retry-After": "5"},
            ) from error
        self._client = client

    def _definition(self, ticker: str) -> m.InstrumentDefinition:
        if ticker not in self._instruments and self._client is not None:
            self._instruments = self._client.instruments()
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

"""Orders by the stream: the same desk as by HTTP, the same answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw

from services.api.desk import Desk, Response
from services.api.json_body import Body
from services.api.problems import Problem
from services.api.requests import Amend, MassCancel, NewOrder
from services.api.stream.answers import Answer
from services.api.stream.client import Client
from services.api.stream.counters import Counters
from services.api.stream.requests import Entered
from services.api.tape import Origin
from tapewire import messages as m
from tapewire import trace_context
from tapewire.lifecycle import Background
from tapewire.logs import Logger

_ORDER: Final = Body(NewOrder)
_AMEND: Final = Body(Amend)
_MASS_CANCEL: Final = Body(MassCancel)
ENDS_S: Final = 5.0
"""What those under way may take at the end."""


class Ordering:
    """All on the loop's thread. Requests of one client are entered in the order that they came."""

    def __init__(
        self,
        desk: Desk,
        max_pending: int,
        now: Callable[[], int],
        on_failure: Callable[[BaseException], None],
        counters: Counters,
        log: Logger,
    ) -> None:
        """`now`: UTC ns. `on_failure`: called with what must not have happened outside of a request."""
        self._counters, self._log = counters, log
        self._desk, self._max_pending, self._now, self._on_failure = desk, max_pending, now, on_failure
        self._tasks = Background(on_failure)

    def enter(self, client: Client, asked: Entered, raw: bytes) -> None:
        """Answers when it is known what became of it."""
        received = self._now()
        author = client.author
        assert author is not None, "who is not known enters nothing"
        try:
            author.charge(received)
            author.need("trade")
            if client.pending >= self._max_pending:
                raise Problem(
                    429, f"{client.pending} requests of this connection wait for their answers", reason="pending"
                )
        except Problem as problem:
            _answer(client, asked.id, Response(problem.status, problem.body))
            return
        body = raw.decode("latin-1")
        trace = trace_context.parse(asked.traceparent)
        origin = Origin(m.ApiDoor.web_socket, asked.op, body, received, client.address, trace=trace)
        client.pending += 1
        self._tasks.begin(self._enter(client, asked, origin, bool(trace)), partial(self._failed, origin))

    def _broke(self, asked: Entered, origin: Origin, error: Exception) -> Response:
        """What of it is on the tape stays there, and what the engine makes of it is told as ever."""
        self._counters.failed += 1
        with origin.logged():
            self._log.error("request failed", op=asked.op, error=repr(error), exc_info=error)
        problem = Problem(500, "the request could not be carried out; it is in the log. Look up what became of it")
        return Response(problem.status, problem.body)

    async def drain(self) -> None:
        """Waits for those under way, a few seconds."""
        await self._tasks.ended(ENDS_S)

    async def _enter(self, client: Client, asked: Entered, origin: Origin, trace: bool) -> None:
        author, desk = client.author, self._desk
        assert author is not None
        try:
            if asked.op == "order":
                response = await desk.order(author, _ORDER.decode(asked.body), origin)
            elif asked.op == "amend":
                response = await desk.amend(author, asked.order_id, _AMEND.decode(asked.body), origin)
            elif asked.op == "cancel":
                response = await desk.cancel(author, asked.order_id, asked.account, asked.cl_ord_id, origin)
            else:
                response = await desk.mass_cancel(author, _MASS_CANCEL.decode(asked.body), origin)
        except Problem as problem:
            response = Response(problem.status, problem.body)
        except Exception as error:  # noqa: BLE001 - the client is told that we failed, the log how; others go on
            response = self._broke(asked, origin, error)
        finally:
            client.pending -= 1
        if not client.closing:
            _answer(client, asked.id, response, origin.traceparent if trace else "")

    def _failed(self, origin: Origin, error: BaseException) -> None:
        with origin.logged():
            self._on_failure(error)


def _answer(client: Client, number: int, response: Response, traceparent: str = "") -> None:
    body = Raw(msgspec.json.encode(response.body))
    client.tell(Answer(number, response.status, body, traceparent or msgspec.UNSET))

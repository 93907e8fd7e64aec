"""What a client knows of the door for orders on the bus: sends commands, reads history, and settles what is in doubt.

    command ──▶ answer                                                   decided
            └─ no answer in time, or "not decided yet" ──▶ history since then
                   the command is on the tape, with its event            decided
                   it is neither there nor under way at the door         nobody took it
                   else, or nobody answers                               asked again

Nothing is ever sent twice. A command that arrives after its time-out is refused by the door (`Tapewire-Expires`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import msgspec

from tapewire import messages as m
from tapewire import order_bus, subjects
from tapewire.connection.order import KINDS, Event
from tapewire.connection.requests import NobodyListens, Requests
from tapewire.errors import OrderRefused, TransportError
from tapewire.logs import Logger

HISTORY_TIMEOUT_S: Final = 5.0
ASK_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Between two questions about what is in doubt; the last one for ever."""

ACCEPTED_LATER: Final = 202
_OF_MANY: Final = frozenset({m.CommandCompleted, m.CancelRejected})


class Page(NamedTuple):
    """A piece of an account's history."""

    records: list[m.Message]
    seq: int
    """Read up to here."""
    released: int
    pending: frozenset[str]

    @property
    def last(self) -> bool:
        return self.seq >= self.released


class Decided(NamedTuple):
    """What became of a command."""

    event: Event
    """Its first event."""
    records: list[m.Message]
    """If it had to be asked for: the account's history since then; else empty."""


class Door:
    """The door of one account."""

    def __init__(self, requests: Requests, env: str, account: int, timeout: float, log: Logger) -> None:
        """`timeout`: seconds that an answer may take before the command is in doubt."""
        self._requests, self._timeout, self._log = requests, timeout, log
        self.command_subject = subjects.subject(env, order_bus.FEED, order_bus.COMMAND, account)
        self.history_subject = subjects.subject(env, order_bus.FEED, order_bus.HISTORY, account)

    async def history(self, after: int, limit: int = order_bus.MAX_LIMIT) -> Page:
        """Raises TransportError, TimeoutError, or OrderRefused if the tape no longer has it."""
        request = msgspec.json.encode(order_bus.HistoryRequest(after, limit))
        answer = await self._requests.ask(self.history_subject, request, HISTORY_TIMEOUT_S)
        headers = answer.headers or {}
        if error := headers.get(order_bus.ERROR):
            raise OrderRefused(f"{self.history_subject}: {error}")
        try:
            seq, released = int(headers[order_bus.SEQ]), int(headers[order_bus.RELEASED])
        except (KeyError, ValueError):
            raise TransportError(
                f"{self.history_subject}: an answer without {order_bus.SEQ} and {order_bus.RELEASED}: this is no door "
                f"of Tapewire"
            ) from None
        records = [m.decode(raw) for raw in order_bus.unframed(answer.data)]
        return Page(records, seq, released, frozenset(headers.get(order_bus.PENDING, "").split()))

    async def decide(
        self, command: order_bus.Command, since: int, doubt: Callable[[], None], headers: dict[str, str] | None = None
    ) -> Decided:
        """Sends a command and returns what decided it, however long that takes to find out.

        `since`: a record of the tape that is surely before it. `doubt`: called when no answer has come in time.
        Raises OrderRefused if nothing was or will be done about it.
        """
        expires = time.time_ns() + int(self._timeout * 1e9)
        headers = {order_bus.EXPIRES: str(expires), **(headers or {})}
        try:
            answer = await self._requests.ask(self.command_subject, bytes(command), self._timeout, headers)
        except NobodyListens:
            raise OrderRefused(
                f"{self.command_subject}: nobody takes orders there. Does the API run, with its door to the bus?"
            ) from None
        except TimeoutError:
            return await self._settle(command, since, doubt)
        said = answer.headers or {}
        if answer.data:
            return Decided(cast("Event", m.decode(bytes(answer.data))), [])
        if said.get(order_bus.STATUS) == str(ACCEPTED_LATER):
            return await self._settle(command, since, doubt)
        raise OrderRefused(f"{self.command_subject}: {said.get(order_bus.ERROR, 'refused without a word')}")

    async def _settle(self, command: order_bus.Command, since: int, doubt: Callable[[], None]) -> Decided:
        doubt()
        text = command.client_text
        self._log.warning("order_in_doubt", subject=self.command_subject, cl_ord_id=text)
        tries = 0
        while True:
            try:
                records, pending = await self._since(since)
            except (TransportError, TimeoutError) as error:
                self._log.warning("cannot_ask", subject=self.history_subject, error=str(error) or "no answer")
            else:
                if (event := _decision(records, text)) is not None:
                    return Decided(event, records)
                if text not in pending and not _taken(records, text):
                    raise OrderRefused(
                        f"{self.command_subject}: {text} was never taken: it is on no tape, nor under way"
                    )
            await asyncio.sleep(ASK_AGAIN_S[min(tries, len(ASK_AGAIN_S) - 1)])
            tries += 1

    async def _since(self, since: int) -> tuple[list[m.Message], frozenset[str]]:
        """All records behind one, and what was under way before the last of them was read."""
        records: list[m.Message] = []
        pending: frozenset[str] = frozenset()
        while True:
            page = await self.history(since)
            records += page.records
            pending |= page.pending
            since = page.seq
            if page.last:
                return records, pending


def _taken(records: list[m.Message], text: str) -> bool:
    return any(getattr(record, "client_text", "") == text for record in records)


def _decision(records: list[m.Message], text: str) -> Event | None:
    """The first event of the command with a client's text; of a mass cancel the one that counts or refuses it."""
    for at, record in enumerate(records):
        if type(record) in order_bus.COMMANDS and getattr(record, "client_text", "") == text:
            deciding = _OF_MANY if isinstance(record, m.MassCancel) else KINDS
            for event in records[at + 1 :]:
                if event.cause == record.seq and type(event) in deciding:
                    return cast("Event", event)
    return None

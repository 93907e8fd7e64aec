"""The door on the bus: orders by NATS, through the same entry as HTTP, and the history of an account off the tape.

    <env>.orders.command.<account>    flat command   ──▶ Entry ──▶ the event that decided it
    <env>.orders.history.<account>    {"after": SEQ} ──▶ orders tape ──▶ the account's records behind that, in pages

Who may publish on an account's subjects is the bus's affair (its permissions); the author is `bus:<account>`. What the
two carry stands in tapewire/order_bus.py.
"""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from services.api import authors
from services.api.answers import Made
from services.api.authors import Author
from services.api.entry import Entry
from services.api.problems import Problem
from services.api.tape import Origin
from tapewire import messages as m
from tapewire import order_bus, subjects, trace_context
from tapewire.bus.discovery import Discovery
from tapewire.errors import SubjectError, TapeError, TapeGone, TransportError, WireError
from tapewire.house_reports import EVENTS, reports_of
from tapewire.interfaces import Received, Transport
from tapewire.lifecycle import Background
from tapewire.logs import Logger
from tapewire.tape import TapeReader
from tapewire.transports import MAX_PAYLOAD_BYTES
from tapewire.transports import headers as header_blocks

MAX_OPEN: Final = 8192
"""Requests under way at a time."""
MAX_AUTHORS: Final = 65_536
READERS: Final = 4
"""Histories read at a time."""
SLICE: Final = 1024
"""Records read before the loop gets its turn: below 5 ms."""
MAX_SCANNED: Final = 100_000
"""Records looked at for one page; what lies behind is for the next."""
PAGE_BYTES: Final = MAX_PAYLOAD_BYTES // 2
ACCEPTED_LATER: Final = 202
MAX_ACCOUNT: Final = (1 << 32) - 1

_KINDS: Final = frozenset(kind.TYPE for kind in (*EVENTS, *order_bus.COMMANDS))
_EXPIRES: Final = re.compile(r"[0-9]{1,19}")
_TYPE: Final = struct.Struct("<H")
_TYPE_AT: Final = 64


class BusDoor:
    """All on the loop's thread. `clock`: UTC ns."""

    def __init__(
        self, env: str, transport: Transport, entry: Entry, orders_tape: Path, clock: Callable[[], int], log: Logger
    ) -> None:
        self._env, self._transport, self._entry, self._tape = env, transport, entry, orders_tape
        self._clock, self._log = clock, log
        self._authors: dict[int, Author] = {}
        self._open: dict[int, dict[str, int]] = {}
        """By account: client texts that were taken in and not answered yet, and how many requests have each."""
        self._late: dict[int, dict[str, Made]] = {}
        """By account: what became of those that were told 202."""
        self._tasks = Background(self._failed)
        about = "orders over the bus, and the history of accounts"
        self._offered = Discovery(transport, "tapewire-api", version("tapewire"), about, env=env)
        self._reading = asyncio.Semaphore(READERS)
        self.commands = self.refused = self.histories = 0
        """Counters: commands taken in, requests refused before that, pages told."""

    async def start(self) -> None:
        """From now on requests are taken, and the door can be found ($SRV)."""
        for kind, handler, what in (
            (order_bus.COMMAND, self._on_command, "a command of an account; answered by the event that decided it"),
            (order_bus.HISTORY, self._on_history, "what the orders tape has of an account behind a record"),
        ):
            pattern = subjects.pattern(self._env, order_bus.FEED, kind)
            await self._offered.endpoint(kind, pattern, handler, what)
        await self._offered.start()

    async def close(self) -> None:
        """Takes nothing more, and lets what is under way be answered."""
        await self._offered.close()
        await self._tasks.ended()

    # -- commands

    def _on_command(self, received: Received) -> None:
        ts_recv = self._clock()
        try:
            account = self._account(received)
            command = _command(bytes(received.data), account)
            headers = received.headers or {}
            expires = headers.get(order_bus.EXPIRES, "")
            if expires and (_EXPIRES.fullmatch(expires) is None or int(expires) < ts_recv):
                raise Problem(408, f"it was wanted until {expires[:20]}, and is not carried out late", reason="expired")
            author = self._author(account)
            author.charge(ts_recv)
            self._check_room()
        except Problem as problem:
            self._refuse(received, problem)
            return
        origin = Origin(
            m.ApiDoor.bus,
            f"BUS {m.MessageType(command.TYPE).name}",
            base64.b64encode(received.data).decode(),
            ts_recv,
            trace=trace_context.of_headers(headers),
        )
        self.commands += 1
        text = command.client_text
        under_way = self._open.setdefault(account, {})
        under_way[text] = under_way.get(text, 0) + 1
        deciding = self._decide(received, author, account, command, origin)
        self._tasks.begin(deciding, partial(self._failed, origin=origin))

    async def _decide(
        self, received: Received, author: Author, account: int, command: order_bus.Command, origin: Origin
    ) -> None:
        text = command.client_text
        try:
            answer = await self._entry.submit(author, command, origin)
            if answer.status == ACCEPTED_LATER and (made := self._entry.made(author, account, text)) is not None:
                self._late.setdefault(account, {})[text] = made
        except Problem as problem:
            self._refuse(received, problem)
            return
        finally:
            self._close(account, text)
        if answer.status == ACCEPTED_LATER:
            self._answer(received, b"", {order_bus.STATUS: "202", order_bus.ERROR: "not_decided the engine is behind"})
            return
        self._look_at_late(account)
        with origin.logged():
            event = answer.event or self._record(answer.seq)
            told = dict(reports_of(m.decode(event))).get(account, event) if event else b""
            self._answer(received, told, {order_bus.STATUS: str(answer.status)})

    def _close(self, account: int, text: str) -> None:
        under_way = self._open[account]
        under_way[text] -= 1
        if not under_way[text]:
            del under_way[text]
        if not under_way:
            del self._open[account]

    def _record(self, seq: int) -> bytes:
        """A record of the orders tape; empty if retention removed it."""
        try:
            with TapeReader(self._tape, seq) as reader:
                return next(iter(reader.poll(1)), b"")
        except TapeError as error:
            self._log.warning("answer_without_its_event", seq=seq, error=str(error))
            return b""

    def _look_at_late(self, account: int) -> None:
        """Forgets what was decided since it was told 202."""
        late = {text: made for text, made in self._late.pop(account, {}).items() if made.answer is None}
        if late:
            self._late[account] = late

    # -- history

    def _on_history(self, received: Received) -> None:
        try:
            account = self._account(received)
            request = msgspec.json.decode(bytes(received.data), type=order_bus.HistoryRequest)
            if request.after < 0 or not 0 <= request.limit <= order_bus.MAX_LIMIT:
                raise Problem(400, f"expected after >= 0, limit 0 to {order_bus.MAX_LIMIT}", reason="invalid_field")
            self._author(account).charge(self._clock())
            self._check_room()
        except msgspec.DecodeError as error:
            self._refuse(received, Problem(400, f"expected {{'after': SEQ, 'limit': N}}: {error}", reason="malformed"))
        except Problem as problem:
            self._refuse(received, problem)
        else:
            self._tasks.begin(self._tell_history(received, account, request))

    async def _tell_history(self, received: Received, account: int, request: order_bus.HistoryRequest) -> None:
        try:
            self._look_at_late(account)
            # Before the end of the tape is looked at: what ends in between is then told by one of the two.
            pending = [*self._open.get(account, ()), *self._late.get(account, ())]
            async with self._reading:
                found, seq, released = await self._read(account, request)
        except TapeGone as error:
            self._refuse(received, Problem(410, str(error), reason="gone"))
            return
        except TapeError as error:
            self._refuse(received, Problem(503, str(error), reason="tape"))
            return
        headers = {order_bus.STATUS: "200", order_bus.SEQ: str(seq), order_bus.RELEASED: str(released)}
        if texts := " ".join(text for text in pending if text):
            headers[order_bus.PENDING] = texts
        self.histories += 1
        self._answer(received, order_bus.frames(found), headers)

    async def _read(self, account: int, request: order_bus.HistoryRequest) -> tuple[list[bytes], int, int]:
        """Records of the account, how far they were looked for, and the end of the tape as it was."""
        found: list[bytes] = []
        with TapeReader(self._tape, None) as reader:
            released = reader.positions.released_seq
            seq = min(request.after, released)
            if not request.limit or seq == released:
                return found, max(seq, request.after if not request.limit else seq), released
            reader.seek_seq(seq + 1)
            until, size = min(released, seq + MAX_SCANNED), 0
            while seq < until and len(found) < request.limit and size < PAGE_BYTES:
                for raw in reader.poll(min(SLICE, until - seq)):
                    if len(found) >= request.limit or size >= PAGE_BYTES:
                        break
                    seq += 1
                    if _TYPE.unpack_from(raw, _TYPE_AT)[0] in _KINDS and (told := _told(m.decode(raw), account)):
                        found.append(told)
                        size += len(told)
                await asyncio.sleep(0)
            return found, seq, released

    # -- both

    def _account(self, received: Received) -> int:
        """Raises Problem for a subject that names none."""
        try:
            key = subjects.Subject.parse(received.subject).key
        except SubjectError as error:
            raise Problem(400, str(error), reason="malformed") from None
        if not key.isascii() or not key.isdigit() or str(int(key)) != key or not 0 < int(key) <= MAX_ACCOUNT:
            raise Problem(400, f"{key[:40]!r} is no account", field="account", reason="malformed")
        return int(key)

    def _check_room(self) -> None:
        if len(self._tasks) >= MAX_OPEN:
            raise Problem(503, f"{MAX_OPEN} requests are under way", reason="behind")

    def _author(self, account: int) -> Author:
        found = self._authors.get(account)
        if found is None:
            if len(self._authors) >= MAX_AUTHORS:
                self._authors.clear()
            found = self._authors[account] = authors.bus(account)
        return found

    def _failed(self, error: BaseException, origin: Origin | None = None) -> None:
        with nullcontext() if origin is None else origin.logged():
            self._log.error("bus_request_failed", error=repr(error))

    def _refuse(self, received: Received, problem: Problem) -> None:
        self.refused += 1
        reason = problem.body.reason
        text = " ".join(f"{reason if isinstance(reason, str) else 'refused'} {problem.detail}".split())
        self._answer(received, b"", {order_bus.STATUS: str(problem.status), order_bus.ERROR: text})

    def _answer(self, received: Received, payload: bytes, headers: dict[str, str]) -> None:
        if not received.reply:
            return
        try:
            sent = self._transport.publish(received.reply, payload, header_blocks.block(headers), "")
        except (SubjectError, TransportError) as error:
            # Anybody may ask to be answered anywhere: that must not end the service.
            self._not_sent(received, str(error))
            return
        if not sent:
            self._not_sent(received, "outgoing buffer full")

    def _not_sent(self, received: Received, why: str) -> None:
        with trace_context.logged(trace_context.of_headers(received.headers)):
            self._log.warning("bus_answer_not_sent", subject=received.subject, reason=why)


def _command(raw: bytes, account: int) -> order_bus.Command:
    """What a payload asks for. Raises Problem for what is no such command of this account."""
    try:
        command = m.decode(raw)
    except WireError as error:
        raise Problem(400, str(error), reason="malformed") from None
    if not isinstance(command, order_bus.Command):
        kinds = ", ".join(sorted(kind.__name__ for kind in order_bus.COMMANDS))
        raise Problem(400, f"a {type(command).__name__}: expected one of {kinds}", reason="malformed")
    if command.account != account:
        raise Problem(
            422, f"account {command.account} by the subject of {account}", field="account", reason="invalid_field"
        )
    text = command.client_text
    unnamed = not text and not isinstance(command, m.MassCancel)  # a mass cancel may be nameless: it is safe to repeat
    if unnamed or " " in text:
        raise Problem(
            422,
            "client_text: expected the client's ClOrdID, without spaces",
            field="client_text",
            reason="invalid_field",
        )
    return command


def _told(record: m.Message, account: int) -> bytes:
    """What an account is told of a record; empty: nothing."""
    if type(record) in order_bus.COMMANDS:
        return bytes(record) if record.account == account else b""  # type: ignore[attr-defined]
    return dict(reports_of(record)).get(account, b"")

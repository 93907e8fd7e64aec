"""Asks the process that folds the past, one question at a time, of each client the newest only.

client A ─ as_of(100), as_of(200), as_of(300) ─┐            100 is cancelled, 200 never asked
client B ─ as_of(7) ───────────────────────────┼─▶ waiting (one a client, CLIENTS at most) ─▶ process
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from services.api.hub.errors import BeyondEnd, Busy, PastError, Superseded, TooOld
from services.api.hub.frames import HELLO, LENGTH, Answer, Ask, Cancel, Settings, answer, frame
from services.api.types import AsOf
from tapewire.errors import TapewireError
from tapewire.logs import Logger

CLIENTS = 64
TIMEOUT_S = 10.0  # for one question; the process is then replaced
START_S = 30.0  # until the process says that it is there
RESTART_S = 1.0  # between two starts of the process
END_S = 3.0
_ENDED = "the process that folds the past has ended; its log says why"


@dataclass(eq=False)
class _Wanted:
    client: str
    ask: Ask
    answer: asyncio.Future[Answer]


class TimeMachine:
    """Runs the process from `start` to `close`, and again when it fails."""

    def __init__(self, settings: Settings, log: Logger, timeout_s: float = TIMEOUT_S) -> None:
        self._settings, self._log, self._timeout_s = settings, log, timeout_s
        self._waiting: dict[str, _Wanted] = {}
        self._asked: _Wanted | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._next_id = 1

    @property
    def pid(self) -> int | None:
        """Of the process, while one runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end()
        for wanted in [*self._waiting.values(), *([self._asked] if self._asked else [])]:
            if not wanted.answer.done():
                wanted.answer.set_exception(PastError("the API is stopping"))
        self._waiting.clear()

    async def as_of(self, seq: int, client: str, accounts: Iterable[int] | None) -> AsOf:
        """Raises TooOld, BeyondEnd, Superseded, Busy, TimeoutError; TapewireError if the tape does not hold."""
        self._supersede(client)
        if len(self._waiting) >= CLIENTS:
            raise Busy(f"{CLIENTS} clients wait for the past. Ask again in a second")
        ask = Ask(self._next_id, seq, None if accounts is None else sorted(accounts))
        self._next_id += 1
        wanted = _Wanted(client, ask, asyncio.get_running_loop().create_future())
        self._waiting[client] = wanted
        self._wake.set()
        try:
            return _shown(ask, await wanted.answer)
        except asyncio.CancelledError:
            self._drop(wanted)
            raise

    def _supersede(self, client: str) -> None:
        """What this client asked for before is wanted no more."""
        before = self._waiting.get(client)
        if before is None and self._asked is not None and self._asked.client == client:
            before = self._asked
        if before is not None and not before.answer.done():
            before.answer.set_exception(Superseded(f"record {before.ask.seq}: {client} has asked for another since"))
            self._drop(before)

    def _drop(self, wanted: _Wanted) -> None:
        """Nobody waits for this one any longer."""
        if self._waiting.get(wanted.client) is wanted:
            del self._waiting[wanted.client]
        elif self._asked is wanted and self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(frame(Cancel(wanted.ask.id)))

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._serve()
            except (OSError, EOFError, TimeoutError) as error:
                self._log.error("historian_replaced", error=repr(error))
                self._fail(error)
            finally:
                await self._end()
            await asyncio.sleep(max(0.0, began + RESTART_S - time.monotonic()))

    async def _serve(self) -> None:
        """Starts the process and puts questions to it until it fails."""
        argument = msgspec.json.encode(self._settings).decode()
        command = (sys.executable, "-m", __name__.replace("time_machine", "historian"), argument)
        self._process = process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        ended = asyncio.create_task(process.wait())
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                await self._read(process.stdout, HELLO)
            while True:
                await self._wanted(ended)
                self._asked = self._waiting.pop(next(iter(self._waiting)))
                await self._put(self._asked, process)
                self._asked = None
        finally:
            ended.cancel()

    async def _wanted(self, ended: asyncio.Task[int]) -> None:
        """Returns when somebody waits for an answer. Raises EOFError if the process ends before."""
        while not self._waiting:
            self._wake.clear()
            woken = asyncio.create_task(self._wake.wait())
            await asyncio.wait((woken, ended), return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            if ended.done():
                raise EOFError(_ENDED)

    async def _put(self, wanted: _Wanted, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frame(wanted.ask))
        async with asyncio.timeout(self._timeout_s):
            await process.stdin.drain()
            got = await self._read(process.stdout, wanted.ask.id)
        if not wanted.answer.done():
            wanted.answer.set_result(got)

    async def _read(self, stdout: asyncio.StreamReader, number: int) -> Answer:
        """The answer to question `number`; one to an earlier question is passed over."""
        while True:
            try:
                (length,) = LENGTH.unpack(await stdout.readexactly(LENGTH.size))
                got = answer(await stdout.readexactly(length))
            except asyncio.IncompleteReadError as error:
                raise EOFError(_ENDED) from error
            if got.id == number:
                return got

    def _fail(self, error: Exception) -> None:
        """The question under way gets no answer, nor do those that wait: whoever still wants it asks again."""
        asked, self._asked = self._asked, None
        late = isinstance(error, TimeoutError)
        for wanted in [*([asked] if asked else []), *self._waiting.values()]:
            if not wanted.answer.done():
                what = f"record {wanted.ask.seq}: "
                why = f"not shown within {self._timeout_s:g} s" if late else str(error)
                wanted.answer.set_exception(TimeoutError(what + why) if late else PastError(what + why))
        self._waiting.clear()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _shown(ask: Ask, got: Answer) -> AsOf:
    if not got.error:
        return msgspec.json.decode(got.body, type=AsOf)
    if got.error == "too_old":
        raise TooOld(ask.seq, got.limit)
    if got.error == "beyond_end":
        raise BeyondEnd(ask.seq, got.limit)
    if got.error == "superseded":
        raise Superseded(f"record {ask.seq}: the same client has asked for another since")
    raise TapewireError(got.text)

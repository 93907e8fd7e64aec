"""A tape's stream on JetStream: made, read, published to. Knows the server's words, and nothing of tapes."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tapewire.errors import TransportError, WireError
from tapewire.interfaces import Received
from tapewire.replication import names
from tapewire.replication.part import HEADER, Part, decode, encode
from tapewire.transports import headers as header_blocks
from tapewire.transports.nats import NatsTransport

API = "$JS.API"
ASK_WITHIN_S = 2.0
ASK_AGAIN_S = 0.25
"""A server that leads no stream (any more) says nothing: the one that is elected meanwhile is asked as soon."""
EXPECTED = "Nats-Expected-Last-Sequence"
STREAM_NOT_FOUND, MESSAGE_NOT_FOUND = 10059, 10037
HEARTBEAT_NS = 1_000_000_000
QUIET_S = 3.0
"""Without a sign of the server's for so long, the subscription is made anew."""
GONE_AFTER_NS = 60_000_000_000


class StreamError(TransportError):
    """The server refused. `code`: its own number of the reason."""

    def __init__(self, what: str, code: int, reason: str) -> None:
        super().__init__(f"{what}: {reason} (code {code})")
        self.code = code


@dataclass(frozen=True)
class Stored:
    """A message as the stream holds it."""

    sequence: int
    part: Part
    frames: bytes


@dataclass(frozen=True)
class Info:
    first: int
    last: int
    created: str
    messages: int
    leader: str = ""
    """The server that leads it; empty where there is one alone."""


class Stream:
    """One tape's. Raises TransportError where the bus is away, StreamError where the server refuses."""

    def __init__(self, transport: NatsTransport, env: str, tape: str) -> None:
        self._transport = transport
        self.name = names.stream(env, tape)
        self.frames_subject, self.claim_subject = names.frames(env, tape), names.claim(env, tape)
        self._answers: dict[str, Callable[[int | None, str], None]] = {}
        self._inbox = ""
        self._count = 0

    async def open(self) -> None:
        """Listens for the server's answers to what is published."""
        self._inbox = self._transport.new_inbox()
        await self._transport.subscribe(f"{self._inbox}.*", self._on_answer)

    async def info(self) -> Info | None:
        """None: there is no such stream."""
        try:
            found = await self._ask_again(f"STREAM.INFO.{self.name}")
        except StreamError as error:
            if error.code == STREAM_NOT_FOUND:
                return None
            raise
        state = found["state"]
        leader = (found.get("cluster") or {}).get("leader", "")
        return Info(state["first_seq"], state["last_seq"], found["created"], state["messages"], leader)

    async def make(self, replicas: int, max_bytes: int) -> Info:
        """As it should be: made, or its size changed."""
        wanted: dict[str, Any] = {
            "name": self.name,
            "subjects": [self.frames_subject, self.claim_subject],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": replicas,
            "max_bytes": max_bytes,
            "max_age": 0,
            "max_msgs": -1,
            "duplicate_window": 100_000_000,
            "deny_delete": True,
            "deny_purge": True,
            "allow_direct": False,
        }
        found = await self.info()
        if found is None:
            await self._ask(f"STREAM.CREATE.{self.name}", wanted)
        else:
            await self._ask(f"STREAM.UPDATE.{self.name}", wanted)
        made = await self.info()
        if made is None:
            raise TransportError(f"stream {self.name}: was made, and is not there")
        return made

    async def last(self) -> Stored | None:
        """The message at the end, as its leader has it; None: it holds none."""
        info = await self.info()
        if info is None or not info.messages:
            return None
        return await self.get(info.last)

    async def get(self, sequence: int) -> Stored | None:
        """None: it is not there (any more)."""
        return await self._get({"seq": sequence})

    async def next_claim(self, sequence: int) -> Stored | None:
        """The first claim at or behind a sequence."""
        return await self._get({"seq": sequence, "next_by_subj": self.claim_subject})

    async def next_frames(self, sequence: int) -> Stored | None:
        return await self._get({"seq": sequence, "next_by_subj": self.frames_subject})

    async def last_frames(self) -> Stored | None:
        """What stands before the claims at its end; None: claims alone."""
        return await self._get({"last_by_subj": self.frames_subject})

    async def _get(self, which: dict[str, Any]) -> Stored | None:
        try:
            found = (await self._ask(f"STREAM.MSG.GET.{self.name}", which))["message"]
        except StreamError as error:
            if error.code == MESSAGE_NOT_FOUND:
                return None
            raise
        return Stored(
            found["seq"],
            part_of(base64.b64decode(found.get("hdrs", ""))),
            base64.b64decode(found.get("data", "")),
        )

    def publish(self, part: Part, frames: bytes, expected: int, answer: Callable[[int | None, str], None]) -> bool:
        """`answer(sequence, "")` once stored, `answer(None, why)` when refused; perhaps never. False: no room now."""
        self._count += 1
        token = str(self._count)
        block = header_blocks.block({EXPECTED: str(expected), HEADER: encode(part)})
        subject = self.frames_subject if part.kind == "frames" else self.claim_subject
        self._answers[token] = answer
        if self._transport.publish(subject, frames, block, f"{self._inbox}.{token}"):
            return True
        del self._answers[token]
        return False

    def forget_answers(self) -> None:
        self._answers.clear()

    def _on_answer(self, message: Received) -> None:
        answer = self._answers.pop(message.subject.rpartition(".")[2], None)
        if answer is None:
            return
        if not message.data:
            answer(None, "nobody stores it: the stream is not there, or its servers are not")
            return
        said = msgspec.json.decode(message.data)
        if error := said.get("error"):
            answer(None, f"{error.get('description', error)} (code {error.get('err_code', 0)})")
        else:
            answer(said["seq"], "")

    async def _ask(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        raw = msgspec.json.encode(body) if body is not None else b""
        answer = await self._transport.request(f"{API}.{what}", raw, timeout=ASK_WITHIN_S)
        found: dict[str, Any] = msgspec.json.decode(answer.data)
        if error := found.get("error"):
            raise StreamError(f"stream {self.name}: {what}", error.get("err_code", 0), error.get("description", ""))
        return found

    async def _ask_again(self, what: str) -> dict[str, Any]:
        """The first answer of several asks, begun one after the other within ASK_WITHIN_S."""
        loop = asyncio.get_running_loop()
        end = loop.time() + ASK_WITHIN_S
        asked: set[asyncio.Task[dict[str, Any]]] = set()
        try:
            while True:
                asked.add(loop.create_task(self._ask(what)))
                done, asked = await asyncio.wait(
                    asked,
                    timeout=ASK_AGAIN_S if loop.time() < end else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for one in done:
                    return one.result()
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def consume(self, start: int, consumer: str, deliver: str) -> None:
        """From message `start` on, to the subject `deliver`; the server forgets it once nobody is there."""
        await self._ask(
            f"CONSUMER.CREATE.{self.name}.{consumer}",
            {
                "stream_name": self.name,
                "config": {
                    "name": consumer,
                    "deliver_subject": deliver,
                    "deliver_policy": "by_start_sequence",
                    "opt_start_seq": max(start, 1),
                    "ack_policy": "none",
                    "replay_policy": "instant",
                    "max_deliver": 1,
                    "flow_control": True,
                    "idle_heartbeat": HEARTBEAT_NS,
                    "mem_storage": True,
                    "num_replicas": 1,
                    "inactive_threshold": GONE_AFTER_NS,
                },
            },
        )

    async def unconsume(self, consumer: str) -> None:
        await self._ask(f"CONSUMER.DELETE.{self.name}.{consumer}")


class Tail:
    """The stream's messages as they come, from one on. What is lost on the way is seen by who counts (`Mirror`)."""

    def __init__(self, stream: Stream, transport: NatsTransport) -> None:
        self._stream, self._transport = stream, transport
        self._waiting: deque[Received] = deque()
        self._more = asyncio.Event()
        self._count = 0
        self._consumer = ""
        self._subscription: Any = None
        self._heard = 0.0

    async def start(self, sequence: int) -> None:
        """From there on; whatever came before is forgotten. Also when it runs already."""
        await self.stop()
        loop = asyncio.get_running_loop()
        deliver = self._transport.new_inbox()
        self._waiting.clear()
        self._subscription = await self._transport.subscribe(deliver, self._on_message)
        consumer = f"mirror-{deliver.rpartition('.')[2]}"
        await self._stream.consume(sequence, consumer, deliver)
        self._consumer = consumer
        self._heard = loop.time()

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.unsubscribe()
            self._subscription = None
        if self._consumer and self._transport.connected:
            consumer, self._consumer = self._consumer, ""
            try:
                await self._stream.unconsume(consumer)
            except TransportError:
                return  # the server forgets it by itself

    @property
    def quiet(self) -> bool:
        """Whether the server has said nothing for so long that the subscription is gone."""
        return asyncio.get_running_loop().time() - self._heard > QUIET_S

    def _on_message(self, message: Received) -> None:
        self._waiting.append(message)
        self._more.set()

    async def next(self, most: int, timeout: float) -> list[Stored]:
        """What has come, in order; waits up to `timeout` seconds for the first."""
        if not self._waiting:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), timeout)
            except TimeoutError:
                return []
        self._heard = asyncio.get_running_loop().time()
        out: list[Stored] = []
        while self._waiting and len(out) < most:
            message = self._waiting.popleft()
            said = message.headers or {}
            if header_blocks.STATUS in said:
                # Flow control: the server goes on once what was sent so far has been taken from here.
                if to := message.reply or said.get("Nats-Consumer-Stalled", ""):
                    self._transport.publish(to, b"")
                continue
            part = _part(said)
            out.append(Stored(int(said[EXPECTED]) + 1, part, message.data))
        return out


def part_of(block: bytes) -> Part:
    return _part(header_blocks.parse(block))


def _part(said: Any) -> Part:
    for header in (HEADER, EXPECTED):
        if header not in said:
            raise WireError(f"a message of a tape's stream without the header {header}: somebody else published there")
    return decode(said[HEADER])

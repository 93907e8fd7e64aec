"""Mutated messages into a real acceptor: what must hold is looked at after every batch.

    engine ◀── gateway ◀── front ◀── sessions of FIX 4.2, 4.4 and 5.0 SP2, and one for market data

After each batch of bodies that were changed in any way, with garbled messages in between, the session must stand where
it is thought to: a TestRequest is answered with LastMsgSeqNumProcessed (369) its number, an order is accepted, and no
number was asked for again. What was changed in header or framing comes one at a time; it may end the session, by a
Logout that says why, and the next Logon goes on without a reset. Whatever comes back is checked by the dictionary.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tapewire.errors import FixError, FixGarbled
from tapewire.fix.client import Disconnected
from tapewire.fix.dictionary import Dictionary, load
from tapewire.fix.message import SOH, Message, check_frame, fields_of
from tests.fix.mutations import Body, Mutations, body_of, framed, pieces, recorded
from tests.fix.stack import Stack

BATCH = 100
WILD = 12
"""Wild messages after each batch."""
RESET_EVERY = 20
"""Batches of a session after which it begins again at 1, so that what can be resent does not add up."""
LONGEST = 16_000
MOST_GAPS = 5
FILLERS = 160
"""Heartbeats, together longer than what a message that was cut off may claim to be."""
PATIENCE_S = 60.0
SESSIONS = ("ORDERS-44", "ORDERS-42", "ORDERS-50", "DATA-44")
NUMBER = re.compile(rb"\x0134=(\d{1,18})\x01")
EXPECTING = re.compile(r"expecting (\d+)")


@dataclass
class Figures:
    messages: int = 0
    garbled: int = 0
    wild: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Messages that came back, by type."""
    ends: Counter[str] = field(default_factory=Counter)
    """How sessions ended, by what the Logout said."""
    memory: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    """Messages so far, and bytes of each process."""

    def growth(self, process: str) -> float:
        """Bytes a message by which a process has grown since the first third of the run."""
        begin, end = self.memory[len(self.memory) // 3], self.memory[-1]
        return (end[1][process] - begin[1][process]) / max(end[0] - begin[0], 1)


class Fuzzer:
    """One session and what is thought of it."""

    def __init__(self, stack: Stack, comp_id: str, seed: int, seeds: list[Body], figures: Figures) -> None:
        self.stack, self.comp_id, self.figures = stack, comp_id, figures
        self.client = stack.client(comp_id)
        self.begin = self.client.login.begin
        self.dictionary: Dictionary = load(self.begin)
        self.mutations = Mutations(seed, self.begin, seeds)
        self.random = self.mutations.random
        self.last_wild = b""
        self.refusal = ""
        """What the last Reject said: a Logout behind it need not say it again."""
        self._checks = self._batches = 0

    def batch(self, size: int, *, refused: bool = False) -> None:
        """Changed bodies and garbled messages, then a look; then wild ones, each with a look.

        `refused`: bodies that leave nothing behind, and no wild ones.
        """
        client, data, sent = self.client, bytearray(), 0
        before = len(client.transcript)
        while sent < size:
            raw = self._raw(self.mutations.refused() if refused else self.mutations.mutated())
            if len(raw) > LONGEST:
                continue
            if self.random.random() < 0.1:
                data += self.mutations.garbled(raw)
                self.figures.garbled += 1
            else:
                client.next_out += 1
                data += raw
            sent += 1
        self.figures.messages += sent
        for piece in pieces(self.random, bytes(data)):
            client.send_raw(piece)
        self.look()
        for one in client.transcript[before:]:
            if not one.outgoing and b"\x0135=2\x01" in one.raw:
                number = fields_of(one.raw)[7]
                at = data.find(b"\x0134=%b\x01" % number.encode())
                what = bytes(data[at - 40 : at + 400])
                raise AssertionError(f"{self.comp_id}: {number} was asked for again: {what!r}")
        for _ in range(0 if refused else WILD):
            self.figures.wild += 1
            self.figures.messages += 1
            self._wild()
        self._batches += 1
        client.transcript.clear()
        if self._batches % RESET_EVERY == 0:
            self._begin_anew()

    def _raw(self, body: Body) -> bytes:
        kind, rest = body[0][1], "".join(f"{tag}={value}{SOH}" for tag, value in body[1:])
        empty = self.client.message("0", [], self.client.next_out)
        head = empty[empty.index(b"\x0134=") + 1 : -7].decode("latin-1")
        return framed(f"8={self.begin}", f"35={kind}{SOH}{head}{rest}")

    def look(self) -> None:
        """The session stands where it should, and trades."""
        self._checks += 1
        name = f"look{self._checks}"
        client = self.client
        for attempt in range(MOST_GAPS):
            test, mark = f"{name}-{attempt}", len(client.transcript)
            number = client.send("1", [(112, test)])
            answer = self._until(self._is_answer(test, mark))
            if answer.get(112) == test:
                break  # else the client has filled a gap, TestRequest and all
        assert answer.get(369) == str(number), f"{self.comp_id}: {answer.get(369)} processed; expected {number}"
        if self.comp_id.startswith("DATA"):
            client.send("V", body_fields(f"35=V|262={name}|263=0|264=1|267=1|269=0|146=1|55=BTCUSDT|"))
            self._until(lambda m: m.type == "W" and m.get(262) == name)
            return
        order = f"35=D|11={name}|55=ETHUSDT|54=1|60=20261121-12:00:00|38=2|40=2|44=99.00|59=1|"
        client.send("D", body_fields(order))
        self._until(lambda m: m.type == "8" and m.get(11) == name and m.get(150) == "0")
        client.send("q", body_fields(f"35=q|11={name}q|530=7|60=20261121-12:00:00|"))
        self._until(lambda m: m.type == "r" and m.get(11) == f"{name}q")

    def _is_answer(self, test: str, mark: int) -> Callable[[Message], bool]:
        return lambda message: message.get(112) == test or self._filled(mark)

    def _filled(self, mark: int) -> bool:
        """Whether the client was asked for numbers, and has filled the gap."""
        return any(one.outgoing and b"\x0135=4\x01" in one.raw for one in self.client.transcript[mark:])

    def _until(self, found: Callable[[Message], bool]) -> Message:
        for message in self.client.messages(PATIENCE_S):
            self.figures.answers[message.type] += 1
            if message.type == "3":
                self.refusal = message.get(58)
            self.dictionary.check(message)
            if message.type == "5":
                raise Ended(message.get(58), message.get(789))
            if found(message):
                return message
        self.stack.check()
        last = "\n".join(f"{'>' if one.outgoing else '<'} {one.raw[:300]!r}" for one in self.client.transcript[-8:])
        raise AssertionError(f"{self.comp_id}: no answer in {PATIENCE_S} s; wild was {self.last_wild!r}\n{last}")

    def _wild(self) -> None:
        """One message whose number may count or not; afterwards the session goes on, or the next one does."""
        client = self.client
        self.refusal = ""
        raw = self.last_wild = self.mutations.wild(self._raw(self.mutations.body()), client.next_out)
        try:
            client.send_raw(raw)
            client.next_out += 1  # if it was not used, it is asked for and filled
            if not is_framed(raw):  # a reader may wait for the rest of it, and take what follows for that
                for _ in range(FILLERS):
                    client.send("0")
            self.look()
            if any(int(number) > client.next_out for number in NUMBER.findall(raw)):
                # QuickFIX asks for what is missing once, and for no other gap until that number is reached.
                client.logout()
                self.again(Ended("", ""))
        except Ended as end:
            reason = end.text or self.refusal or ("our Logout" if b"\x0135=5\x01" in raw else "")
            assert reason, f"{self.comp_id}: a Logout without a reason after {raw!r}"
            self.figures.ends[re.sub(r"\d+", "N", reason)[:90]] += 1
            self.again(end)
        except Disconnected:
            self.figures.ends["the connection was closed"] += 1
            self.again(Ended("", ""))
        except FixError as error:
            raise AssertionError(f"{self.comp_id}: {error} after {raw!r}") from error

    def again(self, end: Ended) -> None:
        """Logs on without a reset; a number that was given twice or left out is the client's to mend."""
        client = self.client
        if end.expected:
            client.next_out = int(end.expected)
        for _ in range(50):
            client.close()
            try:
                answer = client.logon(timeout=PATIENCE_S)
            except Disconnected:
                time.sleep(0.01)  # the session layer has not noticed yet that the connection before has ended
                continue
            if answer.type == "A":
                self.look()
                return
            text = answer.get(58)
            if (found := EXPECTING.search(text)) is not None:
                client.next_out = int(found[1])
        raise AssertionError(f"{self.comp_id}: cannot log on again")

    def _begin_anew(self) -> None:
        self.client.logout()
        answer = self.client.logon(reset=True, timeout=PATIENCE_S)
        assert answer.type == "A", answer.get(58)


class Ended(Exception):
    """A Logout came."""

    def __init__(self, text: str, expected: str) -> None:
        super().__init__(text)
        self.text, self.expected = text, expected


def is_framed(raw: bytes) -> bool:
    try:
        check_frame(raw)
    except FixGarbled:
        return False
    return True


def body_fields(text: str) -> list[tuple[int, object]]:
    return [(int(tag), value) for tag, value in body_of(text)[1:]]


def run(
    stack: Stack,
    seed: int,
    messages: int,
    logs: Path | None,
    *,
    refused: bool = False,
    progress: Callable[[Figures], object] = lambda _: None,
) -> Figures:
    """So many messages over all sessions in turn; at the end the gateway is killed, and all go on with the next one.

    `logs`: recorded ones to begin with, besides ours. Raises AssertionError for whatever does not hold.
    """
    figures = Figures()
    seeds = recorded(logs) if logs is not None else []
    fuzzers = [Fuzzer(stack, comp_id, seed, seeds, figures) for comp_id in SESSIONS]
    while figures.messages < messages:
        for fuzzer in fuzzers:
            fuzzer.batch(BATCH, refused=refused)
            stack.check()
        figures.memory.append((figures.messages, stack.memory()))
        progress(figures)
    stack.kill_gateway()
    for fuzzer in fuzzers:
        fuzzer.again(Ended("", ""))
        fuzzer.client.logout()
        fuzzer.client.close()
    return figures

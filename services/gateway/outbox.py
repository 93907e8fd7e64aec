"""What is to be sent, in the order in which it was made. Who puts something in tries to empty it, one at a time."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from services.gateway.session_layer import Sender


@dataclass(slots=True)
class Outgoing:
    """A body for a session, and what its record on the gateway's tape says besides."""

    session: int
    body: str
    orders_seq: int = 0
    """The record of the orders tape that it reports; 0: none."""
    part: int = 0
    """Place among the reports of that record to that session."""
    answers: int = 0
    """Seq of the request that is answered with it; 0: none, or more is to follow."""


class Outbox:
    def __init__(self, group: int = 1) -> None:
        """`group`: bodies that leave together at most, where making them durable one by one would take too long."""
        self._group = group
        self.sender: Sender | None = None
        """Until there is one, everything waits."""
        self._waiting: deque[Outgoing] = deque()
        self._held: dict[int, list[Outgoing]] = {}
        self._sending = threading.Lock()
        self._thread = 0
        self._current: list[Outgoing] = []

    @property
    def is_idle(self) -> bool:
        """Whether everything has been sent."""
        # In this order: what another thread has taken out meanwhile, it sends under its lock.
        return not self._waiting and not any(self._held.values()) and not self._sending.locked()

    def add(self, session: int, body: str, orders_seq: int = 0, part: int = 0, answers: int = 0) -> None:
        out = Outgoing(session, body, orders_seq, part, answers)
        if (held := self._held.get(session)) is not None:
            held.append(out)
        else:
            self._waiting.append(out)

    def hold(self, session: int) -> None:
        """What is for this session is kept until `release`."""
        self._held.setdefault(session, [])

    def release(self, session: int) -> None:
        self._waiting.extend(self._held.pop(session, ()))

    def on_its_way(self, kind: str) -> list[Outgoing]:
        """What this thread is sending, if it begins with that type; else the message is the session layer's own."""
        outs = self._current
        if not outs or self._thread != threading.get_ident() or not outs[0].body.startswith(f"35={kind}\x01"):
            return []
        return outs

    def drain(self) -> None:
        """Sends all there is, unless another thread is at it: that one then sends this, too. Hold no lock."""
        waiting, sender = self._waiting, self.sender
        while waiting and sender is not None and self._sending.acquire(blocking=False):
            try:
                self._thread = threading.get_ident()
                while waiting:
                    for session, outs in self._next().items():
                        self._current = outs
                        sender.send(session, [out.body for out in outs])
            finally:
                self._current = []
                self._sending.release()

    def _next(self) -> dict[int, list[Outgoing]]:
        """What leaves next, by session."""
        waiting = self._waiting
        if self._group == 1:
            out = waiting.popleft()
            return {out.session: [out]}
        found: dict[int, list[Outgoing]] = {}
        for _ in range(min(len(waiting), self._group)):
            out = waiting.popleft()
            found.setdefault(out.session, []).append(out)
        return found

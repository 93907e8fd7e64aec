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
    def __init__(self) -> None:
        self.sender: Sender | None = None
        """Until there is one, everything waits."""
        self._waiting: deque[Outgoing] = deque()
        self._sending = threading.Lock()
        self._thread = 0
        self._current: Outgoing | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, session: int, body: str, orders_seq: int = 0, part: int = 0, answers: int = 0) -> None:
        self._waiting.append(Outgoing(session, body, orders_seq, part, answers))

    def on_its_way(self, kind: str) -> Outgoing | None:
        """What this thread is sending, if it is of that type; else the message is the session layer's own."""
        out = self._current
        if out is None or self._thread != threading.get_ident() or not out.body.startswith(f"35={kind}\x01"):
            return None
        return out

    def drain(self) -> None:
        """Sends all there is, unless another thread is at it: that one then sends this, too. Hold no lock."""
        waiting, sender = self._waiting, self.sender
        while waiting and sender is not None and self._sending.acquire(blocking=False):
            try:
                self._thread = threading.get_ident()
                while waiting:
                    out = self._current = waiting.popleft()
                    sender.send(out.session, out.body)
            finally:
                self._current = None
                self._sending.release()

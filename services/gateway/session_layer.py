"""What the gateway and its session layer call of each other. One module knows which layer it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class Handler(Protocol):
    """What the gateway does with what the session layer tells. Called on that layer's thread, one call at a time, but
    for `sending` and `sent_before`, which come on the thread that sends."""

    def logging_on(self, session: int, raw: bytes, expected: int, begins_anew: bool) -> tuple[int, int] | None:
        """A Logon that came by the front, where the session layer expects number `expected`. Returns both numbers if
        the session layer has lost them."""

    def may_resend(self, session: int, begin: int, end: int) -> bool:
        """Whether messages numbered `begin` to `end`, without the latter, are sent again. If not, the session will be
        logged out: it would keep all others waiting for too long."""

    def sent_before(self, session: int, begin: int, end: int) -> Iterable[tuple[int, str]]:
        """Of the messages numbered `begin` to `end`, without the latter, those that are worth sending again: number
        and message, each byte a character of latin-1."""

    def logged_on(self, session: int) -> None: ...

    def logged_out(self, session: int, next_in: int, next_out: int) -> None: ...

    def received(self, session: int, raw: bytes) -> None:
        """An application message in its turn."""

    def administered(self, session: int, raw: bytes, next_in: int) -> None:
        """A message of the session itself, and the number expected after it."""

    def more_fields(self, session: int, kind: str) -> list[tuple[int, str]]:
        """Fields that our Logon (A) or Logout (5) has besides those of the session layer."""

    def processed(self, session: int) -> int:
        """LastMsgSeqNumProcessed (369); 0: left out."""

    def sending(self, session: int, messages: Sequence[tuple[int, str, str]]) -> None:
        """Messages that go to the socket, or wait for the client, once this returns: MsgSeqNum, MsgType, all of it."""


class Sender(Protocol):
    """What the session layer does for the gateway."""

    def send(self, session: int, bodies: Sequence[str]) -> None:
        """Sends `35=…␁…`; if the client is not there, it gets it by resend. `Handler.sending` is called within, once
        for all of them."""

    def log_out(self, session: int, reason: str) -> None:
        """Sends a Logout that says why."""

    def allow_logon(self, session: int) -> None:
        """After `log_out`: the client may come back."""

    def restore(self, session: int, next_in: int, next_out: int) -> None:
        """Puts a session that is not logged on at these numbers."""

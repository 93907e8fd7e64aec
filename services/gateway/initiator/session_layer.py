"""What the session to a venue and its session layer call of each other. One module knows which layer it is."""

from __future__ import annotations

from typing import Protocol


class OutwardHandler(Protocol):
    """What is done with what the session layer tells. Called on that layer's thread, but for `sending` and
    `header_fields`, which come on the thread that sends."""

    def logging_on(self, begins_anew: bool) -> tuple[int, int]:
        """A Logon is about to be sent. Returns both numbers: expected next, given to it."""

    def logon_fields(self, seq: str, sender: str, target: str, sending_time: str) -> list[tuple[int, str]]:
        """What it has besides EncryptMethod, HeartBtInt and ResetSeqNumFlag."""

    def header_fields(self, kind: str) -> list[tuple[int, str]]:
        """Further fields of a header."""

    def logged_on(self) -> None: ...

    def logged_out(self) -> None:
        """The connection is gone, with or without a Logout."""

    def received(self, raw: bytes) -> None:
        """An application message in its turn."""

    def administered(self, raw: bytes, next_in: int) -> None:
        """A message of the session itself, and the number expected after it."""

    def sending(self, raw: str, seq: int, kind: str) -> None:
        """A message that goes to the socket once this returns; each byte a character of latin-1."""


class OutwardSender(Protocol):
    """What the session layer does."""

    def send(self, body: str) -> None:
        """Sends `35=…␁…`; `OutwardHandler.sending` is called within, unless it cannot be sent now."""

    def log_out(self, reason: str) -> None: ...

    def allow_logon(self) -> None: ...

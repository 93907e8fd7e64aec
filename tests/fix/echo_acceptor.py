"""Our session layer in certification mode, as a process: application messages come back as they came.

`python -m tests.fix.echo_acceptor PORT VERSION CLIENT DICTIONARIES`; says `ready` once it listens.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from services.gateway.quickfix_layer.acceptor import Acceptor
from services.gateway.sent import ADMIN_TYPES
from tapewire.config import Gateway, GatewaySession
from tapewire.fix.message import fields_of

ECHOED = frozenset("Dd")
DROPPED = frozenset({8, 9, 10, 34, 43, 49, 52, 56, 122})


class Echo:
    """Says back what the scenarios expect: orders and definitions, once for each ClOrdID that may have come before."""

    engine: Acceptor

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.sent: list[tuple[int, str]] = []

    def logging_on(self, session: int, raw: bytes, expected: int, begins_anew: bool) -> None:
        self.seen.clear()

    def may_resend(self, session: int, begin: int, end: int) -> bool:
        return True

    def sent_before(self, session: int, begin: int, end: int) -> list[tuple[int, str]]:
        return [(seq, raw) for seq, raw in self.sent if begin <= seq < end]

    def logged_on(self, session: int) -> None:
        pass

    def logged_out(self, session: int, next_in: int, next_out: int) -> None:
        pass

    def more_fields(self, session: int, kind: str) -> list[tuple[int, str]]:
        return []

    def processed(self, session: int) -> int:
        return 0

    def sending(self, session: int, messages: Sequence[tuple[int, str, str]]) -> None:
        for seq, kind, raw in messages:
            if seq == 1:
                self.sent.clear()
            if kind not in ADMIN_TYPES:
                self.sent.append((seq, raw))

    def administered(self, session: int, raw: bytes, next_in: int) -> None:
        pass

    def received(self, session: int, raw: bytes) -> None:
        message = fields_of(raw)
        if message.type not in ECHOED:
            body = f"35=j\x0145={message.seq}\x0158=Unsupported Message Type\x01372={message.type}\x01380=3\x01"
            self.engine.send(session, [body])
            return
        name = message.get(11)
        if message.get(97) == "Y" and name in self.seen:
            return
        self.seen.add(name)
        kept = "".join(f"{tag}={value}\x01" for tag, value in message.pairs() if tag not in DROPPED and tag != 35)
        self.engine.send(session, [f"35={message.type}\x01{kept}"])


def fail(error: BaseException) -> NoReturn:
    traceback.print_exception(error)
    os._exit(70)


def main() -> None:
    port, version, client, dictionaries = sys.argv[1:]
    session = GatewaySession(name="test", number=1, version=version, comp_id=client, username="test", accounts=(1,))  # type: ignore[arg-type]
    gateway = Gateway(comp_id="ISLD", backend_port=int(port), sessions=(session,))
    echo = Echo()
    more = {"ResetOnDisconnect": "Y", "TimestampPrecision": "3"}
    echo.engine = Acceptor(gateway, echo, lambda given: True, fail, dictionaries=Path(dictionaries), more=more)
    echo.engine.start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


main()

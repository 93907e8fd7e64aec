"""QuickFIX as it is imported, and what both sides share.

What its Python binding does, and what is done about it here:
- An exception in a callback leaves a process that lives and answers nobody: each callback is wrapped, and a failure is
  given to `on_failure`, which ends the process.
- What a callback is given dies when it returns: everything is copied into our own types at once.
- Its exceptions for refusals leak, 1.3 KB each: none is raised but RejectLogon, and that only to a Logon that did not
  come by the front.
- Stopping an acceptor races with its own thread (a segmentation fault in one of twenty ends): it is never stopped. Who
  wants to end logs the sessions out and then ends the process.
- It resets SIGINT when it is imported, and binds 0.0.0.0 whatever it is told, where it keeps whatever anybody sends for
  as long as a message may still come of it: `loopback_only` lets nobody else in.
- Its stores cannot be written in Python, and MemoryStore never forgets. So nothing is kept in one (PersistMessages=N):
  whatever is asked for again, it answers with one gap fill, and that is replaced, while it is made, by what the handler
  says was sent. It is under the session's lock then, so nothing else takes a number meanwhile.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from typing import Any, Final

_sigint = signal.getsignal(signal.SIGINT)
import quickfix as fix  # noqa: E402 - undone for SIGINT in the next line

if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, _sigint)

ALWAYS_OPEN: Final[Mapping[str, str]] = (
    {"NonStopSession": "Y"}
    if hasattr(fix, "NON_STOP_SESSION")
    # Such a build (quickfix-py 0.0.3) forgets its numbers once a week instead: see `Handler.logging_on`.
    else {"StartDay": "sunday", "StartTime": "00:00:00", "EndDay": "sunday", "EndTime": "00:00:00"}
)
LOGON_TIMEOUT_S: Final = 10
LOGOUT_TIMEOUT_S: Final = 2
MAX_LATENCY_S: Final = 120


def put(session: Any, next_in: int, next_out: int) -> None:
    """Puts a session where the tape says it stands."""
    session.setNextSenderMsgSeqNum(next_out)
    session.setNextTargetMsgSeqNum(next_in)


def latin(text: str) -> str:
    """The binding takes bytes for UTF-8; ours are characters of latin-1, one each."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def wide(text: str) -> str:
    """The way back: what the binding takes for the bytes of `text`."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape")

"""Ids of traces and spans that follow from what they are of, so that anybody finds them again, and twice is once.

A trace that came with a context has the client's id. Any other has the first 16 bytes of the SHA-256 of
`<env>/<tape>/<epoch>/<seq>`, where seq is its request's on the tape and epoch the tape's by then. A span's id is the
first 8 bytes of the SHA-256 of `<trace id in hex>/<name>/<seq>`.
"""

from __future__ import annotations

from hashlib import sha256

_LOW = (1 << 56) - 1
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


def trace_id(env: str, tape: str, epoch: int, seq: int) -> int:
    """128 bits, never 0."""
    return int(trace_text(env, tape, epoch, seq), 16)


def trace_text(env: str, tape: str, epoch: int, seq: int) -> str:
    """The same as 32 hex digits: for who writes many."""
    text = sha256(f"{env}/{tape}/{epoch}/{seq}".encode()).hexdigest()[:32]
    return text if text != _NO_TRACE else f"{1:032x}"


def span_id(trace: int, name: str, seq: int) -> int:
    """64 bits, never 0."""
    return int(span_text(f"{trace:032x}", name, seq), 16)


def span_text(trace: str, name: str, seq: int) -> str:
    """The same as 16 hex digits, of a trace id as 32."""
    text = sha256(f"{trace}/{name}/{seq}".encode()).hexdigest()[:16]
    return text if text != _NO_SPAN else f"{1:016x}"


def is_sampled(trace: int, share: float) -> bool:
    """Whether a trace is one of the `share` (0 to 1) that are kept: by its id alone, so that all decide the same.

    It looks at the lowest 56 bits, which the W3C standard wants random.
    """
    return (trace & _LOW) < share * (_LOW + 1)

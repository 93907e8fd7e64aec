"""Ids of traces and spans that follow from what they are of, so that anybody finds them again, and twice is once.

A trace that came with a context has the client's id. Any other has the first 16 bytes of the SHA-256 of
`<env>/<tape>/<epoch>/<seq>`, where seq is its request's on the tape and epoch the tape's by then. A span's id is the
first 8 bytes of the SHA-256 of `<trace id in hex>/<name>/<seq>`.
"""

from __future__ import annotations

from hashlib import sha256

_LOW = (1 << 56) - 1


def trace_id(env: str, tape: str, epoch: int, seq: int) -> int:
    """128 bits, never 0."""
    return int.from_bytes(sha256(f"{env}/{tape}/{epoch}/{seq}".encode()).digest()[:16], "big") or 1


def span_id(trace: int, name: str, seq: int) -> int:
    """64 bits, never 0."""
    return int.from_bytes(sha256(f"{trace:032x}/{name}/{seq}".encode()).digest()[:8], "big") or 1


def is_sampled(trace: int, share: float) -> bool:
    """Whether a trace is one of the `share` (0 to 1) that are kept: by its id alone, so that all decide the same.

    It looks at the lowest 56 bits, which the W3C standard wants random.
    """
    return (trace & _LOW) < share * (_LOW + 1)

"""Ports for servers that are started: one that was given is given to nobody else here while this process lives.

A port that is free now may be somebody else's when it is used: of another fixture here, or of another run of the tests.
So each process locks the byte of its port in one file of the machine; the kernel lets the locks go as it ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

PORTS = range(15_000, 30_000)
"""Below those that the system gives to outgoing connections: one of those may be taken before it is used."""
LOCKS = Path(tempfile.gettempdir()) / f"tapewire-test-ports.{os.getuid()}"
_draw = random.SystemRandom()  # a seeded test must not be given the ports of its last run, nor draw other numbers
_given: set[int] = set()
_locks: list[int] = []  # one file, opened once: closing any descriptor of it would let all locks go


def free_port() -> int:
    """Raises OSError if all of them are taken."""
    for port in _draw.sample(PORTS, len(PORTS)):
        if port not in _given and _is_free(port) and _locked(port):
            _given.add(port)
            return port
    raise OSError(f"each port from {PORTS.start} to {PORTS.stop - 1} is taken: stop what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as one, suppress(OSError):
        one.bind(("", port))
        return True
    return False


def _locked(port: int) -> bool:
    if not _locks:
        _locks.append(os.open(LOCKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        fcntl.lockf(_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False  # another process has it
    return True

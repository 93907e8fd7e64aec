"""What the kernel says of its clock: adjtimex(2), read only."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final, NamedTuple

STA_UNSYNC: Final = 0x0040
STA_NANO: Final = 0x2000
TIME_ERROR: Final = 5


class _Timex(ctypes.Structure):
    """struct timex on 64 bits; what is not read here is only there for its place."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


class Discipline(NamedTuple):
    """How the clock is kept."""

    state: int
    """TIME_ERROR: not synchronised."""
    status: int
    """Bits: STA_UNSYNC, STA_NANO."""
    offset: int
    """In ns with STA_NANO, else us."""
    maxerror: int
    esterror: int
    """Both us."""


def read() -> Discipline:
    """Raises OSError if the kernel does not tell."""
    told = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"adjtimex: {os.strerror(number)}{' (a sandbox)' if number == errno.EPERM else ''}")
    return Discipline(state, told.status, told.offset, told.maxerror, told.esterror)

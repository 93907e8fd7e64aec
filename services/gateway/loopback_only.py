"""Keeps a listening socket of a library that binds all addresses to loopback.

A filter of the kernel on that socket: whatever is not sent to 127.0.0.1 by 127.x.x.x is dropped before there is a
connection, so nobody outside can make the session layer read, or keep, a single byte.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_OF_NETWORK_HEADER: Final = 0x1_0000_0000 - 0x10_0000  # SKF_NET_OFF
_LOAD_WORD, _LOAD_BYTE, _IF_EQUAL, _RETURN = 0x20, 0x30, 0x15, 0x06
_SOURCE, _DESTINATION = 12, 16  # in an IPv4 header
_WHOLE: Final = 0xFFFF_FFFF
_PROGRAM: Final = (  # code, jump if true, jump if false, operand
    (_LOAD_WORD, 0, 0, _OF_NETWORK_HEADER + _DESTINATION),
    (_IF_EQUAL, 0, 3, 0x7F00_0001),
    (_LOAD_BYTE, 0, 0, _OF_NETWORK_HEADER + _SOURCE),
    (_IF_EQUAL, 0, 1, 127),
    (_RETURN, 0, 0, _WHOLE),
    (_RETURN, 0, 0, 0),
)


def keep_to_loopback(port: int) -> None:
    """Of this process's IPv4 socket that listens on `port`. Raises OSError: there is none, or the kernel refuses."""
    code = b"".join(struct.pack("=HBBI", *one) for one in _PROGRAM)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_PROGRAM), ctypes.addressof(kept))
    listener = _listener(port)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError as error:
        raise OSError(
            error.errno,
            f"port {port}: the kernel takes no filter for it ({error.strerror}), so others than the front could reach "
            f"the session layer; expected Linux with socket filters",
        ) from None
    finally:
        listener.close()


def _listener(port: int) -> socket.socket:
    """A second handle on the listening socket."""
    for name in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # no socket, or the handle of this very listing
            found = socket.socket(fileno=os.dup(int(name.name)))
            if (
                found.family == socket.AF_INET
                and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                and found.getsockname()[1] == port
            ):
                return found
            found.close()
    raise OSError(errno.ENOENT, f"port {port}: this process does not listen there; expected the session layer's socket")

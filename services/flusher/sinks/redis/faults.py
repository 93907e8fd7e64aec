"""What Redis and the way to it can do to us, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from tapewire.errors import TargetError

_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (
        exceptions.AuthenticationError,
        "the server refuses this user. Check the user in [sinks.redis] url and the password in password_file",
    ),
    (exceptions.NoPermissionError, "the user may not do this. It needs ~PREFIX*, &ENV.* and +@all -@dangerous"),
    (exceptions.BusyLoadingError, "the server reads its files"),
    (exceptions.ReadOnlyError, "this server only reads: a replica. Point url at the primary"),
    (
        exceptions.OutOfMemoryError,
        "the server's memory is full. Raise maxmemory, shorten [sinks.redis] stream_length or ttl",
    ),
    (exceptions.WatchError, "another process follows this tape into the same prefix. Stop one of them"),
)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turns whatever comes of talking to Redis into a TargetError."""
    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError, TimeoutError) as error:
        if isinstance(error, exceptions.AuthenticationError | exceptions.BusyLoadingError):
            raise _refused(where, error) from error
        text = str(error).partition("\n")[0] or type(error).__name__
        raise TargetError(
            f"{where}: cannot be reached: {text}. Is the server running, and the address in url right?"
        ) from error
    except exceptions.RedisError as error:
        raise _refused(where, error) from error


def _refused(where: str, error: Exception) -> TargetError:
    advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), "see the server's log")
    if "MISCONF" in str(error):
        advice = "the server cannot write to its disk. Make room there"
    first = str(error).partition("\n")[0] or type(error).__name__
    return TargetError(f"{where}: {first}: {advice}")

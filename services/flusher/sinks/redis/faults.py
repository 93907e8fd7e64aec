"""What Redis and the way to it can do to us, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from tapewire.errors import TargetError

_MAY_NOT = "the user may not do this. It needs ~PREFIX*, &ENV.* and +@all -@dangerous"
_FULL = "the server's memory is full. Raise maxmemory, shorten [sinks.redis] stream_length or ttl"
_REPLICA = "this server only reads: a replica. Point url at the primary"
_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (
        exceptions.AuthenticationError,
        "the server refuses this user. Check the user in [sinks.redis] url and the password in password_file",
    ),
    (exceptions.NoPermissionError, _MAY_NOT),
    (exceptions.BusyLoadingError, "the server reads its files"),
    (exceptions.ReadOnlyError, _REPLICA),
    (exceptions.OutOfMemoryError, _FULL),
    (exceptions.WatchError, "another process follows this tape into the same prefix. Stop one of them"),
)
_WORDS: tuple[tuple[str, str], ...] = (
    ("MISCONF", "the server cannot write to its disk. Make room there"),
    ("WRONGTYPE", "a key of the prefix holds something else. Look for it with TYPE, and delete that key"),
    ("No permissions", _MAY_NOT),
    ("NOPERM", _MAY_NOT),
    ("OOM", _FULL),
    ("READONLY", _REPLICA),
)
"""What the server says of a command within a transaction, where the client gives it no class."""
_OF_PIPELINE = "of pipeline caused error: "


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
    # Of a command in a pipeline the client says what it was, and then what the server said.
    said = (str(error).rpartition(_OF_PIPELINE)[2].partition("\n")[0] or type(error).__name__).strip("()',")
    advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), None)
    advice = advice or next((text for word, text in _WORDS if word in said), "see the server's log")
    return TargetError(f"{where}: {said}: {advice}")

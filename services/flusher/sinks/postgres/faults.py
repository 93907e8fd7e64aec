"""What PostgreSQL and the way to it can do to us, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from tapewire.errors import TargetError

_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,  # the class of wrong passwords, too
        "the server refuses this user. Check the user in [sinks.postgres] url, the password in password_file, and the "
        "server's pg_hba.conf",
    ),
    (asyncpg.InvalidCatalogNameError, "there is no such database. Make it (`createdb`), or name another in url"),
    (asyncpg.DiskFullError, "the server's disk is full. Make room there, or let old days go: `tapewire sink retain`"),
    (
        asyncpg.InsufficientPrivilegeError,
        "the user may not do this. It needs CREATE on the database for the first start, and to own the tables",
    ),
    (
        asyncpg.UndefinedTableError,
        "a table is missing. Restore it from a backup; or drop the whole schema, and all of it is built anew from the "
        "tapes",
    ),
    (
        asyncpg.UndefinedColumnError,
        "a table is not as this sink made it. Restore it, or drop the whole schema to have it built anew",
    ),
    (asyncpg.LockNotAvailableError, "another session holds a lock for too long. See pg_stat_activity, pg_locks"),
    (asyncpg.TooManyConnectionsError, "the server has no connection left. Raise max_connections, or end others"),
    (asyncpg.CannotConnectNowError, "the server is starting or stopping"),
    (asyncpg.ReadOnlySQLTransactionError, "this server only reads: a replica. Point url at the primary"),
)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turns whatever comes of talking to PostgreSQL into a TargetError."""
    try:
        yield
    except asyncpg.PostgresError as error:
        advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), "see the server's log")
        state = getattr(error, "sqlstate", None) or "-"
        first = str(error).partition("\n")[0]
        raise TargetError(f"{where}: {first} (SQLSTATE {state}): {advice}") from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError) as error:
        # The library's own confusion comes of a connection that was cut at a bad moment.
        text = str(error).partition("\n")[0] or type(error).__name__
        raise TargetError(
            f"{where}: cannot be reached: {text}. Is the server running, and the address in url right?"
        ) from error

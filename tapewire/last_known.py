"""Reads what the Redis sink keeps, for a process that folds no tape itself: see docs/redis.md."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from tapewire.errors import TransportError


class LastKnown:
    """Values are as of the sink's last batch: `seq` and `ts` in each say of when. Needs the extra `redis`."""

    def __init__(
        self, url: str, *, password: str | None = None, prefix: str = "tapewire:", timeout: float = 5.0
    ) -> None:
        """`timeout` in seconds, of each answer."""
        import redis.asyncio as client

        terms: dict[str, Any] = {"password": password} if password else {}
        self._prefix = prefix
        self._redis = client.Redis.from_url(url, **terms, decode_responses=True, socket_timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def trade(self, feed: str, ticker: str) -> dict[str, str] | None:
        """The last trade; None: none is known. Raises TransportError, as all of these."""
        return await self._hash(f"trade:{feed}:{ticker}")

    async def top(self, feed: str, ticker: str) -> dict[str, str] | None:
        """The top of the book; a side without orders has an empty price."""
        return await self._hash(f"top:{feed}:{ticker}")

    async def position(self, account: int, ticker: str) -> dict[str, str] | None:
        """What the account holds; None: it never traded that."""
        return await self._hash(f"position:{account}:{ticker}")

    async def _hash(self, name: str) -> dict[str, str] | None:
        from redis.exceptions import RedisError

        try:
            found: Any = await self._redis.hgetall(f"{self._prefix}{name}")
        except (RedisError, OSError) as error:
            raise TransportError(
                f"redis: {name} cannot be read: {error}. Is the server running, and the address right?"
            ) from error
        return dict(found) or None

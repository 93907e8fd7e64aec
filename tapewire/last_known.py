"""Reads what the Redis sink keeps, for a process that folds no tape itself: see docs/redis.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec

from tapewire.errors import TransportError

FORMAT: Final = 2
"""Of what the sink keeps: one that names the positions there are."""
MOST_POSITIONS: Final = 2_000
"""Read together: more would hold up whoever waits for other answers."""
TRIES: Final = 8
Hash = dict[str, str]


class _Stored(msgspec.Struct, frozen=True):
    """What of the sink's position matters to readers."""

    format: int
    seq: int


class AsOf(NamedTuple):
    """One hash, and the record of its tape up to which the sink had come when it was read."""

    seq: int
    fields: Hash


class Positions(NamedTuple):
    """All of them as of the same record of the tape."""

    seq: int
    fields: dict[tuple[int, str], Hash]
    """By account and ticker."""


class LastKnown:
    """Values are as of the sink's last batch: `seq` and `ts` in each say of when. Needs the extra `redis`."""

    def __init__(
        self, url: str, *, password: str | None = None, prefix: str = "tapewire:", timeout: float = 5.0
    ) -> None:
        """`timeout` in seconds, of each answer, and of each connection."""
        import redis.asyncio as client

        terms: dict[str, Any] = {"password": password} if password else {}
        self._prefix = prefix
        self._redis = client.Redis.from_url(
            *(url,),
            **terms,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            client_name="tapewire-reader",
            retry=None,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets the connections go."""
        from redis.exceptions import RedisError

        try:
            await self._redis.aclose()
        except (RedisError, OSError):
            return  # they are broken already

    # -- one value

    async def trade(self, feed: str, ticker: str) -> Hash | None:
        """The last trade; None: none is known. Raises TransportError, as all of these."""
        return await self._hash(f"trade:{feed}:{ticker}")

    async def top(self, feed: str, ticker: str) -> Hash | None:
        """The top of the book; a side without orders has an empty price."""
        return await self._hash(f"top:{feed}:{ticker}")

    async def position(self, account: int, ticker: str) -> Hash | None:
        """What the account holds; None: it never traded that."""
        return await self._hash(f"position:{account}:{ticker}")

    # -- as of a record of a tape

    async def trade_as_of(self, tape: str, feed: str, ticker: str) -> AsOf | None:
        """The last trade, and how far the sink has come on its tape."""
        return await self._as_of(tape, f"trade:{feed}:{ticker}")

    async def top_as_of(self, tape: str, feed: str, ticker: str) -> AsOf | None:
        return await self._as_of(tape, f"top:{feed}:{ticker}")

    async def positions_as_of(self, tape: str, accounts: Iterable[int] | None) -> Positions | None:
        """Of these accounts (None: of all) in all instruments of a tape; None: the sink never took that tape.

        Raises TransportError, also if there are more than MOST_POSITIONS of them.
        """
        whose = None if accounts is None else sorted(set(accounts))
        known: list[str] = [] if whose is None else [str(account) for account in whose]
        wanted: list[tuple[str, str]] = []
        # Sets of names only ever grow, and rarely: once what they name was read together with them, it is whole.
        for _ in range(TRIES):
            accounts_now, tickers, hashes, seq = await self._look(tape, whose is None, known, wanted)
            if seq is None:
                return None
            found = [(account, ticker) for account, of in zip(known, tickers, strict=True) for ticker in sorted(of)]
            if len(found) > MOST_POSITIONS:
                raise TransportError(f"redis: {len(found)} positions are asked for; expected at most {MOST_POSITIONS}")
            if found == wanted and (whose is not None or accounts_now == known):
                if not all(hashes):
                    raise TransportError(f"redis: positions of {tape} were deleted; the sink puts them when it starts")
                numbers = [(_number(account), ticker) for account, ticker in wanted]
                return Positions(seq, dict(zip(numbers, hashes, strict=True)))
            wanted, known = found, accounts_now
        raise TransportError(f"redis: positions of {tape} change faster than they can be read")

    async def _look(
        self, tape: str, every: bool, accounts: Sequence[str], names: Sequence[tuple[str, str]]
    ) -> tuple[list[str], list[set[str]], list[Hash], int | None]:
        """All in one step: who has positions, in what, these positions, and the record they are as of."""
        async with self._step(f"positions of {tape}") as pipe:
            pipe.get(f"{self._prefix}tape:{tape}")
            if every:
                pipe.smembers(f"{self._prefix}accounts:{tape}")
            for account in accounts:
                pipe.smembers(f"{self._prefix}positions:{tape}:{account}")
            for account, ticker in names:
                pipe.hgetall(f"{self._prefix}position:{account}:{ticker}")
            answers: list[Any] = await pipe.execute()
        position = answers.pop(0)
        whose = sorted(answers.pop(0)) if every else list(accounts)
        seq = None if position is None else self._seq(position)
        return whose, answers[: len(accounts)], answers[len(accounts) :], seq

    async def _as_of(self, tape: str, name: str) -> AsOf | None:
        async with self._step(name) as pipe:
            pipe.get(f"{self._prefix}tape:{tape}")
            pipe.hgetall(f"{self._prefix}{name}")
            position, fields = await pipe.execute()
        return None if position is None or not fields else AsOf(self._seq(position), dict(fields))

    async def _hash(self, name: str) -> Hash | None:
        async with self._step(name) as pipe:
            pipe.hgetall(f"{self._prefix}{name}")
            (found,) = await pipe.execute()
        return dict(found) or None

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[Any]:
        """A MULTI/EXEC; turns whatever comes of it into a TransportError."""
        from redis.exceptions import RedisError

        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                yield pipe
        except UnicodeDecodeError:
            raise TransportError(f"redis: {name} holds what is no text: not put there by the sink") from None
        except (RedisError, OSError, TimeoutError) as error:
            raise TransportError(
                f"redis: {name} cannot be read: {error}. Is the server running, and the address right?"
            ) from error

    def _seq(self, text: str) -> int:
        try:
            found = msgspec.json.decode(text, type=_Stored)
        except msgspec.DecodeError as error:
            raise TransportError(f"redis: the sink's position cannot be read: {error}") from None
        if found.format != FORMAT:
            raise TransportError(
                f"redis: the sink's format is {found.format}, and this reader knows {FORMAT}. Run both of one version"
            )
        return found.seq


def _number(account: str) -> int:
    if not account.isascii() or not account.isdigit():
        raise TransportError(f"redis: the account {account[:40]!r} is no number: not put there by the sink")
    return int(account)

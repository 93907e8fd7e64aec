"""Redis as the target of a sink: hashes, channels, streams, position and, now and then, state in one MULTI/EXEC.

    WATCH PREFIXtape:TAPE, GET             a position that moved otherwise ends it here
    MULTI
      HSET PREFIXtrade:FEED:TICKER …       what holds now; EXPIRE where `ttl` says so
      SADD PREFIXpositions:TAPE:ACCOUNT …  which positions there are
      EVAL (script.py)
        XADD PREFIXtrades:FEED:TICKER      the last trades, capped
        PUBLISH ENV.FEED.KIND.KEY          every public message, under the subject it has on the bus
        SET PREFIXstate:TAPE               every snapshot_every records
        SET PREFIXtape:TAPE                the position
    EXEC

What a server loses when it is killed (appendfsync everysec: a second) it loses with the position, and is given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import msgspec
import redis.asyncio as client
from redis.exceptions import RedisError

from services.flusher.sinks.redis import script
from services.flusher.sinks.redis.faults import told
from services.flusher.sinks.redis.fold import Changes, Fold
from services.flusher.sinks.target import Batch, Committed, Mark, Position, Resume
from tapewire import engine_state
from tapewire.config import Config, RedisSink
from tapewire.engine_state import EngineState
from tapewire.errors import ConfigError, SinkError, TapewireError, TargetError, WireError
from tapewire.fix.auth import read_private
from tapewire.tape import TapeReader

FORMAT: Final = 2
"""1: without the sets that name positions. They are put with the first batch after a start."""
MEMBERS: Final = 1000
"""Of a set, added by one command."""


class _Stored(msgspec.Struct, frozen=True):
    format: int
    seq: int
    begin: int
    marks: tuple[tuple[int, int], ...]
    state: int
    """The record that the kept state is as of; 0: none."""
    whole: bool = True
    """Whether what the last command changed was published."""


class Prepared(NamedTuple):
    changes: Changes
    state: bytes | None


class RedisTarget:
    def __init__(self, settings: RedisSink, env: str) -> None:
        parts = urlsplit(settings.url)
        if parts.password or "password" in parts.query:
            raise ConfigError("sinks.redis.url: holds a password; expected it in password_file, a file of mode 0600")
        self._settings, self._env = settings, env
        self.where = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self.where += f" prefix {settings.prefix}"
        self._redis: client.Redis | None = None
        self._folds: dict[str, Fold] = {}
        self._states: dict[str, int] = {}
        """The record of the newest state that is kept, or will be with a batch that is prepared."""
        self._published: set[str] = set()
        """Tapes whose fold has yet to be told that its last command was published before."""

    @property
    def redis(self) -> client.Redis:
        assert self._redis is not None, "open() comes first"
        return self._redis

    # -- beginning

    async def open(self) -> None:
        settings = self._settings
        try:
            password = read_private(settings.password_file) if settings.password_file != Path() else None
        except TapewireError as error:
            raise TargetError(f"sinks.redis.password_file: {error}") from None
        with told(self.where):
            terms: dict[str, Any] = {"password": password} if password else {}
            self._redis = client.Redis.from_url(
                settings.url,
                **terms,
                socket_timeout=settings.timeout,
                socket_connect_timeout=settings.timeout,
                client_name="tapewire-sink",
                retry=None,
            )
            await self._redis.ping()

    async def close(self) -> None:
        redis, self._redis = self._redis, None
        self._folds.clear()
        self._states.clear()
        self._published.clear()
        if redis is not None:
            try:
                await redis.aclose()
            except (RedisError, OSError, TimeoutError):
                return  # it is broken already: the server lets the transaction go with the connection

    # -- positions

    def _key(self, kind: str, tape: str) -> str:
        return f"{self._settings.prefix}{kind}:{tape}"

    async def positions(self) -> dict[str, Position]:
        begin, found = self._key("tape", ""), {}
        with told(self.where):
            async for key in self.redis.scan_iter(match=f"{begin}*"):
                if stored := await self._stored(key.decode().removeprefix(begin)):
                    found[key.decode().removeprefix(begin)] = _position(stored)
        return found

    async def _stored(self, tape: str) -> _Stored | None:
        text = await self.redis.get(self._key("tape", tape))
        return None if text is None else self._read(text)

    def _read(self, text: bytes | str) -> _Stored:
        try:
            found = msgspec.json.decode(text, type=_Stored)
        except msgspec.DecodeError as error:
            raise TargetError(
                f"{self.where}: the position kept there cannot be read: {error}. Delete all keys of the prefix, and "
                f"they are built anew from the tape; or give the sink another prefix"
            ) from None
        if found.format > FORMAT:
            raise TargetError(
                f"{self.where}: written by a newer one: its format is {found.format}, and this one knows {FORMAT}. Run "
                f"the newer one, or give this one a prefix of its own"
            )
        return found

    async def resume(self, tape: str, folder: Path) -> Resume:
        with told(self.where):
            stored = await self._stored(tape)
            position = _position(stored) if stored else Position()
            kept: Any = await self.redis.get(self._key("state", tape)) if stored and stored.state else None
        fold = self._blank(tape)
        if kept is not None:
            try:
                fold.restore(kept)
            except WireError:  # of another version: the tape says it all, it only takes longer
                fold = self._blank(tape)
        if fold.seq > position.seq:
            fold = self._blank(tape)
        if not fold.seq and position.begin > 1 and tape.startswith("orders."):
            fold.begin(_begun(folder, position))
        fold.all_changed()
        self._folds[tape] = fold
        self._states[tape] = fold.seq
        self._published.discard(tape)
        if stored is not None and stored.whole:
            self._published.add(tape)
        fold_after = min(fold.seq, position.seq) if fold.known_from else fold.seq or position.begin - 1
        return Resume(position, fold_after, fold_after, fold.known_from)

    def _blank(self, tape: str) -> Fold:
        kind, _, rest = tape.partition(".")
        orders = kind == "orders"
        return Fold(self._env, "house" if orders else rest, orders, self._settings.stream_length)

    async def take_back(self, tape: str, position: Position) -> None:
        """What holds is put anew with the first batch; what was published, and is in streams, readers have seen."""
        # A mark may lie within a command: what that changed is then published with what comes next.
        stored = _Stored(FORMAT, position.seq, position.begin, position.marks, 0, whole=False)
        with told(self.where):
            async with self.redis.pipeline(transaction=True) as pipe:
                pipe.set(self._key("tape", tape), msgspec.json.encode(stored))
                pipe.delete(self._key("state", tape))
                for key in await self.redis.smembers(self._key("keys", tape)):
                    pipe.delete(key)
                pipe.delete(self._key("keys", tape))
                await pipe.execute()
        self._folds.pop(tape, None)
        self._published.discard(tape)

    # -- records

    def fold(self, tape: str, records: list[bytes]) -> None:
        self._folds[tape].take(records, whole=False)
        self._folds[tape].all_changed()

    async def prepare(self, batch: Batch) -> Prepared:
        fold, settings = self._folds[batch.tape], self._settings
        if batch.tape in self._published:
            self._published.remove(batch.tape)
            fold.take([], whole=True)
        changes = fold.changes(fold.take(batch.records, batch.whole))
        state = None
        if batch.position.seq - self._states[batch.tape] >= settings.snapshot_every and fold.can_be_kept:
            state = fold.state()
            self._states[batch.tape] = batch.position.seq
        return Prepared(changes, state)

    async def commit(self, batch: Batch, prepared: Prepared) -> Committed:
        changes, state = prepared
        key = self._key("tape", batch.tape)
        with told(self.where):
            async with self.redis.pipeline(transaction=True) as pipe:
                await pipe.watch(key)
                text = await pipe.get(key)
                stored = self._read(text) if text is not None else _Stored(FORMAT, 0, batch.before.begin, (), 0)
                if stored.seq != batch.before.seq:
                    raise TargetError(
                        f"{self.where}: the position of {batch.tape} is {stored.seq}, expected {batch.before.seq}: "
                        f"another process follows this tape into the same prefix, or keys were deleted. Stop one of "
                        f"them; what is missing is filled from the tape"
                    )
                pipe.multi()  # type: ignore[no-untyped-call]
                streams = script.streams(changes, self._settings.prefix)
                self._put(pipe, batch.tape, changes, streams.values())
                at, as_of = batch.position, stored.state if state is None else batch.position.seq
                moved = msgspec.json.encode(_Stored(FORMAT, at.seq, at.begin, at.marks, as_of, batch.whole))
                keys, values = (key, self._key("state", batch.tape)), (moved, state or b"")
                length, ttl = self._settings.stream_length, self._settings.ttl
                pipe.execute_command(
                    "EVAL", script.SCRIPT, *script.arguments(changes, keys, streams, values, length, ttl)
                )
                await pipe.execute()
        return Committed(len(changes.hashes) + len(changes.messages), as_of or batch.position.begin - 1)

    def _put(self, pipe: Any, tape: str, changes: Changes, streams: Iterable[str]) -> None:
        """What holds now, and which keys are of this tape."""
        settings, keys = self._settings, list(streams)
        for name, fields in changes.hashes.items():
            key = f"{settings.prefix}{name}"
            pipe.hset(key, mapping=fields)
            if settings.ttl and not name.startswith("position:"):
                pipe.expire(key, settings.ttl)
            keys.append(key)
        for account, tickers in changes.holders.items():
            index = self._key("positions", f"{tape}:{account}")
            _add(pipe, index, tickers)
            keys.append(index)
        if changes.holders:
            accounts = self._key("accounts", tape)
            _add(pipe, accounts, list(changes.holders))
            keys.append(accounts)
        _add(pipe, self._key("keys", tape), keys)

    async def upkeep(self) -> None:
        """Nothing: the server lets go what is too old by itself."""


def _add(pipe: Any, key: str, members: Sequence[str | int]) -> None:
    for at in range(0, len(members), MEMBERS):
        pipe.sadd(key, *members[at : at + MEMBERS])


def _begun(folder: Path, position: Position) -> EngineState:
    """The engine's state to begin at, where the tape's beginning is gone: the newest that lies within what was taken,
    else the one that leaves least unpublished. Raises SinkError if there is none, TapeError."""
    with TapeReader(folder, from_seq=None) as reader:
        released = reader.positions.released_seq
    found, refused = None, list[str]()
    for state in engine_state.begins(folder, position.begin, released):
        if isinstance(state, ValueError):
            refused.append(str(state))
            continue
        found = state
        if state.seq <= position.seq:
            break
    if found is None:
        raise SinkError(
            f"tape {folder}: begins with record {position.begin}, and no snapshot of the engine stands there or behind "
            f"it ({'; '.join(refused) or 'there is none'}): what stood is not known. Let the engine take one (its end "
            f"does), or restore the older segments"
        )
    return found


def _position(stored: _Stored) -> Position:
    return Position(stored.seq, tuple(Mark(*mark) for mark in stored.marks), stored.begin)


def target(config: Config) -> RedisTarget:
    """As the settings say. Raises ConfigError."""
    return RedisTarget(config.sinks.redis, config.env)

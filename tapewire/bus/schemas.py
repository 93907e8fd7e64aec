"""The schemas on the bus: answered at `<env>.ops.schema.<file>`, and kept in a KV bucket of JetStream."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import orjson
from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig
from nats.js.errors import BucketNotFoundError, KeyNotFoundError

from tapewire.bus.permissions import bucket
from tapewire.errors import SubjectError, TransportError
from tapewire.subjects import Subject
from tapewire.transports.nats import NatsTransport

LAYOUT: Final = "layout"
HISTORY: Final = 5
"""Versions of each that the bucket keeps."""


@cache
def files() -> dict[str, bytes]:
    """The text of each, by its name: `market.capnp` and so on, and `layout`, see tapewire/bus/layout.py."""
    kept = orjson.loads(Path(__file__).with_name("schemas.json").read_bytes())
    return {name: orjson.dumps(text) if name == LAYOUT else text.encode() for name, text in kept.items()}


def answer(asked: str) -> bytes:
    """What a request on the subject `asked` gets, whatever it says."""
    try:
        name = Subject.parse(asked).key
    except SubjectError as error:
        return str(error).encode()
    return files().get(name) or f"no schema {name!r}; there are {', '.join(files())}".encode()


async def keep(transport: NatsTransport, env: str) -> int:
    """Puts into the bucket what it does not hold yet; returns how many. Raises TransportError if it cannot."""
    name, put = bucket(env), 0
    try:
        jetstream = transport.jetstream()
        try:
            store = await jetstream.key_value(name)
        except BucketNotFoundError:
            store = await jetstream.create_key_value(KeyValueConfig(bucket=name, history=HISTORY))
        for file, text in files().items():
            try:
                if (await store.get(file)).value == text:
                    continue
            except KeyNotFoundError:
                pass
            await store.put(file, text)
            put += 1
    except (NatsError, TimeoutError, OSError) as error:
        raise TransportError(
            f"KV bucket {name}: {error or type(error).__name__}. Does the server run JetStream?"
        ) from None
    return put

"""The stream's messages as they come."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

import pytest

from services.replica.stream import EXPECTED, Stored, Stream, Tail
from tapewire.errors import WireError
from tapewire.replication.part import HEADER, Part, encode
from tapewire.transports.nats import NatsTransport

PART = Part(kind="frames", mark="m", holder="them", epoch=1, position=0, end=10)


class Came(NamedTuple):
    """A message of the bus."""

    headers: dict[str, str]
    data: bytes = b"frames"
    subject: str = "frames"
    reply: str = ""


def taken(*messages: Came) -> list[Stored]:
    tail = Tail(cast(Stream, None), cast(NatsTransport, None))
    for message in messages:
        tail._on_message(message)
    return asyncio.run(tail.next(10, 0.0))


def test_a_message_is_the_one_behind_what_it_expected() -> None:
    assert taken(Came({HEADER: encode(PART), EXPECTED: "41"})) == [Stored(42, PART, b"frames")]


@pytest.mark.parametrize("missing", [HEADER, EXPECTED])
def test_what_somebody_else_published_there_is_told_as_that(missing: str) -> None:
    said = {HEADER: encode(PART), EXPECTED: "41"}
    del said[missing]
    with pytest.raises(WireError, match=f"without the header {missing}: somebody else published there"):
        taken(Came(said))

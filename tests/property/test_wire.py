"""The flat codec on hostile bytes: every answer is a message that round-trips, or a WireError; never anything else."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.errors import WireError
from tapewire.wire._wire import IntField, is_flat
from tests.messages_by_example import CLASSES, example


def outcome(raw: bytes) -> m.Message | None:
    try:
        message = m.decode(raw)
    except WireError:
        return None
    assert is_flat(bytes(message))
    assert m.decode(bytes(message)) == message
    repr(message), message.to_dict()
    return message


@given(cls=st.sampled_from(CLASSES), seed=st.integers(0, 2**32), flips=st.integers(1, 8), cut=st.integers(0, 64))
@settings(max_examples=1500, deadline=None)
def test_mutated_messages_never_break_the_reader(cls: type[m.Message], seed: int, flips: int, cut: int) -> None:
    pick = random.Random(seed)
    raw = bytearray(bytes(example(cls)))
    for _ in range(flips):
        raw[pick.randrange(len(raw))] ^= 1 << pick.randrange(8)
    outcome(bytes(raw[: len(raw) - cut] if pick.random() < 0.5 else raw))


@given(words=st.lists(st.integers(0, 2**64 - 1), max_size=40))
@settings(max_examples=500, deadline=None)
def test_arbitrary_words_never_break_the_reader(words: list[int]) -> None:
    body = b"".join(w.to_bytes(8, "little") for w in words)
    outcome(body)
    outcome(b"\0\0\0\0" + len(words).to_bytes(4, "little") + body)


@given(data=st.data(), cls=st.sampled_from(CLASSES))
@settings(max_examples=400, deadline=None)
def test_integers_of_any_size_come_back_as_they_went(data: st.DataObject, cls: type[m.Message]) -> None:
    fields = {
        name: data.draw(
            st.integers(-(2 ** (8 * f.size - 1)), 2 ** (8 * f.size - 1) - 1)
            if f.signed
            else st.integers(0, 2 ** (8 * f.size) - 1),
            label=name,
        )
        for name, f in cls.FIELDS.items()
        if isinstance(f, IntField)
    }
    message = m.decode(bytes(cls(**fields)))
    assert {name: getattr(message, name) for name in fields} == fields

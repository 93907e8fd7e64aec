"""The offsets as data, read the way a program in another language would: by them alone."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tapewire import messages as m
from tapewire.bus.schemas import LAYOUT, files
from tests.messages_by_example import CLASSES, example

SIZES = {"int8": "<b", "uint8": "<B", "int16": "<h", "uint16": "<H", "int32": "<i", "uint32": "<I"}
SIZES |= {"int64": "<q", "uint64": "<Q"}


@pytest.fixture(scope="module")
def layout() -> dict[str, Any]:
    import orjson

    found: dict[str, Any] = orjson.loads(files()[LAYOUT])
    return found


def read(raw: bytes, at: dict[str, Any], layout: dict[str, Any], base: int = 0) -> object:
    where, kind = base + at["at"], at["type"]
    if kind == "bool":
        return bool(raw[where] >> at["bit"] & 1)
    if kind == "text":
        end = raw.find(b"\0", where)
        return raw[where:end].decode() if end > 0 else ""
    if kind == "list":
        count = struct.unpack_from("<I", raw, at["count_at"])[0] >> 2 if len(raw) > at["count_at"] else 0
        return [[read(raw, of, layout, where + n * at["size"]) for of in at["fields"].values()] for n in range(count)]
    if kind in SIZES:
        return struct.unpack_from(SIZES[kind], raw, where)[0]
    return layout["enums"][kind][struct.unpack_from("<H", raw, where)[0]]


def expected(value: Any) -> object:
    if isinstance(value, m.MessageType | m.Side) or hasattr(value, "name"):
        return value.name
    if isinstance(value, list | tuple):
        return [[expected(one) for one in element] for element in value]
    return value


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_field_of_every_message_is_where_the_layout_says(cls: type[m.Message], layout: dict[str, Any]) -> None:
    message = example(cls)
    places = layout["messages"][cls.__name__]
    raw = bytes(message)
    assert struct.unpack_from("<H", raw, layout["type_at"])[0] == places["type"] == cls.TYPE
    for name, at in (layout["header"] | places["fields"]).items():
        if name == "type":
            continue
        found, wanted = read(raw, at, layout), expected(getattr(message, name))
        if at["type"] == "list":
            wanted = [
                [dict(zip(element._fields, row, strict=True))[f] for f in at["fields"]]
                for element, row in zip(getattr(message, name), wanted, strict=True)  # type: ignore[call-overload]
            ]
        assert found == wanted, name


def test_the_layout_knows_every_message(layout: dict[str, Any]) -> None:
    assert {cls.__name__ for cls in CLASSES} == set(layout["messages"])

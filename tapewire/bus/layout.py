"""Where every field of every message lies, as data: for languages that read the bytes without Cap'n Proto.

    {"header": {"seq": {"at": 16, "type": "uint64"}, …},
     "enums": {"Side": ["unspecified", "buy", "sell"], …},
     "messages": {"Trade": {"type": 1, "bytes": 184, "fields": {"price": {"at": 80, "type": "int64"}, …}}, …}}

`at` counts bytes from the message's first; little-endian. A `bool` has its `bit`. A `text` ends with a NUL: one with
`room` lies at `at`; one without is the message's end. A `list` has its `count` in the 32 bits at `count_at`, shifted
left by two, if the message is longer than `bytes`; its elements begin at `at`, `size` bytes apart, with `fields` of
their own. The type of a message is the 16 bits at `type_at`.
"""

from __future__ import annotations

from typing import Any

from tapewire.wire.schema import HEADER_AT, Enum, Layout, Scalar, Struct, snake


def layout(enums: list[Enum], structs: list[Struct]) -> dict[str, Any]:
    by_name = {s.name: s for s in structs}
    header = by_name["Header"]
    types = {name: number for number, name in enumerate(next(e for e in enums if e.name == "MessageType").values)}
    return {
        "type_at": HEADER_AT + next(f.at for f in header.scalars if f.name == "type"),
        "header": {f.name: _scalar(f, HEADER_AT) for f in header.scalars},
        "enums": {e.name: e.values for e in enums},
        "messages": {
            s.name: {"type": types[snake(s.name)], **_message(s, Layout(s, header.data_words), by_name)}
            for s in structs
            if s.is_message
        },
    }


def _message(struct: Struct, at: Layout, by_name: dict[str, Struct]) -> dict[str, Any]:
    fields = {f.name: _scalar(f, at.data_at) for f in struct.scalars}
    for p in struct.pointers:
        if p.kind == "text":
            fields[p.name] = {"at": at.room_at.get(p.name, at.bytes), "type": "text"}
            if p.room:
                fields[p.name]["room"] = p.room
        elif p.kind == "list":
            element = by_name[str(p.element)]
            fields[p.name] = {
                "at": at.bytes + 8,
                "type": "list",
                "count_at": at.bytes,
                "size": 8 * element.data_words,
                "fields": {f.name: _scalar(f, 0) for f in element.scalars},
            }
    return {"bytes": at.bytes, "fields": fields}


def _scalar(field: Scalar, base: int) -> dict[str, Any]:
    found: dict[str, Any] = {"at": base + field.at, "type": field.enum or field.kind}
    if field.bit is not None:
        found["bit"] = field.bit
    return found

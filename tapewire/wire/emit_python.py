# ruff: noqa: E501 (lines of generated code are as long as they are)
"""Writes `tapewire/messages.py`: one class per message, one descriptor per field at its constant offset."""

from __future__ import annotations

from tapewire.wire.schema import BANNER, HEADER_AT, SCALARS, Enum, Layout, Scalar, Struct, snake


def py_field(s: Scalar, base: int) -> str:
    """The descriptor of one scalar."""
    if s.enum:
        return f"EnumField({base + s.at}, {s.enum})"
    if s.bit is not None:
        return f"BoolField({base + s.at}, {s.bit})"
    size = SCALARS[s.kind][1]
    return f"IntField({base + s.at}, {size}, {s.kind.startswith('int')})"


def emit_python(enums: list[Enum], structs: list[Struct]) -> str:
    by_name = {s.name: s for s in structs}
    header = by_name["Header"]
    messages = [s for s in structs if s.is_message]
    plain = [s for s in structs if not s.is_message and s.name != "Header"]
    names = sorted(
        [e.name for e in enums]
        + [s.name for s in messages]
        + [s.name for s in plain]
        + ["Message", "decode", "type_of"]
    )
    out = [
        f'"""{BANNER}',
        "",
        "Every message Tapewire sends, as a typed, immutable view of its bytes. Header fields (seq, cause, ts, ...) are",
        "attributes of each message. `bytes(m)` are the very bytes of the wire and of the tape.",
        '"""',
        "",
        "# ruff: noqa: E501",
        "from __future__ import annotations",
        "",
        "from enum import IntEnum",
        "from typing import NamedTuple",
        "",
        "from tapewire.wire._wire import BoolField, EnumField, IntField, ListField, Message, TextField, decode, register, type_of",
        "",
        "__all__ = [",
        *[f'    "{n}",' for n in names],
        "]",
        "",
    ]
    for e in enums:
        out += ["", f"class {e.name}(IntEnum):"]
        if e.doc:
            out += [f'    """{e.doc}"""', ""]
        for i, (v, doc) in enumerate(zip(e.values, e.docs, strict=True)):
            out.append(f"    {v} = {i}")
            if doc:
                out.append(f'    """{doc}"""')
        out.append("")
    for s in plain:
        out += ["", f"class {s.name}(NamedTuple):"]
        if s.doc:
            out += [f'    """{s.doc}"""', ""]
        for f in sorted(s.scalars, key=lambda f: f.at):
            out.append(f"    {f.name}: {f.enum or 'int'}{' = ' + (f.enum + '.unspecified' if f.enum else '0')}")
            if f.doc:
                out.append(f'    """{f.doc}"""')
        out.append("")
    for s in messages:
        layout = Layout(s, header.data_words)
        out += ["", f"class {s.name}(Message):"]
        out += [f'    """{s.doc or s.name + ": see schemas."}"""', "", "    __slots__ = ()"]
        for f in header.scalars:
            out.append(f"    {f.name} = {py_field(f, HEADER_AT)}")
        for f in s.scalars:
            out.append(f"    {f.name} = {py_field(f, layout.data_at)}")
            if f.doc:
                out.append(f'    """{f.doc}"""')
        for p in s.pointers:
            pointer_at = layout.pointers_at + 8 * p.index
            if p.kind == "text":
                out.append(
                    f"    {p.name} = TextField({pointer_at}, {layout.room_at.get(p.name, layout.bytes)}, {p.room})"
                )
            elif p.kind == "list":
                element = by_name[str(p.element)]
                of_each = [
                    f"({f.at}, {SCALARS[f.kind][1]}, {f.kind.startswith('int')}, {f.enum or None})"
                    for f in sorted(element.scalars, key=lambda f: f.at)
                ]
                parts = ", ".join(of_each) if len(of_each) > 1 else of_each[0] + ","
                out.append(
                    f"    {p.name}: ListField[{p.element}] = ListField({pointer_at}, {layout.bytes}, {8 * element.data_words}, {p.element}, ({parts}))"
                )
            else:
                continue
            if p.doc:
                out.append(f'    """{p.doc}"""')
        out.append("")
    out += ["", "for _message, _type in ("]
    out += [f"    ({s.name}, MessageType.{snake(s.name)})," for s in messages]
    out += ["):", "    register(_message, _type)", ""]
    return "\n".join(out)

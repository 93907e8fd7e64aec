# ruff: noqa: E501 (lines of generated code are as long as they are)
"""Writes `layout.hpp`: structs whose members lie where the schema says, asserted one by one, and a table of all layouts."""

from __future__ import annotations

from tapewire.wire.schema import BANNER, FRAMING_BYTES, SCALARS, Enum, Layout, Struct, snake


def data_members(struct: Struct) -> list[str]:
    """C++ members of one data section, gaps named, and an assertion for every offset."""
    lines: list[str] = []
    at = 0
    seen_bits: set[int] = set()
    for s in sorted(struct.scalars, key=lambda s: (s.at, s.bit or 0)):
        if s.bit is not None and s.at in seen_bits:
            continue
        if s.at > at:
            lines.append(f"    uint8_t gap_{at}[{s.at - at}];")
        if s.bit is not None:
            seen_bits.add(s.at)
            lines.append(f"    uint8_t bits_{s.at};")
            at = s.at + 1
        else:
            ctype, size = SCALARS[s.kind]
            lines.append(f"    {s.enum or ctype} {s.name};")
            at = s.at + size
    if at < 8 * struct.data_words:
        lines.append(f"    uint8_t gap_{at}[{8 * struct.data_words - at}];")
    for s in struct.scalars:
        if s.bit is not None:
            lines.append(f"    bool {s.name}() const {{ return bits_{s.at} >> {s.bit} & 1; }}")
            lines.append(
                f"    void set_{s.name}(bool on) {{ bits_{s.at} = uint8_t((bits_{s.at} & ~{1 << s.bit}) | (on ? {1 << s.bit} : 0)); }}"
            )
    return lines


def emit_cpp(enums: list[Enum], structs: list[Struct]) -> str:
    by_name = {s.name: s for s in structs}
    header = by_name["Header"]
    out = [
        f"// {BANNER}",
        "#pragma once",
        "#include <cstddef>",
        "#include <cstdint>",
        "",
        "namespace tapewire::wire {",
        "",
    ]
    for e in enums:
        out.append(f"enum class {e.name} : uint16_t {{")
        out += [f"    {v} = {i}," for i, v in enumerate(e.values)]
        out += ["};", ""]
    for s in structs:
        if s.is_message:
            continue
        out += [f"struct {s.name} {{", *data_members(s), "};"]
        out.append(f"static_assert(sizeof({s.name}) == {8 * s.data_words});")
        out += [f"static_assert(offsetof({s.name}, {f.name}) == {f.at});" for f in s.scalars if f.bit is None]
        out.append("")
    types = next(e for e in enums if e.name == "MessageType").values
    messages = [s for s in structs if s.is_message]
    for s in messages:
        layout = Layout(s, header.data_words)
        pointers = sorted(s.pointers, key=lambda p: p.index)
        out.append(f"struct {s.name} {{")
        out.append(f"    static constexpr MessageType TYPE = MessageType::{snake(s.name)};")
        out.append("    uint64_t framing;")
        out.append("    uint64_t root;")
        out.append("    Header header;")
        out += data_members(s)
        out += [f"    uint64_t {p.name}_pointer;" for p in pointers]
        out += [f"    char {p.name}[{p.room}];" for p in pointers if p.name in layout.room_at]
        out.append("};")
        out.append(f"static_assert(sizeof({s.name}) == {layout.bytes});")
        out += [
            f"static_assert(offsetof({s.name}, {f.name}) == {layout.data_at + f.at});"
            for f in s.scalars
            if f.bit is None
        ]
        out.append(f"inline constexpr {s.name} BLANK_{snake(s.name).upper()} = [] {{")
        out.append(f"    {s.name} m{{}};")
        out.append(f"    m.framing = {(layout.bytes - FRAMING_BYTES) // 8}ull << 32;")
        out.append(f"    m.root = {layout.root:#x}ull;")
        out.append(f"    m.header.type = MessageType::{snake(s.name)};")
        out += [f"    m.{p.name}_pointer = {layout.blank(p):#x}ull;" for p in pointers if layout.blank(p)]
        out += ["    return m;", "}();", ""]
    out += [
        "// One pointer of a message: 1 = text with room, 2 = tail text, 3 = tail list.",
        "struct PointerLayout { uint8_t kind; uint8_t index; uint16_t room_at; uint16_t room; uint16_t element_words; };",
        "struct MessageLayout {",
        "    uint16_t bytes, data_at, data_words, pointers_at, pointer_words;",
        "    uint8_t header_index, pointer_count;",
        "    uint64_t root, header_pointer;",
        "    PointerLayout pointers[6];",
        "};",
        f"inline constexpr size_t TYPE_COUNT = {len(types)};",
        "inline constexpr MessageLayout LAYOUTS[TYPE_COUNT] = {",
    ]
    for t in types:
        s2 = next((s for s in messages if snake(s.name) == t), None)
        if s2 is None:
            out.append(f"    {{}},  // {t}")
            continue
        layout = Layout(s2, header.data_words)
        head = next(p for p in s2.pointers if p.kind == "header")
        rest = [p for p in s2.pointers if p.kind != "header"]
        cells = []
        for p in rest:
            kind = 3 if p.kind == "list" else (1 if p.room else 2)
            words = by_name[p.element].data_words if p.element else 0
            cells.append(f"{{{kind}, {p.index}, {layout.room_at.get(p.name, layout.bytes)}, {p.room}, {words}}}")
        out.append(
            f"    {{{layout.bytes}, {layout.data_at}, {s2.data_words}, {layout.pointers_at}, {s2.pointer_words}, "
            f"{head.index}, {len(rest)}, {layout.root:#x}ull, {layout.blank(head):#x}ull, {{{', '.join(cells)}}}}},  // {t}"
        )
    out += [
        "};",
        "",
        "// A message of each type with nothing set, LAYOUTS[type].bytes long.",
        "inline const void* const BLANKS[TYPE_COUNT] = {",
    ]
    out += [
        f"    &BLANK_{t.upper()}," if any(snake(s.name) == t for s in messages) else f"    nullptr,  // {t}"
        for t in types
    ]
    out += ["};", "", "}  // namespace tapewire::wire", ""]
    return "\n".join(out)

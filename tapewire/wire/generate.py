"""Generates `layout.hpp` and `../messages.py` from the schemas: `python -m tapewire.wire.generate [--check]`.

A flat message is an ordinary Cap'n Proto message whose layout is constant:

    byte 0    framing      one segment, its length in words
    byte 8    root         struct pointer, constant per message type
    byte 16   Header       56 bytes, the same place in every message
    byte 72   data         the struct's data section, offsets as the compiled schema gives them
              pointers     to the header (backwards), to each text and list
              rooms        one per text with `$room`, zero padded
              tail         the one text or list without room, as long as it needs

No offset is typed by hand: all come from `schema.node.struct`. The output is committed, so that building
needs no Cap'n Proto; a test runs `--check`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tapewire.wire.emit_cpp import emit_cpp
from tapewire.wire.emit_python import emit_python
from tapewire.wire.schema import load

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"python -m tapewire.wire.generate [--check]; got {' '.join(arguments)}", file=sys.stderr)
        return 2
    enums, structs = load()
    stale = []
    for path, text in (
        (ROOT / "tapewire/wire/layout.hpp", emit_cpp(enums, structs)),
        (ROOT / "tapewire/messages.py", emit_python(enums, structs)),
    ):
        if arguments:
            if not path.exists() or path.read_text() != text:
                stale.append(str(path.relative_to(ROOT)))
        else:
            path.write_text(text)
    if stale:
        print(f"out of date with schemas/: {', '.join(stale)}; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

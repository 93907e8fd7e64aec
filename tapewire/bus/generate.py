"""`python -m tapewire.bus.generate [--check]`: schemas.json, docs/asyncapi.json and the table of docs/subjects.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tapewire.bus.asyncapi import document, table
from tapewire.bus.layout import layout
from tapewire.wire.schema import FILES, SCHEMAS, load

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = ROOT / "docs" / "subjects.md"
BEGIN, END = "<!-- channels: from tapewire/bus/channels.py -->\n", "<!-- end of channels -->\n"


def outputs() -> dict[Path, str]:
    """Each generated file and what it must hold."""
    enums, structs = load()
    places = layout(enums, structs)
    docs = {s.name: {f.name: f.doc for f in s.scalars} | {p.name: p.doc for p in s.pointers} for s in structs}
    files = {f"{name}.capnp": (SCHEMAS / f"{name}.capnp").read_text() for name in FILES}
    text = SUBJECTS.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return {
        Path(__file__).with_name("schemas.json"): _json({"layout": places, **files}),
        ROOT / "docs" / "asyncapi.json": _json(document(places, docs)),
        SUBJECTS: f"{before}{BEGIN}\n{table()}\n{END}{after}",
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: not what its sources give; run `make generate`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in outputs().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

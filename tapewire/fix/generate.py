"""`python -m tapewire.fix.generate [--check]`: the dictionaries, and the tables of docs/fix.md, from `rules.toml`."""

from __future__ import annotations

import sys
from pathlib import Path

from tapewire.fix.document import fill
from tapewire.fix.rules import FILES, FOLDER, read, xml

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "fix.md"


def outputs() -> dict[Path, str]:
    """Each generated file and what it must hold."""
    rules = read()
    files = {FOLDER / f"{file.name}.xml": xml(rules, file) for file in FILES}
    files[DOCUMENT] = fill(DOCUMENT.read_text(encoding="utf-8"), rules)
    return files


def main(arguments: list[str]) -> int:
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path}: is not what rules.toml gives; run `make generate`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

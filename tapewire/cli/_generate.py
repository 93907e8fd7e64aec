"""`python -m tapewire.cli._generate [--check]`: docs/cli.md."""

from __future__ import annotations

import sys
from pathlib import Path

from tapewire.cli._document import document

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def main(arguments: list[str]) -> int:
    text = document()
    if "--check" in arguments:
        if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != text:
            print(f"{DOCUMENT}: is not what the commands' help says; run `make generate`", file=sys.stderr)
            return 1
        return 0
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

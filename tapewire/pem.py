"""PEM files that settings name: of one that is not there OpenSSL says neither the setting nor the path; this does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def unreadable(files: Mapping[str, Path]) -> str:
    """Why the first of these cannot be read, by the setting that names it; empty: all can, or are not set (Path())."""
    for setting, path in files.items():
        if path == Path():
            continue
        try:
            path.open("rb").close()
        except OSError as error:
            return (
                f"{setting}: {path} cannot be read: {error.strerror}; expected a PEM file that the user who runs this "
                f"({os.geteuid()}) can read. Put it there, or name another"
            )
    return ""

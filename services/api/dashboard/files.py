"""The dashboard's files as the API serves them: all in memory, so that no request can reach another file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
INDEX = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
SERVED = (INDEX, "icon.svg", "css/*.css", "js/*.js", "vendor/*.css", "vendor/*.js", "vendor/*.txt")
NEEDED = ("preact.js", "preact-hooks.js", "htm.js", "uplot.js", "uplot.css", "lightweight-charts.js")
HOW = "The dashboard's JavaScript was not fetched when this was built: `make dashboard` does it where npm is in reach."


class File(NamedTuple):
    body: bytes
    media_type: str
    etag: str
    """Strong, quotes included: it is the content's hash."""


def missing(folder: Path = FOLDER) -> str:
    """Why the dashboard cannot be shown, and how to get it; empty if it can."""
    return "" if all((folder / "vendor" / name).exists() for name in NEEDED) else HOW


def load(folder: Path = FOLDER) -> dict[str, File]:
    """Path below `/dashboard/` → file; `""` is the page. What is missing gives one page that says how to get it."""
    if problem := missing(folder):
        page = f"<!doctype html><title>Tapewire</title><p>{problem}</p><p>The API itself works: /v1, /docs.</p>"
        return {"": _file(page.encode(), ".html")}
    found = {
        path.relative_to(folder).as_posix(): _file(path.read_bytes(), path.suffix)
        for pattern in SERVED
        for path in sorted(folder.glob(pattern))
    }
    return {"": found[INDEX], **found}


def policy(stream_url: str) -> str:
    """The Content-Security-Policy of every file. `stream_url` is the WebSocket's, such as `wss://host:8081`."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src 'self' {stream_url}".rstrip(),
            "img-src 'self' data:",
            "font-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ]
    )


def _file(body: bytes, suffix: str) -> File:
    return File(body, MEDIA_TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')

"""Pages: the OpenAPI document, what shows it, and the dashboard. All from memory; nothing from elsewhere."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.api.http.call import OPEN, Call, Endpoint
from services.api.http.messages import JSON, Reply

FOLDER: Final = Path(__file__).parent / "docs"
DOCS: Final = {
    "": ("docs.html", "text/html; charset=utf-8"),
    "docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    "docs.css": ("docs.css", "text/css; charset=utf-8"),
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Nothing(Struct):
    """A page."""


def openapi(call: Call) -> Reply:
    return Reply(200, call.api.document, JSON, {"Cache-Control": "no-cache"})


def docs(call: Call) -> Reply:
    return _page("")


def docs_file(call: Call) -> Reply:
    name = call.path["name"]
    if name not in DOCS:
        raise LookupError("there is no such page")
    return _page(name)


def root(call: Call) -> Reply:
    return Reply(307, b"", "text/plain", {"Location": "/dashboard/"})


@lru_cache(maxsize=len(DOCS))
def _read(name: str) -> tuple[bytes, str]:
    body = (FOLDER / DOCS[name][0]).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _page(name: str) -> Reply:
    body, etag = _read(name)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": etag}
    return Reply(200, body, DOCS[name][1], headers)


SHOWN: Final = {200: (Nothing, "The page")}
ENDPOINTS: Final = (
    Endpoint("GET", "/", root, "The dashboard", "", "", SHOWN, scope=OPEN),
    Endpoint("GET", "/openapi.json", openapi, "The OpenAPI document", "", "", SHOWN, scope=OPEN),
    Endpoint("GET", "/docs", docs, "This description", "", "", SHOWN, scope=OPEN),
    Endpoint("GET", "/docs/{name}", docs_file, "Its parts", "", "", SHOWN, scope=OPEN),
)

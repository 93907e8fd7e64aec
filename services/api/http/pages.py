"""Pages: the OpenAPI document, what shows it, and the dashboard. All from memory; nothing from elsewhere."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.api.dashboard import files
from services.api.http.access import STREAM, stream_url
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


def dashboard(call: Call) -> Reply:
    file = _dashboard().get(call.path.get("path", ""))
    if file is None:
        raise LookupError("the dashboard has no such file")
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
    headers["Content-Security-Policy"] = files.policy(stream_url(call).removesuffix(STREAM))
    if call.request.headers.get("if-none-match") == file.etag:
        return Reply(304, b"", file.media_type, headers)
    return Reply(200, file.body, file.media_type, headers)


@cache
def _dashboard() -> dict[str, files.File]:
    return files.load()


def root(call: Call) -> Reply:
    return Reply(307, b"", "text/plain", {"Location": "/dashboard/"})


@cache
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
    Endpoint("GET", "/dashboard/{path...}", dashboard, "The dashboard", "", "", SHOWN, scope=OPEN),
    Endpoint("GET", "/openapi.json", openapi, "The OpenAPI document", "", "", SHOWN, scope=OPEN),
    Endpoint("GET", "/docs", docs, "This description", "", "", SHOWN, scope=OPEN),
    Endpoint("GET", "/docs/{name}", docs_file, "Its parts", "", "", SHOWN, scope=OPEN),
)

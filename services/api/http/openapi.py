"""The OpenAPI 3.1 document, made from the table of endpoints: what is routed is what it says."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from services.api import types
from services.api.http.call import ANY, OPEN, Endpoint
from services.api.problems import KINDS, MEDIA_TYPE
from services.api.requests import Amend, AmendParent, Kill, Login, MassCancel, NewOrder, NewParent, SetLimits, SetStatus

REF: Final = "#/components/schemas/{name}"
DECIMAL: Final = {"pattern": r"^[0-9]{1,19}(\.[0-9]{1,18})?$", "examples": ["64000.00"]}
DIGITS: Final = {"pattern": r"^[0-9]{1,19}$", "examples": ["1790000000000000000"]}
MANTISSA: Final = {"minimum": 0, "maximum": (1 << 63) - 1}
BPS: Final = {"minimum": 0, "maximum": 10_000}
# What a field may hold beyond its type, wherever a client sends it.
CONSTRAINTS: Final[dict[str, dict[str, Any]]] = {
    "cl_ord_id": {"minLength": 1, "maxLength": 39, "pattern": r"^[ -~]+$"},
    "account": {"minimum": 0, "maximum": (1 << 20) - 1},
    "ticker": {"pattern": r"^[!-~]{1,31}$"},
    **dict.fromkeys(("price", "qty", "stop_price", "display_qty", "min_qty", "limit_price"), DECIMAL),
    **dict.fromkeys(("expire_time", "resume_time", "start_time", "end_time"), DIGITS),
    **dict.fromkeys(("max_order_qty", "max_notional"), MANTISSA),
    "max_position": {"minimum": 0, "maximum": 1 << 60},
    "self_trade_group": {"minimum": 0, "maximum": (1 << 20) - 1},
    "reason": {"maxLength": 63, "pattern": r"^[ -~]*$"},
    **dict.fromkeys(("participation_bps", "max_participation_bps", "randomness_bps", "urgency_bps"), BPS),
    "interval_ms": {"minimum": 0, "maximum": 1 << 32},
}
SENT: Final = (NewOrder, Amend, MassCancel, SetLimits, Kill, SetStatus, NewParent, AmendParent, Login)
ALWAYS: Final = (400, 422, 429, 431, 500)
PROVEN: Final = (401, 403)
WITH_BODY: Final = (413, 415)
INTRODUCTION: Final = """\
Orders, markets, positions, risk and the tape of one Tapewire environment.

Money (prices, quantities, notionals, P&L) is decimal text, times are UTC nanoseconds as text of digits, numbers of
records and orders are integers below 2^53. Every refusal is `application/problem+json` (RFC 9457) with the field and
the reason. A request that changes something carries its own ClOrdID: sent again, it is answered what the first one
became. See docs/api.md for how requests are signed.
"""
SECURITY: Final = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "Tapewire-Key",
        "description": "Name of the API key. With it come Tapewire-Timestamp (UTC ms), Tapewire-Nonce (new each time) "
        "and Tapewire-Signature: base64 of HMAC-SHA256 or Ed25519 over "
        "`timestamp\\nnonce\\nMETHOD\\npath?query\\nsha256hex(body)`.",
    },
    "login": {
        "type": "apiKey",
        "in": "cookie",
        "name": "tapewire_session",
        "description": "Set by POST /v1/login. Requests that change something carry Tapewire-Csrf besides.",
    },
}
RATE_HEADERS: Final = {
    "RateLimit-Limit": {"description": "Requests at once.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until all are.", "schema": {"type": "integer"}},
}


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The document as it is served."""
    shown = [one for one in endpoints if one.tag]
    kinds: list[type[Struct]] = [types.Problem]
    for one in shown:
        kinds += [shape for shape, _ in one.answers.values()]
        kinds += [one.body] if one.body is not None else []
    _, components = msgspec.json.schema_components(list(dict.fromkeys(kinds)), schema_hook=_anything, ref_template=REF)
    components = _without_tuples(components)
    for kind in SENT:
        _constrain(components[kind.__name__])
    components["Problem"]["properties"]["status"]["enum"] = list(KINDS)
    paths: dict[str, dict[str, Any]] = {}
    for one in shown:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tapewire", "version": version, "description": INTRODUCTION, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(one.tag for one in shown)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": SECURITY,
            "responses": {str(status): _problem(status) for status in KINDS},
        },
    }


def _without_tuples(schema: Any) -> Any:
    """Rows of different types said by bounds alone: few readers of the document know `prefixItems`."""
    if isinstance(schema, list):
        return [_without_tuples(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _without_tuples(value) for key, value in schema.items()}
    if "prefixItems" in found:
        parts = [part["type"] for part in found.pop("prefixItems")]
        found["items"] = {"type": sorted(set(parts))}
        found["description"] = ", ".join(parts)
    return found


def _anything(kind: type) -> dict[str, Any]:
    """Of values that depend on the record."""
    return {"description": "A number, text, or list, as the record has it."}


_LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _operation(one: Endpoint) -> dict[str, Any]:
    name = one.handle.__name__ + "_" + one.tag
    found: dict[str, Any] = {
        "operationId": name,
        "summary": one.summary,
        "description": one.description + ("" if one.scope in (OPEN, ANY) else f" Scope: {one.scope}."),
        "tags": [one.tag],
        "security": [] if one.scope == OPEN else [{"key": []}, {"login": []}],
        "parameters": [*_path_parameters(one), *_query_parameters(one), *_write_parameters(one)],
        "responses": {str(status): _answer(one, status) for status in one.answers},
    }
    problems = {*ALWAYS, *one.problems}
    problems |= set() if one.scope == OPEN else set(PROVEN)
    problems |= set(WITH_BODY) if one.body is not None else set()
    for status in sorted(problems - set(one.answers)):
        found["responses"][str(status)] = {"$ref": f"#/components/responses/{status}"}
    if one.body is not None:
        content: dict[str, Any] = {"schema": {"$ref": REF.format(name=one.body.__name__)}}
        if one.example is not None:
            content["examples"] = {"example": {"value": dict(one.example)}}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    if not found["parameters"]:
        del found["parameters"]
    return found


def _answer(one: Endpoint, status: int) -> dict[str, Any]:
    shape, description = one.answers[status]
    if one.handle.__name__ == "metrics":
        content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": {"$ref": REF.format(name=shape.__name__)}}}
    answer: dict[str, Any] = {"description": description, "content": content}
    if one.scope != OPEN:
        answer["headers"] = RATE_HEADERS
    return answer


def _problem(status: int) -> dict[str, Any]:
    slug, title = KINDS[status]
    body = {"type": f"/docs#problem-{slug}", "title": title, "status": status, "detail": "what is wrong with this one"}
    return {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}, "example": body}},
    }


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    found = []
    for name, description in one.params.items():
        schema = {"type": "string", "pattern": r"^[!-~]{1,31}$"}
        if name != "ticker":
            schema = {"type": "integer", "minimum": 1, "maximum": (1 << 20) - 1 if name == "account" else (1 << 53) - 1}  # type: ignore[dict-item]
        found.append({"name": name, "in": "path", "required": True, "description": description, "schema": schema})
    return found


def _query_parameters(one: Endpoint) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    (_,), components = msgspec.json.schema_components([one.query], ref_template=REF)
    properties = components[one.query.__name__]["properties"]
    docs = _docs(one.query)
    found = []
    for name, schema in properties.items():
        # A parameter that is left out is left out: there is no null in a query.
        if "anyOf" in schema:
            (schema,) = [part for part in schema["anyOf"] if part.get("type") != "null"]
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": False, "schema": schema}
        if name in docs:
            parameter["description"] = docs[name]
        found.append(parameter)
    return found


def _write_parameters(one: Endpoint) -> list[dict[str, Any]]:
    if not one.writes:
        return []
    return [
        {
            "name": "traceparent",
            "in": "header",
            "required": False,
            "description": "W3C trace context; the answer carries that of our span. One that is none is ignored.",
            "schema": {"type": "string"},
        }
    ]


def _constrain(schema: dict[str, Any]) -> None:
    for name, part in schema["properties"].items():
        wanted = CONSTRAINTS.get(name)
        if wanted is None:
            continue
        options = [option for option in part.get("anyOf", [part]) if option.get("type") in ("string", "integer")]
        for option in options:
            if ("minimum" in wanted) == (option["type"] == "integer") and "enum" not in option:
                option.update(wanted)


def _docs(kind: type[Struct]) -> dict[str, str]:
    """What the source says below each field."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.getsource(kind).splitlines():
        text = line.strip()
        if text.startswith('"""') and name:
            found[name] = text.strip('"')
        elif ":" in text and not text.startswith(("class", '"""')):
            name = text.partition(":")[0].rstrip("_")
    return found

"""The table of channels as an AsyncAPI 3.0 document, and as the table of docs/subjects.md."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from tapewire import messages as m
from tapewire.bus.channels import ANY_FEED, CHANNELS, VENUES, Channel

CAPNP: Final = "application/vnd.capnproto"
PARAMETERS: Final = {
    "env": "The environment, such as `prod`.",
    "feed": "A venue's feed, such as `binance`, or `house`, our own market.",
    "ticker": "The instrument, escaped: every byte but letters, digits, `-` and `_` as `=XX`.",
    "account": "The account's number.",
    "shard": "The number of the engine.",
    "ring": "The number of the engine (or router), `-`, the name of the producer (or client), such as `0-gateway`.",
    "service": "The service's name.",
    "file": "Name of a schema file, or `layout`.",
    "tape": "The name of a tape, escaped: `orders=2E0`.",
}
INTEGERS: Final = {"int64": (-(1 << 63), (1 << 63) - 1), "uint64": (0, (1 << 64) - 1)} | {
    f"{sign}int{bits}": ((0, (1 << bits) - 1) if sign else (-(1 << bits - 1), (1 << bits - 1) - 1))
    for bits in (8, 16, 32)
    for sign in ("u", "")
}


def table() -> str:
    """The channels in Markdown."""
    lines = ["| subject | messages | from | who may read | when | how often |", "|---|---|---|---|---|---|"]
    for one in CHANNELS:
        subject = one.address.replace("<venue>", "<feed>")
        messages = ", ".join(f"`{message.__name__}`" for message in one.messages) or "text"
        if one.asks is not None:
            asked = ", ".join(f"`{message.__name__}`" for message in one.asks) or "text or nothing"
            messages = f"request: {asked}; answer: {messages}"
        if one.messages == (m.Message,):
            messages = "any"
        headers = f"; headers {', '.join(f'`{header}`' for header in one.headers)}" if one.headers else ""
        cells = (f"`{subject}`", messages, ", ".join(one.services), one.readers, one.when + headers, one.rate)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def document(layout: dict[str, Any], docs: dict[str, dict[str, str]]) -> dict[str, Any]:
    """`layout` as tapewire/bus/layout.py gives it; `docs`: the schemas' words on each field, by message."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for one in CHANNELS:
        name = one.name if one.name not in channels else f"{one.name}.more"
        channels[name] = _channel(one, layout)
        operations[name] = _operation(one, name)
        if one.asks is not None:
            operations[name]["reply"] = {"address": {"location": "$message.header#/reply-to"}}
            if one.messages:
                channels[f"{name}.answer"] = {
                    "address": None,
                    "description": f"What a request on `{one.address}` is answered, on its reply subject.",
                    "messages": _references(one.messages, layout),
                }
                operations[name]["reply"]["channel"] = {"$ref": f"#/channels/{name}.answer"}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tapewire on NATS",
            "version": version("tapewire"),
            "description": "Every subject and message of the bus. Payloads are flat Cap'n Proto: the schemas here "
            "name the fields and their ranges; their places in the bytes are in schemas/*.capnp, or, as numbers, in "
            "the answer to a request on `<env>.ops.schema.layout`. docs/subjects.md explains them.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CAPNP,
        "servers": {"bus": {"host": "127.0.0.1:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {name: _message(name, places) for name, places in layout["messages"].items()}
            | {"Text": {"name": "Text", "contentType": "text/plain", "payload": {"type": "string"}}},
            "messageTraits": {"traced": {"headers": _trace_headers()}},
            "schemas": {
                **{name: {"type": "string", "enum": values} for name, values in layout["enums"].items()},
                "Header": _object(layout["header"], docs.get("Header", {})),
                **{name: _payload(name, places, docs) for name, places in layout["messages"].items()},
            },
        },
    }


def _channel(one: Channel, layout: dict[str, Any]) -> dict[str, Any]:
    feed = {ANY_FEED: "{feed}", VENUES: "{feed}"}.get(one.feed, one.feed)
    words = {"env", one.key} | ({"feed"} if feed == "{feed}" else set())
    return {
        "address": f"{{env}}.{feed}.{one.kind}.{{{one.key}}}",
        "title": one.address,
        "description": f"{one.when}. How often: {one.rate}. May be read by: {one.readers}.",
        "messages": _references(one.messages if one.asks is None else one.asks, layout),
        "parameters": {word: {"description": PARAMETERS[word]} for word in sorted(words)},
    }


def _operation(one: Channel, name: str) -> dict[str, Any]:
    services = ", ".join(one.services)
    return {
        "action": "send" if one.asks is None else "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": f"From {services}." if one.asks is None else f"Answered by {services}.",
    }


def _references(messages: tuple[type[m.Message], ...], layout: dict[str, Any]) -> dict[str, Any]:
    if not messages:
        return {"Text": {"$ref": "#/components/messages/Text"}}
    names = [message.__name__ for message in messages]
    if names == ["Message"]:
        names = list(layout["messages"])
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _message(name: str, places: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": f"{name}, type {places['type']}",
        "contentType": CAPNP,
        "traits": [{"$ref": "#/components/messageTraits/traced"}],
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _payload(name: str, places: dict[str, Any], docs: dict[str, dict[str, str]]) -> dict[str, Any]:
    made = _object(places["fields"], docs.get(name, {}))
    made["properties"] = {"header": {"$ref": "#/components/schemas/Header"}, **made["properties"]}
    return made


def _object(fields: dict[str, Any], docs: dict[str, str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _field(at, docs.get(name, "")) for name, at in fields.items()}}


def _field(at: dict[str, Any], doc: str) -> dict[str, Any]:
    kind = at["type"]
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        made: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    elif kind == "bool":
        made = {"type": "boolean"}
    elif kind == "text":
        made = {"type": "string", **({"maxLength": at["room"] - 1} if "room" in at else {})}
    elif kind == "list":
        made = {"type": "array", "items": _object(at["fields"], {})}
    else:
        return {"allOf": [{"$ref": f"#/components/schemas/{kind}"}], **({"description": doc} if doc else {})}
    return made | ({"description": doc} if doc else {})


def _trace_headers() -> dict[str, Any]:
    words = {"traceparent": "W3C trace context, where the trace is recorded.", "tracestate": "Its state."}
    headers = {name: {"type": "string", "description": what} for name, what in words.items()}
    return {"type": "object", "properties": headers}

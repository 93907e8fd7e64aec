"""docs/stream.asyncapi.json, the stream for AsyncAPI 3.0: `python -m services.api.stream.document [--check]`.

From the same types that are sent and the same table that is followed, so it cannot say anything else.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from services.api import platform, types
from services.api import requests as http
from services.api.stream import answers, requests
from services.api.stream.channels import CHANNELS
from services.api.stream.levels import BookUpdate

FILE: Final = Path(__file__).resolve().parents[3] / "docs" / "stream.asyncapi.json"
BODIES: Final[dict[str, type[Any]]] = {
    "book": types.Book,
    "trades": types.Trades,
    "quotes": types.Quote,
    "status": types.InstrumentStatus,
    "bars": types.Bars,
    "orders": types.Orders,
    "fills": types.Fills,
    "positions": types.Positions,
    "risk": types.RiskState,
    "parents": platform.Parents,
    "tape": platform.TapeRecords,
    "state": platform.TapeState,
    "latency": platform.Latency,
    "feeds": platform.Feeds,
    "services": platform.Services,
}
"""What the messages of a channel hold besides id, ch and type."""
ORDERS: Final[dict[str, type[Any]]] = {
    "order": http.NewOrder,
    "amend": http.Amend,
    "mass_cancel": http.MassCancel,
    "cancel": requests.Cancel,
}
SAID: Final = (requests.Auth, requests.Subscribe, requests.Unsubscribe, requests.Ping)
ANSWERS: Final = (
    *(answers.Authenticated, answers.Subscribed, answers.Unsubscribed, answers.Pong),
    *(answers.Error, answers.Notice, answers.Answer),
)


def document() -> dict[str, Any]:
    known: list[type[Any]] = [*SAID, *ANSWERS, *BODIES.values(), *ORDERS.values(), BookUpdate]
    schemas = _schemas(known)
    sent = {one.__name__: _message(_ref(one)) for one in SAID} | {name: _order(name) for name in ORDERS}
    told = {f"answer.{one.__name__}": _message(_ref(one)) for one in ANSWERS}
    told |= {f"channel.{name}": _told(name) for name in CHANNELS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tapewire's stream",
            "version": version("tapewire"),
            "description": "One JSON object in each text message, both ways. docs/stream.md explains them.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"api": {"host": "127.0.0.1:8801", "protocol": "ws"}},
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*sent, *told)},
            }
        },
        "operations": {
            "ask": {"action": "receive", "channel": _CHANNEL, "messages": _of_channel(sent)},
            "tell": {"action": "send", "channel": _CHANNEL, "messages": _of_channel(told)},
        },
        "components": {"messages": sent | told, "schemas": schemas},
    }


_CHANNEL: Final = {"$ref": "#/channels/stream"}


def _of_channel(messages: dict[str, Any]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/stream/messages/{name}"} for name in messages]


def _ref(one: type[Any]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{one.__name__}"}


def _message(payload: dict[str, Any]) -> dict[str, Any]:
    return {"payload": payload}


def _schemas(kinds: list[type[Any]]) -> dict[str, Any]:
    """By name. The fields of a record of the tape are of any kind."""
    _, found = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: {"description": "Of any kind."}, ref_template="#/components/schemas/{name}"
    )
    return found


def _order(name: str) -> dict[str, Any]:
    """The body of HTTP, flat beside op and id."""
    ours: dict[str, Any] = {
        "op": {"const": name},
        "id": {"type": "integer", "minimum": 0},
        "traceparent": {"type": "string"},
    }
    required = ["op", "id"]
    if name == "amend":
        ours["order_id"] = {"type": "integer", "minimum": 0}
        required.append("order_id")
    return _message({"allOf": [{"properties": ours, "required": required}, _open(ORDERS[name])]})


def _open(one: type[Any]) -> dict[str, Any]:
    """The schema of a body without saying that nothing else may stand beside it: op and id do."""
    schema = _schemas([one])[one.__name__]
    return {
        name: value for name, value in schema.items() if name not in ("additionalProperties", "title", "description")
    }


def _told(name: str) -> dict[str, Any]:
    """Of a channel: what every message of a subscription carries, and what this one is about."""
    channel = CHANNELS[name]
    head: dict[str, Any] = {
        "id": {"type": "integer", "minimum": 0},
        "ch": {"const": name},
        "type": {"enum": ["snapshot", "update"]},
    }
    if channel.is_log:
        head["seq"] = {
            "type": "integer",
            "description": "Up to where this is whole: what to come back with as `after`.",
        }
    else:
        head["conflated"] = {"type": "integer", "description": "Updates that this snapshot stands for."}
    if name == "tape":
        head["skipped"] = {"type": "integer", "description": "Records that were left out, because there were too many."}
    body = {"oneOf": [_ref(BookUpdate), _ref(types.Book)]} if name == "book" else _ref(BODIES[name])
    payload = {"allOf": [{"properties": head, "required": ["id", "ch", "type"]}, body]}
    scopes = " or ".join(sorted(channel.scopes))
    pace = f"at most every {channel.interval_ms} ms" if channel.interval_ms else "at once"
    return {
        "summary": f"Told {pace}, unless the client asks for another pace. Needs the scope {scopes}.",
        "payload": payload,
    }


def main(arguments: list[str]) -> int:
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in arguments:
        if not FILE.exists() or FILE.read_text() != text:
            print(f"docs/{FILE.name}: not what its sources give; run `make generate`", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""JSON bodies into what they must be: malformed 400, wrong 422 with the field, a key that is there twice 400."""

from __future__ import annotations

import re
from typing import Final, Generic, TypeVar

import msgspec

from services.api.problems import Problem

_T = TypeVar("_T")
_KEYS: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?')
_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_FIELD: Final = re.compile(r"field `([^`]+)`")


class Body(Generic[_T]):
    """A decoder of one type; it refuses what msgspec lets pass."""

    def __init__(self, kind: type[_T]) -> None:
        self.kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    def decode(self, raw: bytes) -> _T:
        """Raises Problem (400, 422). Objects in these bodies are flat: keys of all of them together are told apart."""
        try:
            decoded = self._decode(raw)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise Problem(400, f"the body is no JSON: {what}", reason="malformed") from None
        keys = _keys(raw)
        if len(set(keys)) != len(keys) or (b"\\" in raw and any(b"\\" in key for key in keys)):
            raise Problem(400, "a key is there twice, or written with escapes", reason="duplicate_key")
        return decoded


def _keys(raw: bytes) -> list[bytes]:
    """All keys of what is known to be JSON, as they are written."""
    if b"\\" in raw:
        return [key for key, colon in _KEYS.findall(raw) if colon]
    # Every quote begins or ends a string then: two microseconds in place of six, in each order's way.
    parts = raw.split(b'"')
    return [key for key, behind in zip(parts[1::2], parts[2::2], strict=True) if behind.lstrip().startswith(b":")]


def invalid(text: str) -> Problem:
    """What msgspec says, with the field apart."""
    path = _PATH.search(text)
    named = _FIELD.search(text)
    field = path.group(1) if path else named.group(1) if named else ""
    return Problem(422, _PATH.sub("", text), field=field, reason="invalid_field")

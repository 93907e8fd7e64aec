"""From a method and a path to its endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from services.api.http.call import Endpoint
from services.api.problems import Problem

REST: Final = "{path...}"
"""At the end of a path: all that follows."""
_NOTHING: Final[Mapping[str, str]] = {}


class Routes:
    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._fixed: dict[str, dict[str, Endpoint]] = {}
        self._by_length: dict[int, list[tuple[list[str], dict[str, Endpoint]]]] = {}
        self._below: dict[str, dict[str, Endpoint]] = {}
        templates: dict[str, dict[str, Endpoint]] = {}
        for one in endpoints:
            if one.path.endswith(REST):
                self._below[one.path.removesuffix(REST)] = {one.method: one}
                continue
            target = templates if "{" in one.path else self._fixed
            target.setdefault(one.path, {})[one.method] = one
        for path, methods in templates.items():
            parts = path.split("/")
            self._by_length.setdefault(len(parts), []).append((parts, methods))

    def find(self, method: str, target: str) -> tuple[Endpoint, Mapping[str, str]]:
        """The endpoint of a request's target, and the parts of its path, unquoted. Raises Problem (404, 405)."""
        path = target.partition("?")[0]
        methods, values = self._fixed.get(path), _NOTHING
        if methods is None:
            methods, values = self._match(path)
        wanted = "GET" if method == "HEAD" else method
        endpoint = methods.get(wanted)
        if endpoint is None:
            allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
            raise Problem(
                405, f"expected {' or '.join(allowed)}", reason="method", headers={"Allow": ", ".join(allowed)}
            )
        return endpoint, values

    def _match(self, path: str) -> tuple[dict[str, Endpoint], Mapping[str, str]]:
        parts = path.split("/")
        for template, methods in self._by_length.get(len(parts), ()):
            values = {}
            for expected, part in zip(template, parts, strict=True):
                if expected.startswith("{"):
                    if not part:
                        break
                    values[expected[1:-1]] = unquote(part, "utf-8", "replace")
                elif expected != part:
                    break
            else:
                return methods, values
        for prefix, methods in self._below.items():
            if path.startswith(prefix):
                return methods, {"path": unquote(path.removeprefix(prefix), "utf-8", "replace")}
        raise Problem(404, "there is nothing at this path; see /docs", reason="path")

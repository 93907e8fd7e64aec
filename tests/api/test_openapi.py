"""The OpenAPI document is true: schemathesis finds no request that is answered otherwise than it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tapewire.nats_server import NatsServer
from tests.api.router_stack import RouterStack
from tests.api.stack import PASSWORD, Stack
from tests.engine_process import ROOT

CONFIG = Path(__file__).with_name("schemathesis.toml")
BOUNDS = "failures = 100000\nanswer_timeout = 0.5"
needs_schemathesis = pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("openapi"), api=BOUNDS) as made:
        yield made


def schemathesis(stack: Stack, *options: str) -> None:
    """Runs it as the user ann. Raises AssertionError with what it found."""
    user = stack.client("")
    assert user.log_in("ann", PASSWORD).status == 200
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run"]
    command += [f"http://127.0.0.1:{stack.port}/openapi.json", "--no-color", "--seed", "1"]
    command += ["-H", f"Cookie: {user.cookie}", "-H", f"Tapewire-Csrf: {user.csrf}"]
    # Logging out would end the session that all of this needs.
    command += ["--exclude-path", "/v1/logout", *options]
    done = subprocess.run(command, cwd=stack.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert '"request failed"' not in stack.log.read_text()


@needs_schemathesis
def test_requests_that_schemathesis_makes_up_are_answered_as_the_document_says(stack: Stack) -> None:
    schemathesis(stack, "--phases", "examples,fuzzing", "--max-examples", "2")


@needs_schemathesis
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_requests_are(tmp_path: Path) -> None:
    """Of all phases, on an API with a router that works parents."""
    (tmp_path / "stack").mkdir()
    with NatsServer(tmp_path / "nats", port=0) as nats, RouterStack(tmp_path / "stack", nats.url, api=BOUNDS) as stack:
        schemathesis(stack, "--max-examples", "60")


def document(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.client("").get("/openapi.json")
    return found


def test_every_endpoint_says_what_it_is_what_it_answers_and_how_it_refuses(stack: Stack) -> None:
    found = document(stack)
    assert found["openapi"] == "3.1.0"
    assert set(found["components"]["securitySchemes"]) == {"key", "login"}
    for path, methods in found["paths"].items():
        for method, one in methods.items():
            at = f"{method} {path}"
            assert one["summary"], at
            assert one["description"], at
            assert {"400", "422", "429", "500"} <= set(one["responses"]), at
            assert any(status.startswith("2") for status in one["responses"]), at
            if method in ("post", "put", "patch") and "requestBody" in one:
                content = one["requestBody"]["content"]["application/json"]
                assert content["examples"]["example"]["value"], at
                assert {"413", "415"} <= set(one["responses"]), at


def test_operation_ids_are_unique_and_every_reference_leads_somewhere(stack: Stack) -> None:
    found = document(stack)
    ids = [one["operationId"] for methods in found["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids)
    text = json.dumps(found)
    for name in {part.split('"')[0] for part in text.split('"$ref": "#/components/')[1:]}:
        kind, _, key = name.partition("/")
        assert key in found["components"][kind], name


def test_the_page_that_shows_it_loads_nothing_from_elsewhere(stack: Stack) -> None:
    client = stack.client("")
    page = client.send("GET", "/docs")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for name in ("docs.js", "docs.css"):
        part = client.send("GET", f"/docs/{name}")
        assert part.status == 200
        assert b"http" not in part.body.replace(b"http-equiv", b"")
    assert b"<script>" not in page.body
    assert b"onload" not in page.body


def test_the_document_names_every_path_that_docs_api_md_shows() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    from services.api.http.table import endpoints

    assert [one.operation for one in endpoints() if one.tag and f"`{one.operation}`" not in text] == []

"""Kustomize of today makes the same of deploy/k8s as the one that kubectl has within it, which is years behind."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

import pytest

from tests.deploy.rendering import KUBERNETES, OVERLAYS, rendered_text
from tools.cluster import BINARY


@cache
def kustomize() -> tuple[str, ...]:
    """Skips where there is none: on PATH, or in the control plane that `make cluster` builds."""
    on_path = shutil.which("kustomize")
    if on_path is not None:
        return (on_path,)
    if BINARY.exists():
        return str(BINARY), "kustomize"
    pytest.skip("no kustomize on PATH and no build/cluster: `make build/cluster` builds one where Go is")


@pytest.mark.parametrize("folder", OVERLAYS)
def test_both_render_the_same(folder: str) -> None:
    done = subprocess.run(
        [*kustomize(), "build", str(KUBERNETES / folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    assert done.stdout == rendered_text(folder)

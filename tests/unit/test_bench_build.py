"""A bench compiles what it measures with, and nothing else."""

from __future__ import annotations

import pytest

from bench.build import needed


@pytest.mark.parametrize(
    ("benches", "compiled"),
    [
        (["failover"], ["_native"]),
        (["tape"], ["_native", "_tape_native"]),
        (["engine"], ["_engine_native", "_native"]),
    ],
)
def test_only_what_a_bench_imports_is_compiled_for_it(benches: list[str], compiled: list[str]) -> None:
    assert needed(benches) == compiled

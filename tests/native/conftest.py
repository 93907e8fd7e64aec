from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.native import book_library
from tests.native.random_commands import program
from tools import native

PROGRAMS: dict[str, list[Callable[[], Path]]] = {
    "test_core_check": [partial(program, "core_check")],
    "test_matcher_check": [partial(program, "matcher_check")],
    "test_book_library": [book_library.sanitized, native.book_library],
}


@pytest.fixture(scope="session", autouse=True)
def compiled(request: pytest.FixtureRequest) -> None:
    """The programs of the tests that run, side by side: a compiler takes longer than all the tests."""
    modules = {item.path.stem for item in request.session.items}
    native.side_by_side([build for name, builds in PROGRAMS.items() if name in modules for build in builds])

"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.tracked import names

ROOT = Path(__file__).resolve().parents[2]
LONGEST = {".py": 450, ".hpp": 420, ".pyx": 420, ".pxi": 420}
README_HEADINGS = ["## In", "## Out", "## Settings", "## Run it alone", "## Files"]
HOSTED_BY_ENGINE = {"risk", "journal", "matcher"}
GENERATED = {"tapewire/messages.py", "tapewire/wire/layout.hpp"}


def tracked(*endings: str) -> list[Path]:
    """Files that git knows or would know, generated ones left out."""
    return [ROOT / name for name in names() if name.endswith(endings) and name not in GENERATED]


def services() -> list[Path]:
    return sorted(path.parent for path in (ROOT / "services").glob("*/__init__.py"))


@pytest.mark.parametrize("ending", LONGEST)
def test_no_file_is_longer_than_a_head_can_hold(ending: str) -> None:
    lengths = {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in tracked(ending) if p.exists()}
    assert {name: n for name, n in lengths.items() if n > LONGEST[ending]} == {}


def test_nothing_is_left_to_do_in_the_source() -> None:
    word = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(".py", ".hpp", ".pyx", ".pxi", ".pyi", ".capnp", "Makefile", ".sh")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if word.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("service", services(), ids=lambda path: path.name)
def test_every_service_has_a_readme_of_the_same_shape(service: Path) -> None:
    text = (service / "README.md").read_text()
    assert text.startswith(f"# {service.name}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == README_HEADINGS


@pytest.mark.parametrize("service", services(), ids=lambda path: path.name)
def test_no_service_imports_another(service: Path) -> None:
    allowed = {service.name} | (HOSTED_BY_ENGINE if service.name == "engine" else set())
    imported = set()
    for path in service.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {name.split(".")[1] for name in names if name.startswith("services.") and "." in name}
    for path in (*service.glob("*.hpp"), *service.glob("*.pyx")):
        imported |= set(re.findall(r'"services/(\w+)/', path.read_text()))
    assert imported - allowed == set()


def test_no_path_of_a_machine_and_no_package_index_is_named() -> None:
    bad = re.compile(r"(?<![\w.])/(work|farm)/|--(extra-)?index-url|files\.pythonhosted|pypi\.org")
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in tracked(".py", ".md", ".toml", ".lock", ".yaml", ".sh", ".hpp", ".pyx", ".pxi", "Makefile", "run")
        if path != Path(__file__) and (hit := bad.search(path.read_text()))
    ]
    assert found == []


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(re.findall(r"^([a-z-]+):.*?## \w", makefile, re.MULTILINE)) == set(phony[1].split())


def test_nothing_but_the_session_layer_knows_which_it_is() -> None:
    users = {
        path.relative_to(ROOT).parent.as_posix()
        for path in tracked(".py")
        if re.search(r"^\s*(import|from) quickfix\b", path.read_text(), re.MULTILINE)
    }
    assert {user for user in users if not user.startswith("tests")} == {"services/gateway/quickfix_layer"}

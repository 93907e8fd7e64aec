"""What the documents name is there: files, links and their anchors, commands and their options, the map of the tree."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tapewire.cli import SERVICES
from tapewire.cli._document import commands
from tests.tracked import names

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1", re.M | re.S)
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+(?:\([^()]*\)[^()\s]*)?)\)")
CODE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^(?:    |\t).*$", re.M)
MADE = ("build/", "tapewire/bin/", "tests/fuzz/inputs/")
"""Made by a command that the document tells, and no part of a fresh clone."""
THEIRS = {"tapewire.toml", "demo.toml", "tapewire.py", "strategy.py", "joiner.py"}
"""Files of whoever uses the platform."""
FILE = re.compile(r"[\w./-]*\w\.(?:py|pyi|pyx|pxi|hpp|cpp|capnp|sh|md|sql|yaml|service|target|market)")


@functools.cache
def tracked() -> frozenset[str]:
    """Files and folders that git knows or would know."""
    files = [name for name in names() if (ROOT / name).exists()]
    return frozenset({*files, *(parent.as_posix() for name in files for parent in Path(name).parents)})


def documents() -> list[Path]:
    return sorted(ROOT / name for name in tracked() if name.endswith(".md"))


TOP = sorted({name.split("/")[0] for name in tracked() if "/" in name and not name.startswith(".")})


def prose(text: str) -> str:
    """Without fenced and indented code: what looks like a link there is none."""
    return re.sub(r"^(    |\t).*$", "", FENCE.sub("", text), flags=re.M)


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them: lower case, punctuation gone, blanks to hyphens, the second with -1."""
    found: dict[str, int] = {}
    made = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        made.add(f"{slug}-{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return made | set(re.findall(r'<a (?:name|id)="([^"]+)"', text))


def broken_links(at: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        where = (at.parent / path).resolve() if path else at
        if not where.is_relative_to(ROOT) or (where.relative_to(ROOT).as_posix() not in tracked() and where != at):
            yield f"{target}: no such file"
        elif anchor and anchor not in anchors(text if where == at else where.read_text()):
            yield f"{target}: no such heading"


def missing_paths(text: str) -> Iterator[str]:
    """Names, in code of any kind, of a file, or of what lies in a folder of the repository's top."""
    for code in [*CODE.findall(text), *BLOCK.findall(text)]:
        for word in re.split(r"[\s,;:=()'\"|]+", code):
            name = word.rstrip("/.").removeprefix("./")
            named = "/" in name and word.split("/")[0] in TOP
            known = name.startswith("/") or name in THEIRS
            if (named or FILE.fullmatch(name)) and not known and not found(name):
                yield name


def found(name: str) -> bool:
    """As it stands, or from the folder that the document is about."""
    if name.startswith(MADE):
        return True
    if name in tracked() or any(one.endswith(f"/{name}") for one in tracked()):
        return True
    pattern = re.sub(r"<[^>]*>|\{[^}]*\}|\*+|…|\b[A-Z]+\b", "*", name)
    return "*" in pattern and any(Path(one).match(pattern) for one in tracked())


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere_and_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text()
    assert [*broken_links(document, text), *missing_paths(text)] == []


@functools.cache
def programs() -> dict[tuple[str, ...], click.Command]:
    """Every command by its words, services among them."""
    found = {path: command for path, command, _ in commands() if path}
    for file in (ROOT / "services").rglob("__main__.py"):
        module = ".".join(file.relative_to(ROOT).parent.parts)
        found["-m", module] = main = importlib.import_module(f"{module}.__main__").main
        if module.removeprefix("services.") in SERVICES:
            found.setdefault((module.removeprefix("services."),), main)
    for path, command in list(found.items()):
        if isinstance(command, click.Group):
            found |= {(*path, name): sub for name, sub in command.commands.items()}
    return found


def typed(text: str) -> Iterator[list[str]]:
    """The words of each command that the text shows, up to a pipe, a redirection or the next command."""
    for code in [*CODE.findall(text), *BLOCK.findall(text), *re.findall(r"^.*$", "".join(fenced(text)), re.M)]:
        if re.match(r"\s*(kubectl|docker) ", code):
            continue  # a namespace or an image of that name
        for line in re.findall(r"(?:^|(?<!-\w)[\s$/])(?:tapewire +|python +(?=-m services))([a-z-].*)", code):
            words = re.split(r"[|>;&#`]| - |  +", line)[0].split()
            yield [word.strip("()[]'\",.") for word in words]


def fenced(text: str) -> list[str]:
    return [match[0] for match in FENCE.finditer(text)]


def unknown(words: list[str]) -> Iterator[str]:
    """What of a command's words is no command, or no option of it."""
    path: tuple[str, ...] = ()
    while words and (*path, words[0]) in {known[: len(path) + 1] for known in programs()}:
        path = (*path, words.pop(0))
    command = programs().get(path)
    if words and words[0].startswith("-") and not path and words[0] != "-m":
        return  # an option of `tapewire` itself, or of another program
    if command is None:
        yield " ".join([*path, *words[:1]])
        return
    if isinstance(command, click.Group) and words and re.fullmatch("[a-z][a-z-]+", words[0]):
        yield " ".join([*path, words[0]])
    around = [one for known, one in programs().items() if known[: len(path)] == path or path[: len(known)] == known]
    if command.context_settings.get("ignore_unknown_options"):
        return  # hands them on
    options = {name for one in around for option in one.params for name in (*option.opts, *option.secondary_opts)}
    for word in words:
        option = word.partition("=")[0]
        if re.fullmatch("--[a-z][a-z-]+", option) and option not in options | {"--help"}:
            yield " ".join([*path, option])


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_are_shown_exist_with_their_options(document: Path) -> None:
    assert [wrong for words in typed(document.read_text()) for wrong in unknown(words)] == []


@pytest.mark.parametrize("service", sorted((ROOT / "services").glob("*/README.md")), ids=lambda path: path.parent.name)
def test_a_services_readme_names_every_file_of_its_folder(service: Path) -> None:
    told = service.read_text().partition("## Files")[2]
    within = service.parent.relative_to(ROOT).as_posix() + "/"
    names = {name.removeprefix(within).split("/")[0] for name in tracked() if name.startswith(within)}
    patterns = [word.split("/")[0] for code in CODE.findall(told) for word in code.split()]
    stems = {pattern.split(".")[0] for pattern in patterns}
    assert [
        name
        for name in sorted(names - {"README.md", "__init__.py"})
        if name.split(".")[0].removeprefix("_") not in stems | {stem.removeprefix("_") for stem in stems}
        and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns if "*" in pattern)
    ] == []


def test_the_map_names_every_folder_once() -> None:
    """In the first column of the code map: those of the top, of tapewire/ and of services/."""
    chapter = (ROOT / "ARCHITECTURE.md").read_text().partition("## Code map")[2].partition("\n## ")[0]
    rows = [CODE.findall(line.split("|")[1]) for line in chapter.splitlines() if line.startswith("| `")]
    named = [name.rstrip("/") for row in rows for name in row]
    folders = {one for one in tracked() if one.count("/") == (one.split("/")[0] in ("tapewire", "services"))}
    folders = {one for one in folders if (ROOT / one).is_dir() and not one.startswith(".")}
    inside = {name for name in named if name.startswith("include/")} and {"include"}
    assert {one: named.count(one) for one in folders - inside - {"docs"} if named.count(one) != 1} == {}


def test_every_document_is_led_to_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        at = todo.pop()
        if at not in seen and at.suffix == ".md":
            seen.add(at)
            targets = [target.partition("#")[0] for target in LINK.findall(at.read_text()) if ":" not in target]
            todo += [(at.parent / target).resolve() for target in targets if target]
    assert [one.relative_to(ROOT).as_posix() for one in documents() if one not in seen] == []


@pytest.mark.parametrize(
    "planted",
    [
        "[gone](docs/gone.md)",
        "[no such heading](docs/install.md#no-such-heading)",
        "[in here](#nowhere)",
        "`tapewire/gone.py`",
        "`gone.hpp`",
        "    python examples/gone.py",
        "    tapewire nonesuch",
        "    tapewire tape tail orders.0 --from-seq 9",
        "    tapewire tape nonesuch",
        "`tapewire demo --nonesuch`",
        "```sh\ntapewire engine --nonesuch\n```",
        "    .venv/bin/python -m services.simulator traders --nonesuch 3",
    ],
)
def test_what_is_wrong_is_found(planted: str) -> None:
    text = f"# A document\n\n{planted}\n"
    commands_wrong = [wrong for words in typed(text) for wrong in unknown(words)]
    assert [*broken_links(ROOT / "A.md", text), *missing_paths(text), *commands_wrong] != []

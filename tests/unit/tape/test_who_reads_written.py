"""Who reads a tape beyond what is released: on a replicated tape such a record may be lost, its number given again.

A reader takes what is released unless it says otherwise; who says otherwise stands here, with the reason.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import tapewire.tape
from tapewire import definitions

ROOT = Path(__file__).resolve().parents[3]
OWN = "the tape of this very service, written by it: all of it is its own past"
FILE = "what stands in the files, for whoever looks after them; nothing is told to anybody else"
ALLOWED = {
    "services/api/__main__.py": OWN,
    "services/api/hub/recalling.py": OWN,
    "services/api/recovery.py": OWN,
    "services/connector/importing.py": OWN,
    "services/gateway/__main__.py": OWN,
    "services/gateway/fold.py": OWN,
    "services/gateway/initiator/__main__.py": OWN,
    "services/gateway/replay.py": OWN,
    "services/gateway/sent.py": OWN,
    "services/gateway/snapshot.py": OWN,
    "services/router/tape.py": OWN,
    "services/engine/asked.py": "the engine's own tape, replayed to a risk or matcher that was started anew",
    "services/engine/operator.py": "what a command will meet: the engine takes it behind everything that is written",
    "services/engine/verify.py": "an audit of all that was written, released or not",
    "services/router/verify.py": "the same of the router's tape",
    "services/flusher/sinks/follower.py": "whether a stored record is the one on the tape; it is not passed on",
    "services/relay/inward.py": "how far the engine has taken a ring, whose records it will not take twice",
    "tapewire/cli/tape.py": FILE,
    "tapewire/tape/inspect.py": FILE,
    "tapewire/testing/disk.py": FILE,
    "tapewire/metrics/reading.py": "when the last record was written: a gauge of the writer",
    "tapewire/demo/kill.py": "the demo's engine, whose tape is at disk or memory; it looks for what a kill left",
    "tapewire/demo/observe.py": "the demo's counts of records, bytes, and of those that are not durable",
}


def readers(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that say "written" as an argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            said = [*node.args, *(one.value for one in node.keywords if one.arg == "limit")]
            name = ast.unparse(node.func)
            if name.endswith(("TapeReader", "definitions.read")) and any(
                isinstance(one, ast.Constant) and one.value == "written" for one in said
            ):
                yield node


def found() -> set[str]:
    sources = [path for folder in ("services", "tapewire") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)) for path in sources if any(readers(ast.parse(path.read_text())))}


def test_only_these_read_beyond_what_is_released() -> None:
    new, gone = found() - ALLOWED.keys(), ALLOWED.keys() - found()
    assert not new, f"{sorted(new)}: read what is `released`, or say here why this one may read more"
    assert not gone, f"{sorted(gone)}: read no `written` any more"


def test_a_reader_takes_what_is_released_unless_it_says_otherwise() -> None:
    said = inspect.signature(definitions.read).parameters["limit"].default
    assert said == "released"
    face = Path(tapewire.tape.__file__).with_name("_tape.pyi").read_text()
    (cls,) = [node for node in ast.parse(face).body if isinstance(node, ast.ClassDef) and node.name == "TapeReader"]
    (made,) = [node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    named = dict(zip([one.arg for one in made.args.args][-len(made.args.defaults) :], made.args.defaults, strict=True))
    assert ast.literal_eval(named["limit"]) == "released"


def test_a_new_one_is_noticed() -> None:
    for text in (
        'TapeReader(path, 1, "written")',
        'tape.TapeReader(p, limit="written")',
        'definitions.read(p, "written")',
    ):
        assert list(readers(ast.parse(text))), text
    assert not list(readers(ast.parse('TapeReader(path); TapeReader(path, limit="released")')))

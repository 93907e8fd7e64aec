"""libtapewire_book.so: what it exports and needs, a C99 program against it, and that it does what the matcher does."""

from __future__ import annotations

import ctypes
import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tests.native import book_library
from tests.native.book_library import ROOT, Book, expected
from tests.oracle.order_flow import Flow
from tools import native

pytestmark = pytest.mark.timeout(900)  # a compiler takes minutes where others want the cores, too
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Iinclude")
NOT_IN_C = (m.KillSwitch, m.AccountLimits)


@pytest.fixture(scope="module")
def library() -> Path:
    return native.book_library()


@pytest.fixture(scope="module")
def loaded(library: Path) -> ctypes.CDLL:
    return book_library.load(library)


def said(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compile_c(source: str, library: Path, program: Path, *flags: str) -> None:
    said("cc", *STRICT, *flags, "-o", program, source, library, f"-Wl,-rpath,{library.parent}")


def test_it_exports_what_the_header_declares_and_nothing_else(library: Path) -> None:
    exported = {line.split()[-1] for line in said("nm", "-D", "--defined-only", library).splitlines()}
    assert exported == book_library.functions()
    assert len(exported) > 30


def test_it_needs_the_c_library_alone(library: Path) -> None:
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", said("readelf", "-d", library))
    assert {name.split(".")[0] for name in needed} <= {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert "python" not in said("ldd", library)


def test_a_c99_program_finds_every_function_as_the_header_promises(library: Path, tmp_path: Path) -> None:
    program = tmp_path / "book_check"
    compile_c("tests/native/book_check.c", library, program)
    assert re.fullmatch(r"\d+ checks\n", said(program, "undrained"))
    tried = set(re.findall(r"\b(tw_\w+)\(", (ROOT / "tests/native/book_check.c").read_text()))
    assert book_library.functions() - tried == set()


def test_the_same_program_under_sanitizers_breaks_no_invariant(tmp_path: Path) -> None:
    library = book_library.sanitized()
    program = tmp_path / "book_check"
    compile_c("tests/native/book_check.c", library, program, *native.SANITIZED)
    assert re.fullmatch(r"\d+ checks\n", said(program))


def test_the_header_is_also_cpp() -> None:
    header = "include/tapewire/book.h"
    said("c++", "-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-x", "c++", header)


def test_the_example_prints_what_the_documentation_shows(library: Path, tmp_path: Path) -> None:
    program = tmp_path / "book"
    compile_c("examples/book.c", library, program)
    shown = (ROOT / "docs" / "abi.md").read_text()
    assert said(program) in re.sub(r"^    ", "", shown, flags=re.MULTILINE)


def test_its_version_is_the_distribution_s(loaded: ctypes.CDLL) -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert loaded.tw_version().decode() == version[1]


def for_c(raw: bytes) -> m.Message | None:
    """The command as C can say it: a cancel names no instrument, ids are the caller's, there is no risk."""
    command = m.decode(raw)
    if isinstance(command, NOT_IN_C) or command.decision:  # type: ignore[attr-defined]
        return None
    if isinstance(command, m.NewOrder) and command.order_id == 0:
        return None
    if isinstance(command, (m.CancelOrder, m.ReplaceOrder, m.AdvanceClock)):
        return command.replace(instrument=0)
    return command


def compare(loaded: ctypes.CDLL, flow: Flow, commands: int, capacity: int) -> set[int]:
    """Gives both the same; returns the types of the events compared."""
    book, matcher, seen = Book(loaded, capacity), Matcher(capacity), set()
    todo = iter(flow.definitions())
    for i in range(commands):
        command = for_c(next(todo, None) or flow.command())
        if command is None:
            continue
        answer = matcher.apply(bytes(command))
        flow.hear(answer)
        result = book.apply(command)
        events = book.events() if i % 3 else list(book.drained(1 + i % 5))
        assert events == expected(answer), f"seed {flow.seed}, command {i}: {command}"
        kinds = {event[0] for event in events}
        seen |= kinds
        assert result == bool(kinds & {m.OrderRejected.TYPE, m.CancelRejected.TYPE})
        if i % 50 == 0:
            same_state(book, matcher, flow.instruments)
    assert book.digest() == matcher.digest() == hashlib.sha256(book.snapshot()).hexdigest()
    again = Book(loaded, capacity)
    assert again.restore(matcher.snapshot()) == 0
    assert again.snapshot() == matcher.snapshot()
    again.close()
    book.close()
    return seen


def same_state(book: Book, matcher: Matcher, instruments: int) -> None:
    assert book.call("order_count") == matcher.live_orders
    assert book.call("last_order_id") == matcher.last_order_id
    assert book.call("next_match_id") == matcher.next_match_id
    assert book.call("next_due") == matcher.next_due()
    for instrument in range(1, instruments + 1):
        status = book.call("status", ctypes.c_uint32(instrument))
        if not status:
            with pytest.raises(KeyError):
                matcher.status(instrument)
            continue
        assert status == matcher.status(instrument)
        assert book.best(instrument) == matcher.best(instrument)
        for side in (m.Side.buy, m.Side.sell):
            levels = matcher.depth(instrument, side, 5)
            assert book.depth(instrument, side, 5) == levels
            for price, qty, _ in levels:
                assert book.depth_at(instrument, side, price) == qty


@pytest.mark.parametrize("capacity", [40, 2**20])
def test_it_does_what_the_matcher_does(loaded: ctypes.CDLL, capacity: int) -> None:
    seen: set[int] = set()
    for seed in range(8):
        seen |= compare(loaded, Flow(seed), 2000, capacity)
        seen |= compare(loaded, Flow(seed, nonsense=0.3, extremes=0.2, huge=0.2), 1000, capacity)
    assert seen == set(book_library.KINDS)


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 1000])
def test_its_digest_is_sha_256(loaded: ctypes.CDLL, length: int) -> None:
    """A snapshot of every length modulo a block: one level more is some words more."""
    book = Book(loaded)
    book.call("open", ctypes.c_uint32(1), ctypes.c_int64(1), ctypes.c_int64(1))
    for i in range(length):
        book.call("new", ctypes.c_uint32(1), ctypes.c_uint64(i + 1), 1, ctypes.c_int64(1 + i % 7), ctypes.c_int64(1))
    assert book.digest() == hashlib.sha256(book.snapshot()).hexdigest()
    book.close()

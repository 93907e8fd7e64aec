from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tapewire.errors import StatsError
from tapewire.histogram import StatsPage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.stats"


def test_a_reader_sees_what_the_writer_recorded(path: Path) -> None:
    page = StatsPage.create(path, histograms=["match", "sync"], counters=["orders", "Börse"])
    reader = StatsPage.open(path)
    for ns in (100, 200, 300):
        page.histogram("sync").record(ns)
    page.add("orders")
    page.add("orders", 41)
    page.set("Börse", 7)
    assert {name: (it.count, it.max) for name, it in reader.histograms().items()} == {"match": (0, 0), "sync": (3, 300)}
    assert reader.histogram("sync").percentile(99.9) == 300
    assert reader.counters() == {"orders": 42, "Börse": 7}
    assert reader.counter("orders") == 42
    assert reader.started_ns == page.started_ns > 1_700_000_000 * 10**9


def test_a_reader_cannot_write(path: Path) -> None:
    StatsPage.create(path, histograms=["match"], counters=["orders"])
    reader = StatsPage.open(path)
    histogram = reader.histogram("match")
    with pytest.raises(StatsError, match="opened for reading"):
        reader.add("orders")
    with pytest.raises(StatsError, match="opened for reading"):
        reader.set("orders", 1)
    with pytest.raises(StatsError, match="opened for reading"):
        histogram.record(1)
    with pytest.raises(StatsError, match="opened for reading"):
        histogram.reset()


def test_a_histogram_outlives_the_page_it_was_taken_from(path: Path) -> None:
    page = StatsPage.create(path, histograms=["match"])
    histogram = page.histogram("match")
    histogram.record(5)
    page.close()
    del page
    assert histogram.count == 1
    with pytest.raises(StatsError):
        histogram.record(5)


def test_a_second_writer_is_refused_while_the_first_lives_and_replaces_it_afterwards(path: Path) -> None:
    page = StatsPage.create(path, counters=["orders"])
    page.add("orders")
    reader = StatsPage.open(path)
    with pytest.raises(StatsError, match="another live process writes this page"):
        StatsPage.create(path)
    assert (reader.writer_alive, reader.replaced) == (True, False)
    page.close()
    assert (reader.writer_alive, reader.replaced) == (False, False)
    StatsPage.create(path, counters=["orders"])
    assert (reader.writer_alive, reader.replaced, reader.counter("orders")) == (False, True, 1)
    assert StatsPage.open(path).counter("orders") == 0
    assert os.listdir(path.parent) == ["engine.stats"]


def test_a_writer_that_was_killed_is_known_to_be_dead(path: Path) -> None:
    program = (
        "import sys, time; from tapewire.histogram import StatsPage; "
        "p = StatsPage.create(sys.argv[1], counters=['n']); p.add('n', 3); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        reader = StatsPage.open(path)
        assert (reader.writer_alive, reader.counter("n")) == (True, 3)
        child.send_signal(signal.SIGKILL)
    assert (reader.writer_alive, reader.counter("n")) == (False, 3)


@pytest.mark.parametrize(
    ("histograms", "counters", "message"),
    [
        (["a"] * 2, [], "the name 'a' appears twice"),
        ([""], [], "the name '' has 0 bytes; expected 1 to 47"),
        ([], ["x" * 48], "has 48 bytes"),
        ([str(n) for n in range(33)], [], "33 histograms and 0 counters; a page holds at most 32 and 64"),
        ([], [str(n) for n in range(65)], "0 histograms and 65 counters"),
    ],
)
def test_names_that_do_not_fit_are_refused(
    path: Path, histograms: list[str], counters: list[str], message: str
) -> None:
    with pytest.raises(StatsError, match=message):
        StatsPage.create(path, histograms, counters)
    assert not path.exists()


def test_the_fullest_page_works(path: Path) -> None:
    histograms, counters = [f"{n:x>47}" for n in range(32)], [f"{n:y>47}" for n in range(64)]
    page = StatsPage.create(path, histograms, counters)
    for n, (histogram, counter) in enumerate(zip(histograms, counters[::2], strict=True)):
        page.histogram(histogram).record(n)
        page.set(counter, n)
    reader = StatsPage.open(path)
    assert [it.max for it in reader.histograms().values()] == list(range(32))
    assert list(reader.counters().items()) == [(name, n // 2 * (n % 2 == 0)) for n, name in enumerate(counters)]


def test_an_unknown_name_is_answered_with_those_there_are(path: Path) -> None:
    page = StatsPage.create(path, histograms=["match", "sync"])
    with pytest.raises(KeyError, match="no histogram named 'mach'; there are match, sync"):
        page.histogram("mach")
    with pytest.raises(KeyError, match="no counter named 'n'; there are none"):
        page.counter("n")


@pytest.mark.parametrize("content", [b"", b"TAPSTATS", b"x" * 10_000])
def test_a_file_that_is_no_page_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StatsError, match=r"engine\.stats: not a page of statistics of this version"):
        StatsPage.open(path)


def test_a_missing_page_or_folder_is_named(path: Path) -> None:
    with pytest.raises(StatsError, match="cannot open the page of statistics: No such file"):
        StatsPage.open(path)
    with pytest.raises(StatsError, match="cannot create the page of statistics: No such file"):
        StatsPage.create(path / "x")


def test_a_pages_histogram_that_is_collected_in_a_cycle_does_not_free_the_pages_memory(path: Path) -> None:
    script = (
        "import gc, sys\n"
        "from tapewire.histogram import StatsPage\n"
        "class Holder: pass\n"
        "holder = Holder()\n"
        "holder.histogram = StatsPage.create(sys.argv[1], ['a']).histogram('a')\n"
        "holder.record, holder.itself = holder.histogram.record, holder\n"
        "del holder\n"
        "gc.collect()\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 0

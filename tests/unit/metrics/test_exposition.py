from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tapewire.folders import Folders
from tapewire.histogram import Histogram, StatsPage
from tapewire.metrics.definitions import GROUPS, METRICS
from tapewire.metrics.exemplars import Exemplars
from tapewire.metrics.exposition import BOUNDS_NS, buckets, registry, scrape
from tapewire.metrics.metric import Kind

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def test_names_and_units_keep_prometheus_conventions() -> None:
    assert len(METRICS) == sum(len(group.metrics) for group in GROUPS)
    for metric in METRICS.values():
        assert re.fullmatch(r"tapewire(_[a-z]+)+", metric.name), metric.name
        assert metric.name.endswith("_total") == (metric.kind is Kind.counter), metric.name
        base = metric.name.removesuffix("_total")
        for unit in ("seconds", "bytes", "ratio"):
            assert base.endswith(f"_{unit}") == (metric.unit == unit), metric.name
        assert not re.search(r"_(ms|us|ns|percent|kb|mb)(_|$)", metric.name), metric.name
        assert metric.help.endswith("."), metric.name


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 41), max_size=50))
def test_buckets_count_what_was_recorded_up_to_their_bound(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    found = [count for _, count, *_ in buckets(histogram)]
    assert found == [sum(value <= bound for value in values) for bound in BOUNDS_NS] + [len(values)]


def test_bounds_are_exact_in_seconds() -> None:
    bounds = [one[0] for one in buckets(Histogram())]
    assert bounds[:3] == ["0.000000127", "0.000000191", "0.000000255"]
    assert [round(float(bound) * 1e9) for bound in bounds[:-1]] == list(BOUNDS_NS)
    assert bounds[-1] == "+Inf"


def folders_with_an_engine(tmp_path: Path) -> tuple[Folders, StatsPage]:
    folders = Folders(tmp_path / "data")
    folders.prepare(tmp_path / "rings")
    page = StatsPage.create(folders.stats / "engine.0", ["queue", "decide", "commit", "answer"], ["commands", "novel"])
    return folders, page


def test_the_newest_trace_of_a_bucket_is_its_exemplar(tmp_path: Path) -> None:
    folders, page = folders_with_an_engine(tmp_path)
    page.histogram("answer").record(90_000)
    exemplars = Exemplars()
    exemplars.add("answer", 90_000, "a" * 32, 1_000_000_000)
    exemplars.add("answer", 90_100, "b" * 32, 3_000_000_000)
    exemplars.add("answer", 90_200, "c" * 32, 2_000_000_000)
    exemplars.add("answer", 5, "d" * 32, 2_000_000_000, shard=1)
    body, content_type = scrape(registry(folders, exemplars), OPEN_METRICS)
    assert content_type.startswith("application/openmetrics-text")
    found = {
        (sample.labels["stage"], sample.labels["le"]): sample.exemplar
        for family in text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert list(found) == [("answer", "0.000098303")]
    exemplar = found["answer", "0.000098303"]
    assert (exemplar.labels, exemplar.value) == ({"trace_id": "b" * 32}, 9.01e-05)
    assert float(exemplar.timestamp) == 3.0
    page.close()


def test_a_plain_scrape_has_no_exemplars(tmp_path: Path) -> None:
    folders, page = folders_with_an_engine(tmp_path)
    exemplars = Exemplars()
    exemplars.add("answer", 90_000, "a" * 32, 1_000_000_000)
    body, content_type = scrape(registry(folders, exemplars), "text/plain")
    assert content_type.startswith("text/plain")
    assert b"trace_id" not in body
    page.close()


def test_exemplars_are_bounded() -> None:
    exemplars = Exemplars()
    for ns in range(0, 100_000):
        exemplars.add("queue", ns, "e" * 32, ns)
    assert [one.ns.bit_length() for one in exemplars.of("0", "queue")] == list(range(18))
    exemplars.add("queue", -5, "f" * 32, 10**9)
    assert exemplars.of("0", "queue")[0].ns == 0

from __future__ import annotations

import io
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.histogram import Histogram, hdr

values = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 1 << 20), st.integers(0, (1 << 40) - 1)), max_size=60)


def reference() -> HdrHistogram:
    return HdrHistogram(hdr.LOWEST, hdr.HIGHEST, hdr.DIGITS)


@settings(deadline=None)
@given(values)
def test_what_is_encoded_reads_back_with_hdrhistogram_as_if_it_had_recorded_it(found: list[int]) -> None:
    ours, theirs = Histogram(), reference()
    for value in found:
        ours.record(value)
        theirs.record_value(value)
    back = HdrHistogram.decode(hdr.encode(ours))
    assert back.get_total_count() == theirs.get_total_count() == ours.count
    assert [back.get_count_at_index(i) for i in range(back.counts_len)] == [
        theirs.get_count_at_index(i) for i in range(theirs.counts_len)
    ]
    for percent in (0, 50, 90, 99, 99.9, 100):
        assert back.get_value_at_percentile(percent) == theirs.get_value_at_percentile(percent)


def test_a_log_is_read_by_hdrhistograms_own_reader(tmp_path: Path) -> None:
    first, second = Histogram(), Histogram()
    for value in range(1000, 100_000, 7):
        first.record(value)
    second.record(5_000_000_000)
    begin = 1_700_000_000_000_000_000
    out = io.StringIO()
    hdr.write_log(
        out,
        begin,
        [(begin, begin + 10**9, {"queue": first}), (begin + 10**9, begin + 3 * 10**9, {"a, b": second})],
    )
    path = tmp_path / "latency.hlog"
    path.write_text(out.getvalue())
    reader = HistogramLogReader(str(path), reference())
    one, two = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()
    assert (one.get_total_count(), one.get_tag(), one.get_start_time_stamp()) == (first.count, "queue", begin // 10**6)
    assert one.get_end_time_stamp() - one.get_start_time_stamp() == 1000
    assert (two.get_total_count(), two.get_tag()) == (1, "a__b")
    assert abs(two.get_max_value() - 5_000_000_000) < 5_000_000_000 / 128
    assert reader.get_next_interval_histogram() is None
    reader.close()


def test_many_of_one_value_are_counted_whole() -> None:
    ours = Histogram()
    ours.record(77)
    for _ in range(40):  # doubles: a count of more than 32 bits, 6 bytes of LEB128
        ours.merge(ours)
    assert HdrHistogram.decode(hdr.encode(ours)).get_total_count() == ours.count == 1 << 40

"""Which traces are kept, and that everybody who asks gets the same answer."""

from __future__ import annotations

from services.monitor.sampling import EVERY, WARM, Sampler
from tapewire import messages as m
from tapewire.config import Monitor
from tapewire.stages import Batch
from tapewire.traces import ids
from tapewire.traces.work import Identity, Work

T = 1_700_000_000_000_000_000


def work(latency: int, *, kept: bool = False, kind: str = "order") -> Work:
    made = Work(kind, "orders.0", 1, 1, T, T, Identity(1, kind, 1, kept))
    made.batch = Batch(1, 2, T, 0, 0, 0, T + latency)
    return made


def test_the_share_that_is_sampled_is_the_share_that_was_asked_for() -> None:
    traces = [ids.trace_id("test", "orders.0", 1, seq) for seq in range(20_000)]
    assert len(set(traces)) == len(traces)
    for share in (0.0, 0.01, 0.5, 1.0):
        kept = [trace for trace in traces if ids.is_sampled(trace, share)]
        assert abs(len(kept) / len(traces) - share) < 0.01
    fewer = {trace for trace in traces if ids.is_sampled(trace, 0.01)}
    assert fewer <= {trace for trace in traces if ids.is_sampled(trace, 0.1)}


def test_refused_and_slow_ones_are_kept_whatever_the_head_said() -> None:
    sampler = Sampler(Monitor(slow=0.001, slow_percentile=0.0))
    refused = work(10)
    refused.rejection = m.OrderRejected(reason=m.RejectReason.price_band)
    assert [sampler.keeps(one) for one in (work(10), work(10, kept=True), refused, work(1_000_001))] == [
        *(False, True, True, True)
    ]
    assert refused.identity.kept, "what follows of it is kept, too"
    assert (sampler.head, sampler.rejected, sampler.slow) == (1, 1, 1)
    lenient = Sampler(Monitor(rejected=False, slow_percentile=0.0))
    assert not lenient.keeps(refused_again := work(10, kind="refused"))
    assert not refused_again.identity.kept


def test_slower_than_the_percentile_of_the_last_is_slow_once_there_are_enough() -> None:
    sampler = Sampler(Monitor(slow_percentile=99.0))
    kept = [sampler.keeps(work(latency)) for latency in range(1, WARM + 1)]
    assert not any(kept[:-1])
    assert not sampler.keeps(work(WARM // 2))
    assert sampler.keeps(work(WARM))
    assert WARM % EVERY == 0

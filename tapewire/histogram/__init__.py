"""Latency histograms and counters: recorded in 2 to 4 ns, readable from other processes without asking the writer.

page = StatsPage.create("/dev/shm/tapewire/engine.stats", histograms=["match"], counters=["orders"])
page.histogram("match").record(730)
StatsPage.open(path).histogram("match").percentile(99.9)
"""

from tapewire.histogram._histogram import Histogram, StatsPage

__all__ = ["Histogram", "StatsPage"]

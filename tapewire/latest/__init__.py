"""The latest trade, quote, top of book and status of each instrument: shared memory here, the bus elsewhere.

    connector ─ put ─▶ <rings>/latest.<feed>  ─▶ Latest.local(data, feed)      processes of this host, 100 ns a read
    journal   ─ put ─▶ <rings>/latest.house   ─▶
    bus       ─ put ─▶ a page of its own      ─▶ Latest.remote(…)              other hosts, the same calls

Whoever sequences a feed puts each message into its page, in the bytes that go to ring and bus; `remote` folds what the
bus carries by the same code. A page holds a value per instrument, whole at every moment, and its newest quotes, trades
and reference data. Readers never wait for the writer, nor the writer for them; one killed half-way leaves the last
whole value in sight. Nothing is decided by it: it is made of what stands on
tapes, and may be removed while nobody writes it.
"""

from tapewire.latest._latest import LatestReader, LatestValue, LatestWriter
from tapewire.latest.store import Latest, Watch

__all__ = ["Latest", "LatestReader", "LatestValue", "LatestWriter", "Watch"]

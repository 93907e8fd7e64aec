"""All tapes of a shard that say something about its orders, read side by side, and what came whole of them.

orders.<shard>        commands and events
fix.* api.*           requests and answers
router.*              parents and children
venue.*               what was sent to outside venues
stage logs            of the engine and the journal's publisher
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tapewire import definitions
from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import StageLogError, TapeError
from tapewire.stages import Batch, StageReader
from tapewire.tape import TapeReader
from tapewire.tape.inspect import epoch_before
from tapewire.traces.collector import Collector
from tapewire.traces.edges import Edges
from tapewire.traces.follow import Follower
from tapewire.traces.parents import Parents
from tapewire.traces.spans import Span, Terms
from tapewire.traces.work import Edge, Work

BEFORE_NS = 10_000_000_000
"""Requests of orders are looked for so much before them: that long they may wait at the edge."""
EDGES = ("fix.*", "api.*", "router.*", "venue.*")


@dataclass(slots=True)
class Found:
    """What came whole in one turn, and how much was looked at."""

    works: list[Work] = field(default_factory=list)
    spans: list[tuple[str, int, Span]] = field(default_factory=list)
    """Of parent orders, with the tape and the record that ended them."""
    refused: list[tuple[str, int, Work]] = field(default_factory=list)
    """What edges answered by themselves, with the tape and the record of the answer."""
    records: int = 0


class _Stages:
    """A stage log that may be there, may go, may come anew."""

    def __init__(self, path: Path) -> None:
        self._path, self._reader = path, _opened(path)
        self.missed = 0

    def poll(self) -> list[Batch]:
        if self._reader is None or self._reader.replaced:
            self.close()
            self._reader = _opened(self._path)
        if self._reader is None:
            return []
        found = self._reader.poll(4096)
        self.missed = self._reader.missed
        return found

    @property
    def is_alive(self) -> bool:
        return self._reader is not None and self._reader.writer_alive

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def _opened(path: Path) -> StageReader | None:
    """The log from its oldest batch; None while there is none that can be read."""
    try:
        return StageReader(path)
    except StageLogError:
        return None


class Reading:
    """Begins with the record `first_seq` of the orders tape, and with what was at the edges BEFORE_NS before it."""

    def __init__(self, settings: Config, first_seq: int, is_sampled: Callable[[int], bool], now: int) -> None:
        """`now`: UTC ns. Raises TapeError if the orders tape cannot be read from there."""
        self._folders, self._env = settings.folders, settings.env
        bound = settings.monitor.max_orders
        self.terms, self.edges, self.parents = Terms(), Edges(bound), dict[str, Parents]()
        path = self._folders.orders_tape(settings.engine.shard)
        self.name, self.orders = path.name, TapeReader(path, None)
        for definition in definitions.read(path).instruments.values():
            self.terms.define(definition)
        self.orders.seek_seq(max(first_seq, self.orders.first_seq))
        self._since = (_time_of_next(self.orders) or now) - BEFORE_NS
        producers = {
            number: f"router.{settings.router.number}" if one.name == settings.router.producer else f"fix.{one.name}"
            for number, one in enumerate(settings.engine.producers, start=1)
        }
        self.collector = Collector(self._env, self.name, producers, self.edges, is_sampled, bound, self._child)
        self.collector.epoch = epoch_before(path, self.orders.next_seq)
        self.readers: dict[str, TapeReader] = {}
        self.seen: dict[str, int] = {}
        """Of each tape the last record that was taken."""
        self._follower = Follower(self.name, self.orders)
        self._engine = _Stages(self._folders.stages(self.name, "engine"))
        self._publisher = _Stages(self._folders.stages(self.name, "publisher"))
        self.look_for_tapes()

    def look_for_tapes(self) -> None:
        """Follows tapes that have come since: now and then."""
        for pattern in EDGES:
            for path in sorted(self._folders.tapes.glob(pattern)):
                if path.name not in self.readers:
                    self._open(path)

    def _open(self, path: Path) -> None:
        try:
            reader = TapeReader(path, None)
            reader.seek_time(self._since if not path.name.startswith("router.") else 0)
        except TapeError:
            return  # just being made: there is another look
        self.readers[path.name], self.seen[path.name] = reader, reader.next_seq - 1
        self._follower.add(path.name, reader)
        if path.name.startswith("router."):
            self.parents[path.name] = Parents(self._env, path.name, self.edges.by_time)

    def turn(self, limit: int, now: int) -> Found:
        """Takes up to `limit` records; `now`: UTC ns."""
        found = Found()
        for name, record in self._follower.poll(limit):
            found.records += 1
            self.seen[name] = record.seq
            if name == self.name:
                if isinstance(record, m.InstrumentDefinition):
                    self.terms.define(record)
                self.collector.fold(record)
            elif name in self.parents:
                found.spans += [(name, record.seq, span) for span in self.parents[name].fold(record)]
            elif name.startswith("venue."):
                if isinstance(record, m.FixSent) and record.orders_seq:
                    for parents in self.parents.values():
                        parents.sent(record.orders_seq, record.ts)
            else:
                edge = self.edges.fold(name, record, self._sent)
                if edge is not None and not edge.is_command:
                    found.refused.append((name, record.seq, self.collector.refused(edge)))
        self.collector.stages(self._engine.poll())
        self.collector.has_publisher = self._publisher.is_alive
        self.collector.published(self._publisher.poll())
        # While records are still to be read, time is theirs: what is old is not late.
        found.works = self.collector.whole(now if found.records < limit else self.collector.ts)
        return found

    def rest(self) -> Found:
        """What is left once the tapes were read to their ends, whole or not."""
        while batches := self._engine.poll():
            self.collector.stages(batches)
        while batches := self._publisher.poll():
            self.collector.published(batches)
        spans = [(name, one.seq, span) for name, one in self.parents.items() for span in one.rest()]
        return Found(self.collector.rest(), spans)

    def _sent(self, tape: str, record: m.FixSent) -> None:
        self.collector.sent(tape, record.session, record.orders_seq, record.ts, record.msg_type)

    def _child(self, tape: str, number: int) -> Edge | None:
        parents = self.parents.get(tape)
        return parents.child(number) if parents is not None else None

    @property
    def missed_batches(self) -> int:
        """Of stage logs, overwritten before they were read."""
        return self._engine.missed + self._publisher.missed

    def close(self) -> None:
        self.orders.close()
        self._engine.close()
        self._publisher.close()
        for reader in self.readers.values():
            reader.close()


def _time_of_next(reader: TapeReader) -> int:
    """When the record that comes next was sequenced; 0 at the end."""
    seq = reader.next_seq
    record = next(iter(reader.poll(1)), None)
    reader.seek_seq(seq)
    return m.decode(record).ts if record is not None else 0

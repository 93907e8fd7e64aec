"""Two hosts and a stream in one process, stepped by a seed: real tapes, the real machines, a network that loses.

What a shell does with sockets is done here by hand, so that everything can be cut between any two steps.
"""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path

from services.replica.mirror_copy import MirrorCopy
from tapewire.replication.copying import Again, Differs, Fetch, HandOver, Mirror
from tapewire.replication.part import Part
from tapewire.replication.sender import ANSWER_WITHIN_NS, Last, Sender, State
from tapewire.replication.takeover import FOLLOWING, claim_of, own_tail
from tapewire.tape import TapeFrames, TapeReader, TapeWriter
from tests.tapes import SMALL, kill, refused, trade

MARK = "mark"
NAME = "orders.0"
MOST = 700
"""Bytes of a part: a batch is often longer."""


class Stream:
    """What the quorum holds."""

    def __init__(self) -> None:
        self.held: list[tuple[Part, bytes]] = []
        self.first = 1

    @property
    def last(self) -> int:
        return len(self.held)

    def publish(self, part: Part, frames: bytes, expected: int) -> int | None:
        if expected != self.last:
            return None
        self.held.append((part, frames))
        return self.last

    def get(self, sequence: int) -> tuple[Part, bytes] | None:
        return self.held[sequence - 1] if self.first <= sequence <= self.last else None


class Host:
    def __init__(self, name: str, folder: Path, world: World) -> None:
        self.name, self.tape, self.world = name, folder / NAME, world
        self.writer: TapeWriter | None = None
        self.sender: Sender | None = None
        self.frames: TapeFrames | None = None
        self.copy: MirrorCopy | None = None
        self.mirror: Mirror | None = None
        self.out: deque[tuple[Sender, int, Part, bytes, int]] = deque()
        """Publishes on their way, in order: whose, token, part, frames, expected."""
        self.back: deque[tuple[int, int | None]] = deque()
        """Answers on their way."""
        self.fenced = False
        self.batch = 0

    # -- the engine

    def open_writer(self) -> None:
        self.writer = TapeWriter(str(self.tape), NAME, SMALL, "replicated", helper=False)

    def append(self, rng: random.Random) -> None:
        if self.writer is None:
            return
        for _ in range(rng.choice((1, 1, 2, 3, 12))):
            seq, epoch = self.writer.next_seq, self.writer.epoch
            # Which host and epoch wrote a record is in its bytes: so two of one number never look alike.
            note = f"{self.name}.{epoch}." + "x" * rng.randrange(200)
            self.writer.append(rng.choice((refused(seq, note), refused(seq, note), kill(seq), trade(seq))))
        if rng.random() < 0.1:
            self.writer.abandon()  # killed in the middle of a batch
            self.writer = None
            return
        self.writer.write()
        if rng.random() < 0.1:
            self.writer.abandon()
            self.writer = None
            return
        self.writer.commit()

    # -- the sender

    def start_sender(self) -> None:
        self.frames = TapeFrames(self.tape)
        self.sender = Sender(self.name, MARK)

    def step_sender(self, rng: random.Random) -> None:
        sender, frames, stream = self.sender, self.frames, self.world.stream
        if sender is None or frames is None:
            return
        if sender.state is State.stopped:
            assert sender.stop is not None
            assert sender.stop.epoch, sender.stop
            frames.set_fence(sender.stop.epoch)
            self.fenced = True
            self.end_sender()
            return
        if sender.state is State.sync:
            if not frames.positions.durable:
                return
            last = stream.get(stream.last)
            agrees = last is not None and self._agrees(*last)
            frames.seek(0)
            found = Last(stream.last, last[0] if last else None, agrees)
            sender.synced(found, frames.positions.durable, frames.position)
            if sender.may_send:
                frames.seek(sender.next)
                self.release()
            return
        sender.tick(self.world.now)
        if sender.may_send and (stretch := frames.read(MOST)) is not None:
            part = Part(
                kind="frames", mark=MARK, holder=self.name, epoch=frames.epoch, position=stretch.position,
                end=stretch.end, first=stretch.first_seq, last=stretch.last_seq, whole=stretch.whole,
                whole_seq=stretch.whole_seq, durability="replicated",
            )  # fmt: skip
            token, expected = sender.sent(part, self.world.now)
            self.out.append((sender, token, part, stretch.frames, expected))

    def _agrees(self, part: Part, raw: bytes) -> bool:
        assert self.frames is not None
        if part.end > self.frames.positions.durable:
            return False
        try:
            self.frames.seek(part.position)
            if part.kind == "claim":
                return True
            ours = self.frames.read(1 << 30, (part.end, part.last))
        except Exception:  # noqa: BLE001 - whatever stands there, it is not that
            return False
        return ours is not None and ours.frames == raw

    def release(self) -> None:
        if self.sender is not None and self.frames is not None and self.sender.released[0]:
            self.frames.release(*self.sender.released)

    def deliver_out(self) -> None:
        if self.out:
            whose, token, part, frames, expected = self.out.popleft()
            stored = self.world.stream.publish(part, frames, expected)
            if whose is self.sender:  # a killed one's inbox is gone with it: the next one never takes its answers
                self.back.append((token, stored))

    def deliver_back(self) -> None:
        if not self.back:
            return
        token, sequence = self.back.popleft()
        if self.sender is None:
            return
        if sequence is None:
            self.sender.refused(token)
        else:
            self.sender.acked(token, sequence)
            self.release()

    def disconnect(self, rng: random.Random) -> None:
        """Some of what is on its way still comes to be stored; no answer comes back."""
        for _ in range(rng.randrange(len(self.out) + 1)):
            self.deliver_out()
        if rng.random() < 0.8:
            self.out.clear()  # else it comes late, as from another connection's buffer
        self.back.clear()
        if self.sender is not None and rng.random() < 0.7:
            self.sender.in_doubt()  # else it finds out by the time

    def end_sender(self) -> None:
        if self.frames is not None:
            self.frames.close()
        self.sender = self.frames = None
        self.back.clear()

    # -- the mirror

    def step_mirror(self, rng: random.Random) -> None:
        if self.mirror is None:
            self._begin_mirror()
            return
        assert self.copy is not None
        mirror, stream = self.mirror, self.world.stream
        for _ in range(rng.randrange(1, 5)):
            if mirror.sequence < stream.first:
                self.mirror = None
                return
            held = stream.get(mirror.sequence)
            if held is None:
                break
            outcome = mirror.feed(mirror.sequence, *held)
            assert not isinstance(outcome, Differs | Again), outcome
            if isinstance(outcome, Fetch):
                self._fetch()
                return
            if isinstance(outcome, HandOver) and mirror.sequence > stream.last:
                self.copy.tape.commit(*mirror.whole, 0)
                self.copy.tape.hand_over(outcome.epoch)
                self.drop_mirror()
                self.world.promoted(self)
                return
            if rng.random() < 0.05:
                self.drop_mirror()  # killed, with frames in the file that were not committed
                return
        if not self.copy.empty:
            self.copy.tape.commit(*mirror.whole, mirror.writer_epoch)

    def _fetch(self) -> None:
        """From whoever sends; as far as it knows that the stream has it."""
        assert self.mirror is not None
        assert self.copy is not None
        giver = next((host for host in self.world.hosts if host.sender and host.sender.state is State.send), None)
        if giver is None or giver.sender is None or not giver.sender.released[0]:
            return
        frames = TapeFrames(giver.tape)
        frames.seek(self.copy.end)
        stretch = frames.read(MOST, giver.sender.released)
        if stretch is not None:
            part = Part(
                kind="frames", mark=MARK, holder=giver.name, epoch=frames.epoch, position=stretch.position,
                end=stretch.end, whole=stretch.whole, whole_seq=stretch.whole_seq, durability="replicated",
            )  # fmt: skip
            assert not isinstance(self.mirror.fetched(part, stretch.frames), Differs)
            self.copy.tape.commit(*self.mirror.whole, part.epoch)
        frames.close()

    def _begin_mirror(self) -> None:
        stream = self.world.stream
        if stream.last < stream.first or self.writer is not None:
            return
        self.drop_mirror()
        self.copy = copy = MirrorCopy(str(self.tape), NAME)
        claims = []
        for sequence in range(stream.first, stream.last + 1):
            part, _ = stream.held[sequence - 1]
            if part.kind == "claim":
                behind = [held[0] for held in stream.held[sequence:] if held[0].kind == "frames"]
                claims.append((part, behind[:FOLLOWING]))
        bytes_of = {id(held[0]): held[1] for held in stream.held}

        def agrees(part: Part) -> bool:
            if part.position >= copy.end:
                return True
            raw = bytes_of[id(part)]
            ours = copy.read(part.position, len(raw))
            return ours[: len(raw)] == raw[: len(ours)]

        found = own_tail(claims, self.name, copy.end, agrees) if not copy.empty else None
        if found is not None:
            copy.cut_behind(found.last, self.world.now)
            self.copy = copy = MirrorCopy(str(self.tape), NAME)
        at = next(
            (n for n in range(stream.first, stream.last + 1) if stream.held[n - 1][0].end >= copy.end), stream.last
        )
        self.mirror = Mirror(copy, self.name, MARK, at)

    def drop_mirror(self) -> None:
        if self.copy is not None:
            self.copy.abandon()
        self.copy = self.mirror = None

    def claim(self) -> None:
        mirror, copy, stream = self.mirror, self.copy, self.world.stream
        if mirror is None or copy is None or not mirror.holder or mirror.sequence <= stream.last or copy.empty:
            return
        stream.publish(claim_of(self.name, mirror, copy), b"", mirror.sequence - 1)


class World:
    """`released`: what was shown to anybody, for good."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stream = Stream()
        self.now = 0
        self.hosts = [Host("a", folder / "a", self), Host("b", folder / "b", self)]
        self.released: dict[int, bytes] = {}
        self.promotions = 0

    def promoted(self, host: Host) -> None:
        self.promotions += 1
        host.open_writer()
        assert host.writer is not None
        host.start_sender()

    def step(self) -> None:
        rng = self.rng
        self.now += 1_000_000
        host = rng.choice(self.hosts)
        dice = rng.random()
        if host.fenced:
            self._fenced(host, dice)
        elif host.sender is None and host.writer is None and host.frames is None and not self._writes(host):
            self._as_mirror(host, dice)
        else:
            self._as_writer(host, dice)
        self.look()

    def _writes(self, host: Host) -> bool:
        """Whether its supervisor starts it as the tape's writer: it was, and knows of no other."""
        if not (host.tape / "control").exists():
            return host is self.hosts[0]
        frames = TapeFrames(host.tape)
        try:
            return not frames.mirror or frames.grant > frames.epoch
        finally:
            frames.close()

    def _as_writer(self, host: Host, dice: float) -> None:
        if host.writer is None and dice < 0.2:
            host.open_writer()
        elif host.sender is None and (host.tape / "control").exists() and dice < 0.3:
            host.start_sender()
        elif dice < 0.45:
            host.append(self.rng)
        elif dice < 0.65:
            host.step_sender(self.rng)
        elif dice < 0.78:
            host.deliver_out()
        elif dice < 0.92:
            host.deliver_back()
        elif dice < 0.94:
            host.disconnect(self.rng)
        elif dice < 0.95:
            host.end_sender()
        elif dice < 0.96 and host.writer is not None:
            host.writer.abandon()
            host.writer = None
        elif dice < 0.965:
            self.now += ANSWER_WITHIN_NS

    def _as_mirror(self, host: Host, dice: float) -> None:
        if dice < 0.9:
            host.step_mirror(self.rng)
        elif dice < 0.93:
            host.drop_mirror()
        elif dice < 0.94:
            host.claim()
        elif dice < 0.945 and self.stream.last - self.stream.first > 6:
            self.stream.first += self.rng.randrange(4)  # it was full

    def _fenced(self, host: Host, dice: float) -> None:
        """Its engine finds out a little later than its sender; then it is started as a mirror."""
        if host.writer is not None:
            if dice < 0.5:
                host.append(self.rng)
            else:
                host.writer.abandon()
                host.writer = None
        elif dice < 0.5:
            host.fenced = False
            host.out.clear()
            host.copy = MirrorCopy(str(host.tape), NAME)  # from here on it is known as one
            host.drop_mirror()

    def look(self) -> None:
        """Nobody is ever shown two records of one number, on whatever host."""
        for host in self.hosts:
            if not (host.tape / "control").exists() or not list(host.tape.glob("*.seg")):
                continue
            with TapeReader(host.tape, from_seq=None) as reader:
                last = reader.positions.released_seq
                seen = max(reader.first_seq, last - 40)
                if last < seen:
                    continue
                reader.seek_seq(seen)
                for raw in reader.poll(1 << 20):
                    assert self.released.setdefault(seen, raw) == raw, (
                        f"record {seen} was shown otherwise on {host.name}"
                    )
                    seen += 1

    def settle(self) -> None:
        """No more trouble: everything that is on its way arrives, and both have the same."""
        for _ in range(4000):
            for host in self.hosts:
                if host.fenced:
                    self._fenced(host, 0.6 if host.writer else 0.1)
                elif self._writes(host):
                    if host.writer is None:
                        host.open_writer()
                    if host.sender is None and host.writer is not None:
                        host.start_sender()
                    host.step_sender(random.Random(1))
                    host.deliver_out()
                    host.deliver_back()
                else:
                    host.step_mirror(random.Random(self.now))
                self.now += 1_000_000
            self.look()

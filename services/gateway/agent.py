"""The agent that carries the orders tape to the clients, and how a gateway begins.

At the start the gateway's own tape says where each session stands and which requests became which commands; the orders
tape says what came of them. What was reported to nobody yet is reported, a command that never reached the engine is
put into the ring again, and a request that was neither is decided about now.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.gateway.copies import place_of
from services.gateway.fold import Fold, restore
from services.gateway.gateway import Gateway
from services.gateway.replay import Replay
from services.gateway.session import ALL_PARTS, Session
from services.gateway.snapshotter import Snapshotter
from tapewire import messages as m
from tapewire.errors import TapeError
from tapewire.logs import Logger
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader

BATCH = 256
PACE_NS = 50_000_000
SLOW_BYTES = 256 * 1024
"""Not read yet by a market data client: it gets whole books once it has caught up, and nothing until then."""
SLOW_NS = 30 * 10**9
"""So long behind, and it is logged out."""
TICK_NS = 2_000_000
"""Between two looks at what is due by the clock: they would stand between one report and the next order."""
BEHIND = 10_000
"""Records; further behind the orders tape than that it is not ready."""
WAIT_S = 0.02
"""The longest that something is noticed late which the tape does not say."""


class GatewayAgent:
    def __init__(
        self,
        gateway: Gateway,
        reader: TapeReader,
        ring: RingProducer,
        log: Logger,
        own_tape: Path,
        snapshotter: Snapshotter,
        backlogs: Callable[[], dict[int, int]] = dict,
    ) -> None:
        """`reader`: of the orders tape, where the gateway stands. `backlogs`: bytes that market data clients have not
        read yet, by session."""
        self.gateway, self._reader, self._ring, self._log = gateway, reader, ring, log
        self._own, self._backlogs, self.snapshotter = own_tape, backlogs, snapshotter
        self.settled = 0
        """What the orders tape reports up to this record, the last of a command, is all on the gateway's tape."""
        self._until = 0
        self._replays: dict[int, Replay] = {}
        self._slow: dict[int, int] = {}  # market data sessions that read slowly, since when (UTC ns)
        self._paced = self._ticked = 0

    def recover(self) -> None:
        """Where the fold stands, catches up with the orders tape."""
        gateway = self.gateway
        sessions, orders = gateway.sessions, gateway.orders
        end = self._reader.positions.released_seq
        for number, one in sessions.by_number.items():
            if not one.known:
                gateway.tape.changed(number, m.FixSessionState.known, one.next_in, one.next_out, end)
                one.known, one.reported, one.reported_ns = True, (end, ALL_PARTS), gateway.clock()
        while orders.seq < end and (raws := self._reader.poll(BATCH)):
            gateway.fold(raws)
        with gateway.lock:
            sessions.last_cl_ord_id = max(sessions.last_cl_ord_id, orders.last_cl_ord_id)
            # What is still in the ring will be taken: only behind it one can tell what never got there.
            self._until, gateway.submission.held = self._ring.tail, True
            for number, request in orders.requests.items():
                gateway.submission.expect(number, request)
            for number, one in sessions.by_number.items():
                if one.logged_on:
                    self._lose(number, one)

    def _lose(self, number: int, one: Session) -> None:
        """It was logged on when the gateway ended."""
        gateway = self.gateway
        one.logged_on = False
        left = m.FixSessionState.logged_out
        gateway.tape.changed(number, left, one.next_in, one.next_out, 0, "the gateway ended")
        if one.cancels:
            gateway.lost[number] = gateway.clock() + int(one.grace_s * 1e9)

    def _release(self) -> None:
        """The engine has taken all that was in the ring, and its answers are folded."""
        with self.gateway.lock:
            submitted, decided = self.gateway.submission.release()
        self._log.info("recovered", submitted_again=submitted, decided_again=decided)

    def _replay(self) -> int:
        """A stretch of every replay that a drop copy has asked for."""
        gateway, done = self.gateway, 0
        for number, exec_id in list(gateway.reporting.replaying.items()):
            replay = self._replays.get(number)
            if replay is not None and replay.asked != exec_id:
                if replay.is_preparing:
                    continue  # one of a session at a time: each folds both tapes
                self._replays.pop(number).close()
                replay = None
            if replay is None:
                self._begin_replay(number, exec_id)
                continue
            try:
                bodies, ended = replay.step(gateway.orders.seq)
            except TapeError as error:
                self._refuse_replay(number, f"FromExecID (8016) {exec_id}: reports from there are not kept: {error}")
                continue
            for seq, part, body in bodies:
                gateway.outbox.add(number, body, seq, part)
            done += 1
            if ended:
                self._end_replay(number)
        return done

    def _begin_replay(self, number: int, exec_id: str) -> None:
        gateway = self.gateway
        one, orders = gateway.sessions.by_number[number], gateway.orders
        after = place_of(exec_id, orders.prefix)
        if after is None:
            self._refuse_replay(number, f"FromExecID (8016) {exec_id}: expected 0 or an ExecID of ours")
            return

        def begin() -> Fold:
            terms, before = gateway.sessions.terms, after[0] - 1
            return restore(
                self._own, self._reader.path, terms, orders.shard, orders.source, self._log, not_beyond=before
            )

        self._replays[number] = Replay(
            *(exec_id, one, after, gateway.reporting.copies, gateway.reports[number]),
            *(begin, self._own, self._reader.path),
        )

    def _refuse_replay(self, number: int, text: str) -> None:
        gateway = self.gateway
        gateway.outbox.add(number, gateway.reports[number].business_reject(0, "A", 1, text))
        self._end_replay(number)

    def _end_replay(self, number: int) -> None:
        if (replay := self._replays.pop(number, None)) is not None:
            replay.close()
        with self.gateway.lock:
            del self.gateway.reporting.replaying[number]

    def _pace(self) -> int:
        """Looks at how far market data clients are behind with reading, and makes the slow ones skip."""
        gateway, now = self.gateway, self.gateway.clock()
        if gateway.market is None or now < self._paced + PACE_NS:
            return 0
        self._paced = now
        for number, waiting in self._backlogs().items():
            since = self._slow.get(number)
            with gateway.lock:
                if waiting > SLOW_BYTES:
                    gateway.reporting.tell(gateway.market.slow(number, True))
                    self._slow.setdefault(number, now)
                elif since is not None and waiting < SLOW_BYTES // 4:
                    gateway.reporting.tell(gateway.market.slow(number, False))
                    del self._slow[number]
            if since is not None and now - since > SLOW_NS:
                gateway.leaving[number] = f"you read too slowly: {waiting} bytes wait for you"
        return 0

    @property
    def records(self) -> int:
        """On both tapes."""
        return self.gateway.orders.seq + self.gateway.tape.next_seq - 1

    def do_work(self) -> int:
        taken = self.gateway.submission.held and self._ring.head >= self._until  # before its answers are read
        raws = self._reader.poll(BATCH)
        if taken and not raws:
            self._release()
        if raws:
            self.gateway.fold(raws)
            if len(raws) < BATCH:
                self.gateway.settle()
        done = len(raws)
        self.gateway.outbox.drain()
        now = self.gateway.clock()
        if now >= self._ticked + TICK_NS or self.gateway.reporting.replaying:
            self._ticked = now
            done += self.gateway.tick() + self._replay() + self._pace()
            self.gateway.outbox.drain()
            if len(raws) < BATCH and self.gateway.outbox.is_idle and not self.gateway.reporting.replaying:
                self.settled = self.gateway.orders.seq
            self.snapshotter.poll(self.records, self.settled)
        return done

    def reasons(self) -> list[str]:
        """Why clients' orders do not go on, or reports are old; from any thread."""
        gateway, why = self.gateway, list[str]()
        if not self._ring.consumer_alive:
            why.append(f"no engine takes commands: {self._ring.path} has no reader")
        if gateway.submission.held:
            why.append("recovering: the engine has not taken yet what was in the ring")
        behind = self._reader.positions.released_seq - gateway.orders.seq
        if behind > BEHIND:
            why.append(f"{behind} records of the orders tape are not reported yet; expected at most {BEHIND}")
        return why

    def figures(self) -> str:
        on = sum(one.logged_on for one in self.gateway.sessions.by_number.values())
        return f"orders_seq={self.gateway.orders.seq} logged_on={on}"

    def wait(self) -> None:
        self._reader.wait(WAIT_S)

    def close(self) -> None:
        self._reader.close()
        self.gateway.tape.close()

"""The agent that carries the orders tape to the clients, and how a gateway begins.

At the start the gateway's own tape says where each session stands and which requests became which commands; the orders
tape says what came of them. What was reported to nobody yet is reported, a command that never reached the engine is
put into the ring again, and a request that was neither is decided about now.
"""

from __future__ import annotations

from services.gateway.gateway import Gateway
from services.gateway.session import Session, Sessions
from tapewire import messages as m
from tapewire.logs import Logger
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader

BATCH = 256
WAIT_S = 0.02
"""The longest that something is noticed late which the tape does not say."""


def fold_own(reader: TapeReader, sessions: Sessions) -> None:
    """Folds the gateway's own tape to its end."""
    while raws := reader.poll(4096):
        for raw in raws:
            sessions.fold(m.decode(raw))
    sessions.check()


class GatewayAgent:
    def __init__(self, gateway: Gateway, reader: TapeReader, ring: RingProducer, log: Logger) -> None:
        self.gateway, self._reader, self._ring, self._log = gateway, reader, ring, log
        self._until = 0

    def recover(self) -> None:
        """After `fold_own`: catches up with the orders tape."""
        gateway = self.gateway
        sessions, orders = gateway.sessions, gateway.orders
        orders.requests = sessions.requests
        end = self._reader.positions.released_seq
        for number, one in sessions.by_number.items():
            if not one.known:
                gateway.tape.changed(number, m.FixSessionState.known, one.next_in, one.next_out, end)
                one.known, one.reported = True, (end, 1 << 16)
        while orders.seq < end and (raws := self._reader.poll(BATCH)):
            gateway.fold(raws)
        with gateway.lock:
            sessions.last_cl_ord_id = max(sessions.last_cl_ord_id, orders.last_cl_ord_id)
            # What is still in the ring will be taken: only behind it one can tell what never got there.
            self._until, gateway.held = self._ring.tail, True
            for number, request in orders.requests.items():
                gateway.expect(number, request)
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
        gateway = self.gateway
        sessions, requests = gateway.sessions, gateway.orders.requests
        with gateway.lock:
            again = sorted((number for number in sessions.commands if number in requests), reverse=True)
            for number in again:
                gateway.submit_again(number)
            sessions.commands.clear()
            gateway.held = False
            still_open = list(sessions.open)
            for seq in still_open:
                gateway.retry(seq)
        self._log.info("recovered", submitted_again=len(again), decided_again=len(still_open))

    def do_work(self) -> int:
        taken = self.gateway.held and self._ring.head >= self._until  # before its answers are read
        raws = self._reader.poll(BATCH)
        if taken and not raws:
            self._release()
        if raws:
            self.gateway.fold(raws)
        done = len(raws) + self.gateway.tick()
        self.gateway.drain()
        return done

    def wait(self) -> None:
        self._reader.wait(WAIT_S)

    def close(self) -> None:
        self._reader.close()
        self.gateway.tape.close()

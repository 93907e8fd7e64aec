"""The drop-copy session: whatever becomes of all orders of the account, told a second time.

    order entry ──8──┐                         first to tell an execution: reported; the other: nothing more
                     ├──▶ one set of orders ──▶ venue.<name>
    drop copy ────8──┘                         told otherwise, or by one alone: VenueDiffered

It writes onto the tape of the venue as session 2, under the lock of order entry, whose reports and its own are one
history: an execution counts once, by its ExecID, whoever tells it. It sends nothing but session messages.

After order entry was lost it may be that nothing need be asked: where the drop copy has been there all the time, a
TestRequest that it answers late enough proves that it has told all that happened (see `work`).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from services.gateway.initiator.child import BOTH, BY_COPY, Child
from services.gateway.initiator.dialects.base import Dialect, Head
from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.session import VenueSession
from services.gateway.initiator.session_layer import OutwardSender
from services.gateway.initiator.tape import COPIED, COPY
from services.gateway.initiator.words import Differs
from services.gateway.session import without_secrets
from tapewire import messages as m
from tapewire.fix.message import fields_of

COMPARED: Final = 10_000
"""Executions that one session has told and the other not yet; of more the oldest are not compared."""


class DropCopy:
    """The handler of its session layer. `dialect`: the venue's as this session reaches it."""

    def __init__(self, session: VenueSession, dialect: Dialect, numbers: Numbers, delay_ns: int) -> None:
        """`delay_ns`: after which it has surely told what happened."""
        self.session, self.dialect, self.numbers = session, dialect, numbers
        self.on, self.leaving = False, ""
        self._delay, self._patience = delay_ns, delay_ns + session.timeout_ns
        self._since = self._asked = 0
        self._question = ""
        self._proved = False
        self._reason = ""
        self._waited: OrderedDict[tuple[int, str], int] = OrderedDict()
        """Executions (child, ExecID) that one session has told and the other not, and since when."""
        session.copy = self

    # -- of the session layer

    def logging_on(self, begins_anew: bool) -> tuple[int, int]:
        with self.session.lock:
            numbers = self.numbers
            if begins_anew or numbers.rolled_over(self.session.clock(), self.dialect.rollover):
                numbers.next_in = numbers.next_out = 1
                self._changed(m.FixSessionState.reset, "with each logon" if begins_anew else "the venue's day is over")
            return numbers.next_in, numbers.next_out

    def logon_fields(self, seq: str, sender: str, target: str, sending_time: str) -> list[tuple[int, str]]:
        return self.dialect.copy_logon(Head(seq, sender, target, sending_time, self.session.clock() // 1_000_000))

    def header_fields(self, kind: str) -> list[tuple[int, str]]:
        return self.dialect.header(kind)

    def logged_on(self) -> None:
        with self.session.lock:
            self.on = self.numbers.logged_on = True
            self._since = self.session.clock()
            self._changed(m.FixSessionState.logged_on)
        self.session.log.info("drop copy logged on")

    def logged_out(self) -> None:
        with self.session.lock:
            self.on = self.numbers.logged_on = False
            reason = self.leaving or self._reason or "the connection is lost"
            self.leaving = self._reason = self._question = ""
            self._waited.clear()
            self._changed(m.FixSessionState.logged_out, reason)
        self.session.log.warning("drop copy logged out", reason=reason)

    def trouble(self, reason: str) -> None:
        """The venue cannot be reached."""
        self.session.log.warning("no connection for the drop copy", reason=reason)

    def received(self, raw: bytes) -> None:
        message = fields_of(raw)
        with self.session.lock:
            seq = self._took(raw.decode("latin-1"), message.type, message.seq, message.seq + 1)
            if message.type == COPIED:
                self.session.copied(raw, seq)

    def administered(self, raw: bytes, next_in: int) -> None:
        message = fields_of(raw)
        with self.session.lock:
            text = without_secrets(raw) if message.type == "A" else raw.decode("latin-1")
            self._took(text, message.type, message.seq, next_in)
            if message.type == "5":
                self._reason = message.get(58, "the venue logged us out")
            elif message.type == "0" and self._question and message.get(112) == self._question:
                self._proved = True

    def sending(self, raw: str, seq: int, kind: str) -> None:
        with self.session.lock:
            self.numbers.next_out, self.numbers.last_ts = max(self.numbers.next_out, seq + 1), self.session.clock()
            kept = without_secrets(raw.encode("latin-1")) if kind == "A" else raw
            self.session.tape.sent(seq, 0, 0, kind, kept, COPY)
            if kind == "2" and not self.dialect.resends:
                self.leaving = "a message of the venue is missing, and it sends none again"

    def _took(self, text: str, kind: str, seq: int, next_in: int) -> int:
        now = self.session.clock()
        self.numbers.next_in, self.numbers.last_ts = next_in, now
        return self.session.tape.received(seq, next_in, kind, text, now, COPY)

    def _changed(self, state: m.FixSessionState, reason: str = "") -> None:
        self.session.tape.session(state, self.numbers.next_in, self.numbers.next_out, reason, COPY)

    # -- of order entry

    def follows(self, since: int) -> bool:
        return self.on and not self.leaving and self._since + self._delay <= since

    def said(self, child: Child, exec_id: str, ts: int, new: bool) -> None:
        both = self.on and self.session.on and ts >= max(self._since, self.session.on_ns)
        if child.executions[exec_id].told_by == BOTH:
            self._waited.pop((child.child_id, exec_id), None)
        elif new and both:  # else the other was not there when it happened
            self._waited[child.child_id, exec_id] = self.session.clock()
            if len(self._waited) > COMPARED:
                self._waited.popitem(last=False)

    def _alone(self, number: int, exec_id: str) -> None:
        """One session has told an execution, and the other not for too long."""
        child = self.session.orders.children.get(number)
        execution = child.executions.get(exec_id) if child is not None else None
        if child is None or execution is None or execution.busted:
            return
        silent = "order entry" if execution.told_by == BY_COPY else "the drop copy"
        reason = f"{silent} has not told this execution in {self._patience / 1e9:g} s"
        self.session.tell(
            Differs(
                number, child.market.instrument, execution.price, execution.qty, 0, 0, child.order_id, exec_id, reason
            )
        )

    # -- of the agent

    def work(self, now: int, sender: OutwardSender) -> None:
        """Asks what must be asked, and tells what one of both sessions has not."""
        session = self.session
        with session.lock:
            if not (self.on and session.on):
                self._waited.clear()
            while self._waited and now - next(iter(self._waited.values())) >= self._patience:
                self._alone(*self._waited.popitem(last=False)[0])
            ask = self._prove(now)
        if ask:
            sender.send(f"35=1\x01112={ask}\x01")

    def _prove(self, now: int) -> str:
        """Whether all that happened while order entry was away has been told: TestReqID of what is to be asked now."""
        going = self.session.reconciliation
        if going is None or not going.followed:
            self._question, self._proved = "", False
            return ""
        if self._proved or not self.on or self.leaving or (self._question and now - self._asked > self._patience):
            going.release(self._proved)
            self._question, self._proved = "", False
        elif not self._question and now >= self.session.on_ns + self._delay:
            self._question, self._asked = f"copy-{self.session.tape.next_seq}", now
            return self._question
        return ""

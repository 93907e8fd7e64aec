"""The agent of one venue: carries the router's commands to it, asks what must be asked, keeps within its limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.gateway.initiator.commands import answer_here, body_of, second_leg, waits
from services.gateway.initiator.drop_copy import DropCopy
from services.gateway.initiator.recovery import Commands
from services.gateway.initiator.session import Carried, VenueSession
from services.gateway.initiator.session_layer import OutwardSender
from services.gateway.initiator.watch import Throttle
from services.gateway.initiator.words import Kind
from tapewire import messages as m
from tapewire.logs import Logger

BATCH: Final = 256
WAIT_S: Final = 0.02
"""The longest that something is noticed late which the router's tape does not say."""
COUNTERS: Final = ("state", "waiting", "open", "sent", "answered_here", "throttled", "drop_copy")


class VenueAgent:
    def __init__(
        self,
        session: VenueSession,
        commands: Commands,
        sender: OutwardSender,
        log: Logger,
        count: Callable[[str, int], None],
        copy: tuple[DropCopy, OutwardSender] | None = None,
    ) -> None:
        """`count` sets one of COUNTERS; `copy`: the drop copy, and what sends for it."""
        self.session, self.commands = session, commands
        self._sender, self._log, self._count = sender, log, count
        venue = session.dialect.venue
        messages, interval = session.dialect.limit
        if venue.messages:
            messages, interval = venue.messages, venue.interval
        self._throttle = Throttle(messages, int(interval * 1e9))
        self._max_waiting, self._max_wait = venue.max_waiting, int(venue.max_wait * 1e9)
        self._sent = self._here = self._throttled = 0
        self._left = self._copy_left = False
        self._copy = copy

    def do_work(self) -> int:
        session = self.session
        room = self._max_waiting - len(self.commands.undone)
        with session.lock:
            done = self.commands.poll(min(BATCH, room)) if room > 0 else 0
        now = session.clock()
        done += self._legs(now) + self._answer(now)
        if session.ready:
            done += self._carry(now)
        done += self._ask(now)
        self._left = self._leave(session, self._sender, self._left)
        if self._copy is not None:
            copy, sender = self._copy
            copy.work(now, sender)
            self._copy_left = self._leave(copy, sender, self._copy_left)
        self._show()
        return done

    def _answer(self, now: int) -> int:
        """Commands that are not sent: too late, or about an order that does not stand."""
        done = 0
        with self.session.lock:
            for seq, command in list(self.commands.undone.items()):
                waited = now - command.ts
                late = f"not sent for {waited / 1e9:.1f} s: {self._why()}" if waited > self._max_wait else ""
                first = done == 0 and seq == next(iter(self.commands.undone))
                if not late and not first:
                    continue
                told = answer_here(self.session.orders, command, seq, late)
                if told is not None:
                    self.session.tell(told)
                    del self.commands.undone[seq]
                    done += 1
        self._here += done
        return done

    def _why(self) -> str:
        return "the venue's limit of messages" if self.session.ready else "there is no session to the venue"

    def _carry(self, now: int) -> int:
        done = 0
        while self.commands.undone and done < BATCH:
            seq, command = next(iter(self.commands.undone.items()))
            if not self._may_send(now):
                break
            with self.session.lock:
                orders = self.session.orders
                if waits(orders, command) or not self.session.ready:
                    break
                told = answer_here(orders, command, seq, "")
                if told is not None:
                    self.session.tell(told)
                    self._here += 1
                body = "" if told is not None else body_of(orders, command, seq, now)
            if body and not self._send(Carried(body, seq, 0, command), now):
                break
            del self.commands.undone[seq]
            done += 1
        return done

    def _may_send(self, now: int) -> bool:
        free = self._throttle.free(now)
        self._throttled += not free
        return free

    def _send(self, carried: Carried, now: int) -> bool:
        if not self.session.send(self._sender.send, carried):
            return False
        self._throttle.take(now)
        self._sent += 1
        return True

    def _legs(self, now: int) -> int:
        """New orders of amendments whose cancel is confirmed; where there is no session, they end cancelled."""
        done, session = 0, self.session
        while session.legs and (not session.ready or self._may_send(now)):
            with session.lock:
                child = session.orders.children[session.legs.popleft()]
                body = second_leg(child, session.dialect, now)
                if body and not session.ready:
                    self._interrupted(child.child_id)
                    body = ""
                seq = child.moving_seq
            if body and not self._send(Carried(body, seq, 1), now):
                session.legs.append(child.child_id)
                break
            done += 1
        return done

    def interrupted(self) -> None:
        """At the start: amendments whose cancel was confirmed and whose new order never went."""
        with self.session.lock:
            for number in sorted(self.session.orders.open):
                if self.session.orders.children[number].between:
                    self._interrupted(number)

    def _interrupted(self, number: int) -> None:
        child = self.session.orders.children[number]
        told = child.told(
            Kind.cancelled, reason="cancelled to be amended; the connection was lost before its new order"
        )
        told.live, told.leaves_qty, told.cause = False, 0, 0
        self.session.tell(told)

    def _ask(self, now: int) -> int:
        session, done = self.session, 0
        if not session.on:
            return 0
        session.look_done()
        while self._throttle.free(now):
            with session.lock:
                going = session.reconciliation
                asked = going.next(now) if going is not None else None
                if going is not None and going.given_up:
                    session.leaving = "our questions about open orders are not answered"
                body = self._question(asked, now) if asked is not None else ""
            if not body:
                break
            self._send(Carried(body), now)
            done += 1
        return done + (self._ask_due(now) if session.ready else 0)

    def _question(self, child: int, now: int) -> str:
        """About one order, or all (0)."""
        session = self.session
        dialect, question = session.dialect, session.tape.next_seq
        if not child:
            return dialect.mass_status(question)
        order = session.orders.children[child].order()
        if dialect.asks == "cancel":
            return dialect.cancel(order, dialect.names.make("q", question, question), now)
        return dialect.status(order, question, now)

    def _ask_due(self, now: int) -> int:
        """Orders from which nothing came in time."""
        session, done = self.session, 0
        with session.lock:
            due = session.watch.due(now)
        for number in due:
            with session.lock:
                child = session.orders.children.get(number)
                if child is None:
                    continue
                if session.watch.gave_up(number):
                    session.leaving = f"order {child.name} is not answered"
                body = ""
                if session.dialect.asks == "cancel" and child.behind:
                    self._believe(number)
                elif child.live or session.dialect.asks != "cancel":
                    body = self._question(number, now)
            if body and self._may_send(now):
                self._send(Carried(body), now)
            done += 1
        return done

    def _believe(self, number: int) -> None:
        """Where nothing can be asked: CumQty as the venue said it last, without a price."""
        child = self.session.orders.children[number]
        change = child.told_cum - child.cum
        told = child.told(Kind.restated, last_qty=change, cum_qty=child.told_cum, origin=m.ReportOrigin.reconciled)
        told.leaves_qty = 0 if child.closed else max(0, child.qty - child.told_cum)
        told.live = not child.closed and child.told_cum < child.qty
        told.reason = "the venue says CumQty, and its executions did not come"
        self.session.tell(told)
        self.session.watch.look(child, self.session.clock())

    def _leave(self, session: VenueSession | DropCopy, sender: OutwardSender, left: bool) -> bool:
        """Logs out a session that has a reason to leave; `left`, and what is returned: whether it is leaving."""
        if session.leaving and session.on and not left:
            self._log.error("logging out", reason=session.leaving)
            sender.log_out(session.leaving)
            return True
        if left and not session.on:
            sender.allow_logon()
            return False
        return left

    def _show(self) -> None:
        session = self.session
        values = (session.state, len(self.commands.undone), len(session.orders.open))
        copied = self._copy is not None and self._copy[0].on
        for name, value in zip(COUNTERS, (*values, self._sent, self._here, self._throttled, copied), strict=True):
            self._count(name, int(value))

    def reasons(self) -> list[str]:
        """Why no order can be sent to the venue, or its executions may come late; from any thread."""
        why = [] if self.session.ready else [f"session for orders: {self.session.describe()}"]
        if self._copy is not None and not self._copy[0].on:
            why.append("drop copy: not logged on")
        return why

    def figures(self) -> str:
        return f"waiting={len(self.commands.undone)} open={len(self.session.orders.open)} sent={self._sent}"

    def wait(self) -> None:
        self.commands.reader.wait(WAIT_S)

    def close(self) -> None:
        self.commands.reader.close()
        self.session.tape.close()

"""The session to a venue as a process, and a router's tape that the test writes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.gateway.session import field_of
from tapewire import messages as m
from tapewire.errors import TapeMissing
from tapewire.fixed import to_mantissa, to_text
from tapewire.folders import Folders
from tapewire.tape import TapeReader, TapeWriter
from tests.engine_process import PATIENCE_S, ROOT

VENUE = 3
INSTRUMENT = 7
Kind = m.VenueReportKind


class Desk:
    """`desk.new(...)`, `desk.cancel(...)` write the router's tape; `desk.reports()` reads the venue's."""

    def __init__(
        self,
        folder: Path,
        venue: str,
        *,
        symbol: str = "ACME",
        price_exponent: int = -2,
        qty_exponent: int = 0,
    ) -> None:
        """`venue`: further keys of its [[venues]]."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.folders = folder, Folders(folder / "data")
        self.log = folder / "venue.log"
        self.config = folder / "tapewire.toml"
        self.settings = (
            f'data = "{folder}/data"\nrings = "{folder}/rings"\n[[venues]]\nname = "out"\nnumber = {VENUE}\n'
            f"answer_timeout = 1.0\nreconnect = 1\ndrain_timeout = 1.0\n{venue}\n"
        )
        self.sessions = ""
        """Its [[venues.sessions]], written behind all else."""
        self.process: subprocess.Popen[bytes] | None = None
        tape = self.folders.tape("router.0")
        tape.parent.mkdir(parents=True, exist_ok=True)
        self._router = TapeWriter(str(tape), tape.name, durability="memory")
        self.children = self._requests = 0
        self._qty_exponent = qty_exponent
        exponents = {"price_exponent": price_exponent, "qty_exponent": qty_exponent}
        self._write(m.InstrumentDefinition, ticker="ACME", tick_size=1, lot_size=1, **exponents)
        self._write(m.MarketDefinition, venue=VENUE, name="out", ticker="ACME", symbol=symbol)

    def _write(self, kind: type[m.Message], **fields: object) -> int:
        seq = self._router.next_seq
        self._router.append(bytes(kind(seq=seq, ts=time.time_ns(), instrument=INSTRUMENT, **fields)))
        self._router.commit()
        return seq

    def new(self, side: m.Side, qty: int, price: int = 0, **more: object) -> int:
        """A NewChild, IOC or resting as `more` says. Returns its number."""
        self.children += 1
        fields: dict[str, object] = {
            "child_id": self.children,
            "parent_id": 1,
            "venue": VENUE,
            "ticker": "ACME",
            "account": 1,
        }
        fields |= {"side": side, "qty": qty, "price": price, "time_in_force": m.TimeInForce.gtc}
        fields["ord_type"] = m.OrdType.limit if price else m.OrdType.market
        self._write(m.NewChild, **(fields | more))
        return self.children

    def replace(self, child: int, price: int, qty: int) -> None:
        self._requests += 1
        fields = {"child_id": child, "parent_id": 1, "venue": VENUE, "request": self._requests}
        self._write(m.ReplaceChild, price=price, qty=qty, **fields)

    def cancel(self, child: int) -> None:
        self._requests += 1
        self._write(m.CancelChild, child_id=child, parent_id=1, venue=VENUE, request=self._requests)

    def start(self, port: int) -> None:
        """Starts it, to connect to that port."""
        self.config.write_text(f"{self.settings}port = {port}\n{self.sessions}")
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "services.gateway.initiator", "--venue", "out"]
            self.process = subprocess.Popen([*command, "--config", str(self.config)], cwd=ROOT, stderr=log)

    def end(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def records(self) -> list[m.Message]:
        """Everything on the venue's tape."""
        try:
            with TapeReader(str(self.folders.tape("venue.out")), limit="written") as reader:
                return [m.decode(raw) for raw in reader]
        except TapeMissing:
            return []

    def reports(self, child: int | None = None) -> list[m.VenueReported]:
        """What the venue said, of one child or of all."""
        found = [one for one in self.records() if isinstance(one, m.VenueReported)]
        return [one for one in found if child is None or one.child_id == child]

    def kinds(self, child: int) -> list[str]:
        return [Kind(one.kind).name for one in self.reports(child)]

    def states(self) -> list[str]:
        return [m.VenueState(one.state).name for one in self.records() if isinstance(one, m.VenueChanged)]

    def sent(self, kind: str) -> list[str]:
        """Raw messages of that type."""
        return [one.raw for one in self.records() if isinstance(one, m.FixSent) and one.msg_type == kind]

    def names_of(self, child: int) -> list[str]:
        """ClOrdIDs under which a child was entered."""
        with TapeReader(str(self.folders.tape("router.0")), limit="written") as reader:
            commands = {one.seq: one for one in map(m.decode, reader) if isinstance(one, m.NewChild | m.ReplaceChild)}
        entered = [one for one in self.records() if isinstance(one, m.FixSent) and one.msg_type == "D"]
        return [field_of(one.raw, 11) for one in entered if commands[one.orders_seq].child_id == child]

    def to_qty(self, text: str) -> int:
        return to_mantissa(text, self._qty_exponent)

    def qty_text(self, mantissa: int) -> str:
        return to_text(mantissa, self._qty_exponent)

    def until(self, true: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert self.process is None or self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{what}: {self._shown()}"
            time.sleep(0.02)

    def wait_ready(self, count: int = 1) -> None:
        """Until it was ready so many times, and is."""
        self.until(lambda: self.states().count("ready") >= count and self.states()[-1] == "ready", "ready")

    def wait_for(self, child: int, *kinds: str) -> None:
        """Until these reports have come of a child, in this order, with whatever between them."""

        def come() -> bool:
            found = iter(self.kinds(child))
            return all(kind in found for kind in kinds)

        self.until(come, f"{kinds} of child {child}")

    def _shown(self) -> str:
        said = [f"{one.child_id} {Kind(one.kind).name} cum={one.cum_qty} {one.reason}" for one in self.reports()]
        return f"{self.states()} {said[-12:]} {self.log.read_text()[-2000:]}"

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._router.close()


def adds_up(reports: list[m.VenueReported]) -> dict[int, int]:
    """CumQty by child, summed from what was executed, busted, corrected and restated; it must be the one last told, and
    no execution may have come twice."""
    total: dict[int, int] = {}
    executions: dict[tuple[int, str], int] = {}
    for one in reports:
        key = (one.child_id, one.exec_id)
        before = total.get(one.child_id, 0)
        if one.kind == Kind.executed:
            assert key not in executions, one
            executions[key] = one.last_qty
            before += one.last_qty
        elif one.kind == Kind.busted:
            before -= executions.pop((one.child_id, one.ref_exec_id))
        elif one.kind == Kind.corrected:
            ref = (one.child_id, one.ref_exec_id)
            before += one.last_qty - executions[ref]
            executions[ref] = one.last_qty
        elif one.kind == Kind.restated:
            before += one.last_qty
        assert one.cum_qty == before or not one.child_id or one.kind == Kind.rejected, one
        total[one.child_id] = before
    total.pop(0, None)
    return total

"""The operator's commands: one at a time by a ring of the role `operator`, each with its answer off the tape.

    Operator ──ring──▶ engine ──▶ tape ──▶ Answer

The ring is held only while a command is written, so that several operators, and the engine at its start, take turns.
`tapewire operator` is the command around it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from services.engine.producers import take_ring
from tapewire import definitions
from tapewire import messages as m
from tapewire.errors import RingError, TapewireError
from tapewire.folders import Folders
from tapewire.ring import Doorbell
from tapewire.tape import TapeReader

ANSWER_WAIT_S = 5.0
POLL_S = 0.05
REFUSALS = (m.OrderRejected, m.CancelRejected, m.InputRefused)


@dataclass(frozen=True)
class Answer:
    """What the tape says of one command."""

    events: tuple[m.Message, ...]
    """In order; the last one ends it."""

    @property
    def refusal(self) -> m.OrderRejected | m.CancelRejected | m.InputRefused | None:
        last = self.events[-1]
        return last if isinstance(last, REFUSALS) else None

    @property
    def completed(self) -> m.CommandCompleted:
        """Raises TapewireError saying the reason and the numbers compared, if it was refused."""
        last = self.events[-1]
        if isinstance(last, m.CommandCompleted):
            return last
        numbers = "" if isinstance(last, m.InputRefused) else f" ({last.value}, {last.limit})"  # type: ignore[attr-defined]
        name = last.reason.name  # type: ignore[attr-defined]
        raise TapewireError(f"record {last.cause or last.seq} was refused: {name}{numbers}; nothing was changed")


class Operator:
    """Sends the operator's commands to the engine at `data`. Raises RingError if it listens to no such producer."""

    def __init__(self, data: Path | str, shard: int = 0, *, producer: str = "operator") -> None:
        self._folders = Folders(Path(data))
        self.tape = self._folders.orders_tape(shard)
        found = self._folders.find_inbound_ring(shard, producer)
        if found is None:
            raise RingError(
                f"{self._folders.rings}: no inbound ring of a producer {producer!r} for shard {shard}. Start the "
                f'engine with this data folder, and name it in [engine] producers with role = "operator"'
            )
        self._ring, self.source = found
        self._bell = Doorbell(self._folders.doorbell(shard))
        self._reader = TapeReader(self.tape, limit="released")

    def close(self) -> None:
        self._bell.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, command: m.Message, timeout_s: float = ANSWER_WAIT_S) -> Answer:
        """Raises TapewireError when no engine listens, or none has answered by then; and, before anything is sent, for
        a bust or correction of a trade that does not stand as the command says: no core keeps what its matches were."""
        if isinstance(command, m.BustTrade | m.CorrectTrade):
            self._check_trade(command)
        self._reader.seek_seq(self._reader.positions.released_seq + 1)
        return self._answer(self._write(command), timeout_s)

    def _write(self, command: m.Message) -> int:
        """Returns where it lies: the answer's originSeq."""
        now = time.time_ns()
        with take_ring(self._ring, self._bell) as ring:
            if not ring.consumer_alive:
                raise TapewireError(f"{self._ring}: no engine listens to it; nothing was sent. Start one")
            if not ring.write(bytes(command.replace(ts_event=now, ts_recv=now))):
                raise TapewireError(f"{self._ring}: full, the engine is behind; nothing was sent. Try again")
            return ring.tail

    def _answer(self, position: int, timeout_s: float) -> Answer:
        events: list[m.Message] = []
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            for raw in self._reader.poll_answers(self.source, 4096):
                event = m.decode(raw)
                if event.origin_seq == position:
                    events.append(event)
            if events and isinstance(events[-1], (m.CommandCompleted, *REFUSALS)):
                return Answer(tuple(events))
            self._reader.wait(min(left, POLL_S))
        raise TapewireError(
            f"no answer within {timeout_s:g} s. The command is in {self._ring}: the engine carries it out when it can"
        )

    # What there is

    def instruments(self) -> dict[str, m.InstrumentDefinition]:
        """By ticker, as they stand: defined last, in the status of now; those that were delisted included."""
        return definitions.by_ticker(definitions.read(self.tape, "written"))

    def instrument(self, ticker: str) -> m.InstrumentDefinition:
        """Raises TapewireError naming those there are."""
        there = self.instruments()
        if ticker not in there:
            raise TapewireError(
                f"{self.tape}: no instrument {ticker!r}; there are: {', '.join(sorted(there)) or 'none'}"
            )
        return there[ticker]

    def trade(self, match_id: int) -> m.OrderExecuted | m.TradeCorrected:
        """A trade as it stands: the last correction, or the execution. Raises TapewireError for one that does not."""
        found: m.OrderExecuted | m.TradeCorrected | None = None
        for event in self._trades(match_id):
            if isinstance(event, m.TradeBusted):
                raise TapewireError(f"{self.tape}: trade {match_id} was busted by record {event.cause}")
            found = event
        if found is None:
            begins = self._reader.first_seq
            gone = f"; it may be of before record {begins}, with which the tape begins" if begins > 1 else ""
            raise TapewireError(f"{self.tape}: no trade has the match id {match_id}{gone}")
        return found

    def _check_trade(self, command: m.BustTrade | m.CorrectTrade) -> None:
        """Raises TapewireError naming each field that is not the trade's."""
        stands = _as_it_stands(self.trade(command.match_id))
        wrong = {name: getattr(command, name) for name, value in stands.items() if getattr(command, name) != value}
        if wrong:
            differs = ", ".join(f"{name} {int(value)} instead of {int(stands[name])}" for name, value in wrong.items())
            raise TapewireError(f"trade {command.match_id} does not stand so: {differs}; nothing was sent")

    def _trades(self, match_id: int) -> Iterator[m.OrderExecuted | m.TradeCorrected | m.TradeBusted]:
        """Its execution, then what was said of it later."""
        kinds: tuple[tuple[m.MessageType, Any], ...] = (
            (m.MessageType.order_executed, m.OrderExecuted),
            (m.MessageType.trade_corrected, m.TradeCorrected),
            (m.MessageType.trade_busted, m.TradeBusted),
        )
        for kind, cls in kinds:
            with TapeReader(self.tape, from_seq=None, limit="written") as reader:
                while batch := reader.poll_type(kind, 4096):
                    yield from (event for raw in batch if (event := cls.decode(raw)).match_id == match_id)

    # What is commanded

    def set_status(
        self,
        instrument: int,
        status: m.InstrumentStatus,
        *,
        reason: m.StatusReason = m.StatusReason.requested,
        resume_time: int = 0,
    ) -> Answer:
        """Halts, resumes, opens, closes, delists, or calls an auction. `instrument` 0: the whole market.

        `resume_time` (UTC ns): when trading resumes by itself, of a halt or an auction; 0: when commanded.
        """
        return self.send(
            m.SetInstrumentStatus(instrument=instrument, status=status, reason=reason, resume_time=resume_time)
        )

    def define(self, ticker: str, **terms: int) -> Answer:
        """Changes an instrument's terms (fields of InstrumentDefinition), the others stay; or adds one.

        A new one needs tick_size, lot_size and exponents; it opens in status trading unless `status` says otherwise.
        """
        stands = definitions.read(self.tape, "written")
        known = definitions.by_ticker(stands).get(ticker)
        if known is not None:
            exponents = [terms.get(name, getattr(known, name)) for name in ("price_exponent", "qty_exponent")]
            known = definitions.bearer(stands, ticker, *exponents)
        if known is not None:
            # Left as they are where the market is now, not where they once were.
            kept = known.replace(reference_price=0, status=0)
            return self.send(kept.replace(**terms))
        number = max(stands.instruments, default=0) + 1
        return self.send(
            m.InstrumentDefinition(instrument=number, ticker=ticker, **{"status": m.InstrumentStatus.trading, **terms})
        )

    def limits(self, account: int, **limits: int) -> Answer:
        """Opens an account or changes its limits (fields of AccountLimits); those not named stay."""
        known = definitions.read(self.tape, "written").accounts.get(account, m.AccountLimits(account=account))
        return self.send(known.replace(**limits))

    def kill(self, account: int = 0, *, cancel_open: bool = True) -> Answer:
        """Refuses the account's new orders from now on (0: everybody's), and cancels those that are live."""
        return self.send(m.KillSwitch(account=account, engaged=True, cancel_open=cancel_open))

    def release(self, account: int = 0) -> Answer:
        """Takes a kill back."""
        return self.send(m.KillSwitch(account=account))

    def bust(self, match_id: int) -> Answer:
        """That trade did not happen."""
        return self.send(m.BustTrade(**_as_it_stands(self.trade(match_id))))

    def correct(self, match_id: int, *, price: int = 0, qty: int = 0) -> Answer:
        """That trade happened at another price or quantity (mantissas); 0 leaves it."""
        trade = self.trade(match_id)
        return self.send(
            m.CorrectTrade(**_as_it_stands(trade), new_price=price or trade.price, new_qty=qty or trade.qty)
        )


def _as_it_stands(trade: m.OrderExecuted | m.TradeCorrected) -> dict[str, Any]:
    names = ("instrument", "match_id", "maker_order_id", "taker_order_id", "price", "qty")
    parties = ("maker_account", "taker_account", "taker_side")
    return {name: getattr(trade, name) for name in (*names, *parties)}

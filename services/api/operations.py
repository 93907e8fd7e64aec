"""What the operator may command through the API: limits, kill switches, statuses of instruments."""

from __future__ import annotations

from services.api import types
from services.api.answers import Answer
from services.api.authors import Author
from services.api.desk import Response, nanoseconds, pending, refused
from services.api.entry import Entry
from services.api.hub import Hub
from services.api.platform import Killed
from services.api.problems import Problem
from services.api.requests import Kill, SetLimits, SetStatus
from services.api.tape import Origin
from tapewire import messages as m

MAX_REASON = 63
MAX_ACCOUNT = (1 << 20) - 1
_MAX = (1 << 63) - 1


class Operations:
    """Every method raises Problem for what is refused."""

    def __init__(self, entry: Entry, hub: Hub) -> None:
        self._entry, self._hub = entry, hub

    async def kill(self, author: Author, asked: Kill, origin: Origin) -> Response:
        """Engages or releases the kill switch of an account, 0: of all. 200 Killed, 202 Pending."""
        if not asked.reason.isascii() or not asked.reason.isprintable() or len(asked.reason) > MAX_REASON:
            raise _invalid("reason", f"expected at most {MAX_REASON} printable ASCII characters")
        if asked.account:
            self._check_account(asked.account)
        command = m.KillSwitch(
            account=asked.account, engaged=asked.engaged, cancel_open=asked.cancel_open, reason=asked.reason
        )
        answer = await self._entry.operate(author, command, asked.account, origin)
        if answer.status == 202:
            return pending(answer, "")
        _check(answer)
        return Response(200, Killed(answer.seq, str(answer.ts), answer.cancelled, answer.flat_ns))

    async def limits(self, author: Author, account: int, asked: SetLimits, origin: Origin) -> Response:
        """All limits of an account; opens it if there is none. 200 types.Risk, 202 Pending."""
        if not 1 <= account <= MAX_ACCOUNT:
            raise _invalid("account", f"expected 1 to {MAX_ACCOUNT}")
        limits = {"max_order_qty": asked.max_order_qty, "max_notional": asked.max_notional}
        limits |= {"max_position": asked.max_position, "self_trade_group": asked.self_trade_group}
        for name, value in limits.items():
            most = MAX_ACCOUNT if name == "self_trade_group" else 1 << 60 if name == "max_position" else _MAX
            if not 0 <= value <= most:
                raise _invalid(name, f"expected 0 to {most}")
        command = m.AccountLimits(account=account, self_trade=m.SelfTrade[asked.self_trade], **limits)
        answer = await self._entry.operate(author, command, account, origin)
        if answer.status == 202:
            return pending(answer, "")
        _check(answer)
        return Response(200, self._hub.risk([account]).accounts[0])

    async def status(self, author: Author, ticker: str, asked: SetStatus, origin: Origin) -> Response:
        """Halts, resumes, opens, closes, calls an auction. 200 types.InstrumentStatus, 202 Pending. LookupError: there
        is no such instrument."""
        instrument: types.Instrument = self._hub.instrument(ticker)
        command = m.SetInstrumentStatus(
            instrument=instrument.instrument,
            status=m.InstrumentStatus[asked.status],
            reason=m.StatusReason[asked.reason],
            resume_time=0 if asked.resume_time is None else nanoseconds("resume_time", asked.resume_time),
        )
        answer = await self._entry.operate(author, command, 0, origin)
        if answer.status == 202:
            return pending(answer, "")
        _check(answer)
        return Response(200, self._hub.status(ticker))

    def _check_account(self, account: int) -> None:
        if not 0 <= account <= MAX_ACCOUNT or not self._hub.risk([account]).accounts:
            raise Problem(422, f"there is no account {account}", field="account", reason="unknown_account")


def _check(answer: Answer) -> None:
    """Raises Problem if it was refused."""
    if answer.reason:
        raise refused(answer, None)


def _invalid(field: str, detail: str) -> Problem:
    return Problem(422, detail, field=field, reason="invalid_field")

"""What is decided about a message of a client: a command, or its answers, or what it has to wait for. Pure."""

from __future__ import annotations

from typing import NamedTuple

from services.gateway import inbound
from services.gateway.inbound import Desk, Waits
from services.gateway.market_data import MarketData
from services.gateway.queries import Queries
from services.gateway.reports import Reports
from services.gateway.session import ORDER_TYPES, Session
from services.gateway.values import MissingField, Refusal, check_content, check_name
from tapewire import messages as m
from tapewire.errors import FixError
from tapewire.fix.message import Message


class Decision(NamedTuple):
    command: bytes = b""
    replies: tuple[str, ...] | list[str] = ()
    """Bodies of the answers, if it is no command."""
    waits_for: str = ""
    """The ClOrdID of a request that must be answered before."""


class Decisions:
    def __init__(
        self, name: str, desk: Desk, reports: dict[int, Reports], queries: Queries, market: MarketData | None
    ) -> None:
        """`name`: the gateway's, in ExecIDs of its own refusals. `market`: None if no session is for market data."""
        self._name, self._desk, self._reports, self._queries, self._market = name, desk, reports, queries, market

    def decide(self, one: Session, message: Message, number: int, now: int, repeated: bool, received: int) -> Decision:
        """`number`: of the command that it may become; `repeated`: its ClOrdID was taken before; `received`: seq of its
        record on the gateway's tape."""
        reports, kind = self._reports[one.terms.number], message.type
        try:
            check_content(one, message)
            if kind == "V":
                return Decision(replies=self._market_data(one, message))
            if kind not in ORDER_TYPES:
                return Decision(replies=self._queries.answer(one, message, now))
            if one.terms.kind != "orders":
                text = f"not on a session of kind {one.terms.kind}"
                return Decision(replies=(reports.business_reject(message.seq, kind, 6, text),))
            check_name(message)
            if repeated:
                raise Refusal("ClOrdID (11) was used today", m.RejectReason.stale_cl_ord_id)
            return Decision(inbound.command(self._desk, one, message, number, now))
        except Waits as waits:
            return Decision(waits_for=waits.orig)
        except Refusal as refusal:
            inbound.add_order(self._desk, one, message, refusal)
            return Decision(replies=(reports.refuse(message, refusal, f"{self._name}-{received}", now),))
        except MissingField as missing:
            return Decision(replies=(reports.business_reject(message.seq, kind, 5, str(missing), message.get(11)),))
        except FixError as error:
            return Decision(replies=(reports.reject(message.seq, kind, error.reason, error.tag, str(error)),))

    def beyond_limit(self, one: Session, message: Message) -> str:
        """The answer to a message more than the session may send in its interval."""
        text = f"more than {one.terms.messages} messages, or answers, in {one.terms.interval} s"
        ref = message.get(11) or message.get(262) or message.get(320)
        return self._reports[one.terms.number].business_reject(message.seq, message.type, 8, text, ref)

    def _market_data(self, one: Session, message: Message) -> list[str]:
        if self._market is None:
            return [f"35=Y\x01262={message[262]}\x01281=3\x0158=no session here is for market data\x01"]
        return self._market.request(one, message)

"""Plain brokers of FIX 4.4 and 4.2: password logon, resends, D F G H q AF.

Written from the FIX 4.4 and 4.2 specifications. In 4.2 a report has ExecTransType (20): fills are 150=1 and 2, busts
and corrections 20=1 and 20=2, a status 20=3, and a replaced order that has not traded stands at 39=5 in the report that
says so. Logon's 553 and 554, and q and AF, came with later versions; brokers of 4.2 that offer them do it by agreement,
and so does this one. Account (1) is passed over, and Parties are: a session is one account here.
"""

from __future__ import annotations

from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.session import Rules
from services.simulator.fix_venue.terms import Report

TRANSACTIONS = {"H": "1", "G": "2", "I": "3"}
"""ExecType of 4.4 to ExecTransType of 4.2; all else is 0, new."""


class Broker44(Dialect):
    name = "fix44"
    comp_id = "BROKER"


class Broker42(Broker44):
    name = "fix42"
    rules = Rules("FIX.4.2")

    def report_fields(self, r: Report) -> list[tuple[int, object]]:
        transaction = TRANSACTIONS.get(r.exec_type, "0")
        status = "5" if r.exec_type == "5" and r.status == "0" else r.status
        kind = status if r.exec_type in "FHGI" else r.exec_type
        fields = super().report_fields(r.but(exec_type=kind, status=status))
        return [(20, transaction), *fields]

    def liquidity(self, r: Report) -> list[tuple[int, object]]:
        return []

    def asked(self, r: Report) -> list[tuple[int, object]]:
        return [(584, r.request_id), (912, "Y" if r.remaining == 1 else "N")] if r.remaining else []

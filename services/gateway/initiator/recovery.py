"""How a session to a venue begins: its own tape is folded, and beside it the router's, whose commands it carried out.

    venue.<name>   … FixSent{ordersSeq=417} … FixReceived ─ VenueReported …      what was received is read again, and
    router.<n>     … 417 NewChild …                                              must give the reports on the tape

The process may have ended between a FixReceived and its reports: then they are written now. What was refused here, or
found without a message, is taken from the tape as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.orders import Orders
from services.gateway.initiator.session import ADMIN, Carried, VenueSession
from services.gateway.initiator.tape import COPIED, COPY, SESSION, record_of
from services.gateway.initiator.words import Command, Said, VenueError
from tapewire import messages as m
from tapewire.tape import TapeReader

_COMMANDS = (m.NewChild, m.ReplaceChild, m.CancelChild)
_DEFINITIONS = (m.InstrumentDefinition, m.MarketDefinition)


class Commands:
    """The router's tape as far as this venue is concerned, each command until it is carried out."""

    def __init__(self, reader: TapeReader, orders: Orders) -> None:
        self.reader, self._orders = reader, orders
        self.undone: dict[int, Command] = {}
        """By seq, in their order."""

    def poll(self, most: int) -> int:
        """Takes in up to `most` records."""
        raws = self.reader.poll(most)
        for raw in raws:
            record = m.decode(raw)
            if isinstance(record, _DEFINITIONS):
                self._orders.define(record)
            elif isinstance(record, _COMMANDS) and record.venue == self._orders.dialect.venue.number:
                self.undone[record.seq] = record
        return len(raws)

    def at(self, seq: int) -> Command:
        """The command with that seq, which the venue's tape says was carried out. Raises VenueError."""
        while self.reader.next_seq <= seq and self.poll(1024):
            pass
        found = self.undone.get(seq)
        if found is None:
            raise VenueError(
                f"the venue's tape carries out record {seq} of {self.reader.name}, which is none of its "
                f"commands; expected the router's tape that it was written beside. Was it cut, or replaced?"
            )
        return found


def recover(own: Iterator[bytes], session: VenueSession, commands: Commands, copy: Numbers | None = None) -> None:
    """Folds the venue's own tape to its end, and writes what was not told yet. `copy`: the drop copy's numbers. Raises
    VenueError."""
    fold = _Fold(session, commands, copy or Numbers())
    for raw in own:
        fold.take(m.decode(raw))
    fold.end()


class _Fold:
    def __init__(self, session: VenueSession, commands: Commands, copy: Numbers) -> None:
        self._session, self._commands, self._copy = session, commands, copy
        self._orders: Orders = session.orders
        self._numbers: Numbers = session.numbers
        self._due: list[Said] = []
        self._received = 0
        """The FixReceived that they come from."""

    def take(self, record: m.Message) -> None:
        if isinstance(record, m.VenueReported | m.VenueDiffered):
            self._reported(record)
            return
        if self._due:
            raise VenueError(f"{self._where(record)}: {len(self._due)} reports of record {self._received} are missing")
        if isinstance(record, m.FixReceived | m.FixSent | m.FixSessionChanged) and record.session == COPY:
            self._copy.fold(record)
            if isinstance(record, m.FixReceived) and record.msg_type == COPIED:
                self._read(record)
        elif isinstance(record, m.FixReceived):
            self._numbers.fold(record)
            self._read(record)
        elif isinstance(record, m.FixSent):
            self._numbers.fold(record)
            self._sent(record)
        elif isinstance(record, m.FixSessionChanged):
            self._numbers.fold(record)
            if record.state == m.FixSessionState.reset:
                self._orders.numbers_begin_anew()

    def _read(self, record: m.FixReceived) -> None:
        if record.msg_type in ADMIN and record.msg_type != "3":
            return
        report = self._session.read(record.raw.encode("latin-1"))
        if report is not None:
            self._due, self._received = self._session.take(report, record.session == COPY), record.seq

    def _reported(self, record: m.VenueReported | m.VenueDiffered) -> None:
        if record.received == 0:
            if record.cause:
                self._commands.at(record.cause)
                del self._commands.undone[record.cause]
            self._orders.own(record)
            return
        expected = self._due.pop(0) if self._due else None
        if expected is not None:
            venue = self._session.dialect.venue.number
            made = record_of(expected, record.seq, record.ts, venue, self._received)
            # How somebody else's order is written down depends on the markets that were known by then.
            if bytes(made) == bytes(record) or not (expected.child_id or record.child_id):
                return
        raise VenueError(
            f"{self._where(record)} does not follow from record {record.received}; expected {expected}. The tape was "
            f"written by another version: let that one end it with no open orders, then begin a new tape"
        )

    def _sent(self, record: m.FixSent) -> None:
        if record.msg_type in ADMIN:
            return
        if record.part:
            self._session.took(Carried("", record.orders_seq, record.part), record.msg_seq_num, "D", record.raw)
            return
        command = self._commands.at(record.orders_seq) if record.orders_seq else None
        carried = Carried("", record.orders_seq, 0, command)
        self._session.took(carried, record.msg_seq_num, record.msg_type, record.raw)
        if command is not None:
            del self._commands.undone[record.orders_seq]

    def end(self) -> None:
        session = self._session
        if self._due:
            session.tape.reported(self._due, self._received)
        for number, numbers in ((SESSION, self._numbers), (COPY, self._copy)):
            if numbers.logged_on:
                numbers.logged_on = False
                left = m.FixSessionState.logged_out
                session.tape.session(left, numbers.next_in, numbers.next_out, "the session's process ended", number)

    @staticmethod
    def _where(record: m.Message) -> str:
        return f"record {record.seq} of the venue's tape"

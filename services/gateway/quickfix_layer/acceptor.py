"""Towards clients: the sessions of the configuration, for them to connect to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import quickfix as fix

from services.gateway.loopback_only import keep_to_loopback
from services.gateway.quickfix_layer.binding import (
    ALWAYS_OPEN,
    LOGON_TIMEOUT_S,
    LOGOUT_TIMEOUT_S,
    MAX_LATENCY_S,
    latin,
    put,
    wide,
)
from services.gateway.resend import Piece, pieces
from services.gateway.session import field_of
from services.gateway.session_layer import Handler
from tapewire.config.gateway import Gateway, GatewaySession
from tapewire.fix.dictionary import FILES, FOLDER

NO_SETTINGS: Final[Mapping[str, str]] = {}
GROUPS: Final = ("\x01453=", "\x01268=", "\x01146=", "\x0133=", "\x018031=")
"""Count fields of the groups we send: such a message is taken apart by the dictionary."""


class _Callbacks(fix.Application):  # type: ignore[misc]
    """The callbacks. QuickFIX's threads run them; `SessionID`s are looked up by their text."""

    def __init__(
        self,
        handler: Handler,
        numbers: dict[str, int],
        dictionaries: dict[str, Any],
        admits: Callable[[str], bool],
        on_failure: Callable[[BaseException], NoReturn],
    ) -> None:
        super().__init__()
        self._dictionaries = dictionaries
        self.following: dict[int, list[str]] = {}
        """Bodies that are to leave together with the next message to a session."""
        self._together: dict[int, str] = {}
        """Sessions to which a group goes out that the handler knows already, and its SendingTime."""
        self._resending: dict[int, str] = {}
        """Sessions to which messages go out again, and when the one at hand was sent first."""
        self._handler, self._numbers, self._admits, self._fail = handler, numbers, admits, on_failure
        self._by_ids: dict[tuple[str, str, str], int] = {}
        """Sessions by 8, 49 and 56, as either side writes them."""
        for text, number in numbers.items():
            begin, _, ids = text.partition(":")
            ours, _, theirs = ids.partition("->")
            self._by_ids[begin, ours, theirs] = self._by_ids[begin, theirs, ours] = number

    def onCreate(self, session_id: Any) -> None:
        pass

    def onLogon(self, session_id: Any) -> None:
        try:
            self._handler.logged_on(self._numbers[session_id.toString()])
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def onLogout(self, session_id: Any) -> None:
        try:
            session = fix.Session.lookupSession(session_id)
            number = self._numbers[session_id.toString()]
            self._handler.logged_out(number, session.getExpectedTargetNum(), session.getExpectedSenderNum())
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def fromApp(self, message: Any, session_id: Any) -> None:
        try:
            text = message.toString()
            self._handler.received(self._session_of(text), text.encode("utf-8", "surrogateescape"))
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        refusal = ""
        try:
            refusal = self._admin(message, session_id)
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)
        if refusal:
            raise fix.RejectLogon(refusal)

    def _admin(self, message: Any, session_id: Any) -> str:
        raw = message.toString().encode("utf-8", "surrogateescape")
        number, header = self._numbers[session_id.toString()], message.getHeader()
        kind, seq = header.getField(35), int(header.getField(34))
        session = fix.Session.lookupSession(session_id)
        expected = session.getExpectedTargetNum()
        if kind == "4":
            return self._take(number, raw, max(expected, int(message.getField(36))))
        # A Logon, Logout or ResendRequest is acted upon even when what came before it is still missing.
        if kind == "A":
            if not self._admits(message.getField(96) if message.isSetField(96) else ""):
                return "this port is the front's alone"
            # With 789, who is behind is sent what it lacks without asking. From a client that does not send it nothing
            # would come: then the older way, ResendRequest, must be on.
            session.setSendNextExpectedMsgSeqNum(message.isSetField(789))
            anew = message.isSetField(141) and message.getField(141) == "Y"
            found = self._handler.logging_on(number, raw, expected, anew)
            if found is not None:
                put(session, *found)
            return ""
        return self._take(number, raw, expected + 1 if seq == expected else expected)

    def _take(self, number: int, raw: bytes, next_in: int) -> str:
        self._handler.administered(number, raw, next_in)
        return ""

    def toAdmin(self, message: Any, session_id: Any) -> None:
        try:
            number, header = self._numbers[session_id.toString()], message.getHeader()
            if number in self._resending:
                self._mark(header, header.getField(52))
                return
            kind = header.getField(35)
            if header.isSetField(43):
                if kind == "4":
                    self._resend(number, message, session_id)
                return
            if kind in "A5":
                for tag, value in self._handler.more_fields(number, kind):
                    message.setField(fix.StringField(tag, value))
            if processed := self._handler.processed(number):
                header.setField(fix.StringField(369, str(processed)))
            self._handler.sending(number, ((int(header.getField(34)), kind, latin(message.toString())),))
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def toApp(self, message: Any, session_id: Any) -> None:
        try:
            raw = latin(message.toString())
            number = self._session_of(raw)
            if number in self._resending:
                self._mark(message.getHeader(), self._resending[number])
                return
            if number in self._together:
                message.getHeader().setField(fix.StringField(52, self._together[number]))
                return
            if (bodies := self.following.pop(number, None)) is not None:
                self._send_together(number, message, session_id, bodies)
                return
            _, _, kind, seq, _ = raw.split("\x01", 4)
            self._handler.sending(number, ((int(seq[3:]), kind[3:], raw),))
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def _session_of(self, raw: str) -> int:
        """By the message itself: to ask the binding for the SessionID would take and give back Python's lock."""
        sender, target = raw.index("\x0149=") + 4, raw.index("\x0156=") + 4
        begin = raw[2 : raw.index("\x01")]
        ids = raw[sender : raw.index("\x01", sender)], raw[target : raw.index("\x01", target)]
        return self._by_ids[begin, *ids]

    def _send_together(self, number: int, last: Any, session_id: Any, bodies: list[str]) -> None:
        """The handler is told of a whole group before any of it goes out. `last` is the first of them: it gives the
        fields that all have in common, is sent with the others, and then becomes the last."""
        header, dictionary = last.getHeader(), self._dictionaries[session_id.toString()]
        seq, now, begin = int(header.getField(34)), header.getField(52), session_id.toString().partition(":")[0]
        common = f"49={header.getField(49)}\x0152={now}\x0156={header.getField(56)}\x01"
        group = [latin(last.toString())]
        for at, body in enumerate(bodies, start=1):
            kind, _, rest = body.partition("\x01")
            text = f"8={begin}\x019=0\x01{kind}\x0134={seq + at}\x01{common}{rest}10=000\x01"
            group.append(latin(parsed(text, dictionary).toString()))
        self._handler.sending(number, [(seq + at, raw.split("\x01", 3)[2][3:], raw) for at, raw in enumerate(group)])
        self._together[number] = now
        for raw in group[:-1]:
            fix.Session.sendToTarget(parsed(wide(raw), dictionary), session_id)
        del self._together[number]
        last.setString(wide(group[-1]), False, dictionary)

    def _resend(self, number: int, fill: Any, session_id: Any) -> None:
        """Puts what was sent in the place of a gap fill: all but the last piece goes out now, the last is the gap
        fill itself, made into it."""
        header, session = fill.getHeader(), fix.Session.lookupSession(session_id)
        begin, end, now = int(header.getField(34)), int(fill.getField(36)), header.getField(52)
        if not self._handler.may_resend(number, begin, end):
            fill.setField(fix.StringField(36, str(begin)))  # fills nothing; what is missing stays missing
            return
        dictionary, next_out = self._dictionaries[session_id.toString()], session.getExpectedSenderNum()
        head = f"8={session_id.toString().partition(':')[0]}\x019=0\x01"
        last: Piece | None = None
        for piece in pieces(begin, end, self._handler.sent_before(number, begin, end)):
            if last is not None:
                self._resending[number] = field_of(last.raw, 52) if last.raw else now
                session.setNextSenderMsgSeqNum(last.seq)
                again = last.raw or f"{head}35=4\x0136={last.following}\x01123=Y\x0110=000\x01"
                fix.Session.sendToTarget(parsed(wide(again), dictionary), session_id)
            last = piece
        self._resending.pop(number, None)
        session.setNextSenderMsgSeqNum(next_out)
        if last is None:
            return
        if last.raw:
            fill.setString(wide(last.raw), False, dictionary)
            header = fill.getHeader()
            header.setField(fix.StringField(52, now))
            self._mark(header, field_of(last.raw, 52))
        else:
            header.setField(fix.StringField(34, str(last.seq)))

    @staticmethod
    def _mark(header: Any, first_sent: str) -> None:
        """PossDupFlag, and when it was sent first."""
        header.setField(fix.StringField(43, "Y"))
        header.setField(fix.StringField(122, first_sent))


class Acceptor:
    """The sessions of the configuration, for clients to connect to. Numbers are put into it before `start`."""

    def __init__(
        self,
        gateway: Gateway,
        handler: Handler,
        admits: Callable[[str], bool],
        on_failure: Callable[[BaseException], NoReturn],
        *,
        dictionaries: Path = FOLDER,
        more: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        """`admits`: whether 96 of a Logon is what the front puts there. `dictionaries`: a folder of the same names as
        ours; `more`: settings of QuickFIX that win over ours. Both for certification by others' rules."""
        settings = fix.SessionSettings()
        settings.set(_defaults(gateway))
        numbers: dict[str, int] = {}
        self._ids: dict[int, Any] = {}
        self._dictionaries: dict[int, Any] = {}
        self._heads: dict[int, str] = {}
        self._port = gateway.backend_port
        parsers: dict[str, Any] = {}
        for one in gateway.sessions:
            target = gateway.target_of(one)
            session_id = fix.SessionID(one.version, target, one.comp_id)
            settings.set(session_id, _session(one, dictionaries, more))
            numbers[session_id.toString()] = one.number
            self._ids[one.number] = session_id
            self._heads[one.number] = f"8={one.version}\x019=0\x01"
            parsers[session_id.toString()] = self._dictionaries[one.number] = fix.DataDictionary(
                str(dictionaries / FILES[one.version][-1])
            )
        self._message = fix.Message()
        # All three must live as long as the acceptor: it keeps plain pointers.
        self._handler = handler
        self._callbacks = _Callbacks(handler, numbers, parsers, admits, on_failure)
        self._store, self._settings = fix.MemoryStoreFactory(), settings
        self._acceptor = fix.SocketAcceptor(self._callbacks, self._store, settings)

    def restore(self, session: int, next_in: int, next_out: int) -> None:
        """Puts a session that is not logged on where the tape says it stands."""
        put(self._session(session), next_in, next_out)

    def start(self) -> None:
        """Listens. Raises OSError if the port cannot be kept to loopback."""
        self._acceptor.start()
        keep_to_loopback(self._port)

    def send(self, session: int, bodies: Sequence[str]) -> None:
        """Sends `35=…␁…`; if the client is not there, it gets it by resend. `Handler.sending` is called within, once
        for all of them. By one thread at a time."""
        processed = self._handler.processed(session)
        last = f"369={processed}\x01" if processed else ""
        if len(bodies) > 1:
            self._callbacks.following[session] = [body.replace("\x01", f"\x01{last}", 1) for body in bodies[1:]]
        kind, _, rest = bodies[0].partition("\x01")
        text = f"{self._heads[session]}{kind}\x01{last}{rest}10=000\x01"
        # One message is filled again and again: to make and to free one takes Python's lock twice more.
        if has_groups(text):
            self._message.setString(text, False, self._dictionaries[session])
        else:
            self._message.setString(text, False)
        fix.Session.sendToTarget(self._message, self._ids[session])

    def is_logged_on(self, session: int) -> bool:
        return bool(self._session(session).isLoggedOn())

    def log_out(self, session: int, reason: str) -> None:
        """Sends a Logout that says why, and ends the connection once it is answered or has waited long enough."""
        self._session(session).logout(reason)

    def allow_logon(self, session: int) -> None:
        """After `log_out`: the client may come back."""
        self._session(session).logon()

    def numbers(self, session: int) -> tuple[int, int]:
        """Expected next, given next."""
        found = self._session(session)
        return found.getExpectedTargetNum(), found.getExpectedSenderNum()

    def _session(self, session: int) -> Any:
        return fix.Session.lookupSession(self._ids[session])


def has_groups(text: str) -> bool:
    return any(map(text.__contains__, GROUPS))


def parsed(text: str, dictionary: Any) -> Any:
    """A message out of its text; groups stay groups."""
    if has_groups(text):
        return fix.Message(text, dictionary, False)
    return fix.Message(text, False)


def _defaults(gateway: Gateway) -> Any:
    values = fix.Dictionary()
    for key, value in {
        "ConnectionType": "acceptor",
        "SocketAcceptPort": str(gateway.backend_port),
        "SocketReuseAddress": "Y",
        "SocketNodelay": "Y",
        **ALWAYS_OPEN,
        "LogonTimeout": str(LOGON_TIMEOUT_S),
        "LogoutTimeout": str(LOGOUT_TIMEOUT_S),
        "MaxLatency": str(MAX_LATENCY_S),
        "AllowedRemoteAddresses": "127.0.0.1",
        "UseDataDictionary": "Y",
        "ValidateUserDefinedFields": "Y",
        "ValidateFieldsOutOfOrder": "Y",
        "ResetOnLogon": "N",
        "ResetOnLogout": "N",
        "ResetOnDisconnect": "N",
    }.items():
        values.setString(key, value)
    return values


def _session(one: GatewaySession, dictionaries: Path, more: Mapping[str, str]) -> Any:
    values = fix.Dictionary()
    files = [str(dictionaries / name) for name in FILES[one.version]]
    keys = {
        "ConnectionType": "acceptor",
        "HeartBtInt": "30",
        "TimestampPrecision": "3" if one.version == "FIX.4.2" else "6",
        "PersistMessages": "N",
    }
    if one.version == "FIXT.1.1":
        keys |= {"TransportDataDictionary": files[0], "AppDataDictionary": files[1], "DefaultApplVerID": "FIX.5.0SP2"}
    else:
        keys["DataDictionary"] = files[0]
    for key, value in (keys | dict(more)).items():
        values.setString(key, value)
    return values

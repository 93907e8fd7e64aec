"""Towards venues: one session, which we begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import quickfix as fix

from services.gateway.initiator.session_layer import OutwardHandler
from services.gateway.quickfix_layer.binding import (
    ALWAYS_OPEN,
    LOGON_TIMEOUT_S,
    LOGOUT_TIMEOUT_S,
    MAX_LATENCY_S,
    latin,
    put,
)
from tapewire.config.venues import Venue


class _OutwardCallbacks(fix.Application):  # type: ignore[misc]
    """The callbacks of a session to a venue."""

    def __init__(self, handler: OutwardHandler, on_failure: Callable[[BaseException], NoReturn]) -> None:
        super().__init__()
        self._handler, self._fail = handler, on_failure

    def onCreate(self, session_id: Any) -> None:
        pass

    def onLogon(self, session_id: Any) -> None:
        try:
            self._handler.logged_on()
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def onLogout(self, session_id: Any) -> None:
        try:
            self._handler.logged_out()
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def fromApp(self, message: Any, session_id: Any) -> None:
        try:
            self._handler.received(message.toString().encode("utf-8", "surrogateescape"))
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        try:
            header = message.getHeader()
            kind, seq = header.getField(35), int(header.getField(34))
            expected = int(fix.Session.lookupSession(session_id).getExpectedTargetNum())
            if kind == "4":
                next_in = max(expected, int(message.getField(36)))
            else:
                next_in = expected + 1 if seq == expected else expected
            self._handler.administered(message.toString().encode("utf-8", "surrogateescape"), next_in)
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def toAdmin(self, message: Any, session_id: Any) -> None:
        try:
            header = message.getHeader()
            if header.isSetField(43):  # a gap fill in place of what was asked for again
                return
            kind = header.getField(35)
            if kind == "A":
                self._log_on(message, header, session_id)
            self._handler.sending(latin(message.toString()), int(header.getField(34)), kind)
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)

    def _log_on(self, message: Any, header: Any, session_id: Any) -> None:
        """Our Logon: with the numbers that the tape says, which the session layer forgets once a week, and signed."""
        next_in, next_out = self._handler.logging_on(message.isSetField(141) and message.getField(141) == "Y")
        put(fix.Session.lookupSession(session_id), next_in, next_out)
        header.setField(fix.StringField(34, str(next_out)))
        for tag, value in self._handler.header_fields("A"):
            header.setField(fix.StringField(tag, value))
        sender, target = header.getField(49), header.getField(56)
        for tag, value in self._handler.logon_fields(str(next_out), sender, target, header.getField(52)):
            message.setField(fix.StringField(tag, value))

    def toApp(self, message: Any, session_id: Any) -> None:
        try:
            header = message.getHeader()
            self._handler.sending(latin(message.toString()), int(header.getField(34)), header.getField(35))
        except BaseException as error:  # noqa: BLE001 - ends the process
            self._fail(error)


def _read_by(dictionary: Path | None) -> dict[str, str]:
    """How what the venue sends is read. By a dictionary only groups are recognised."""
    if dictionary is None:
        return {"UseDataDictionary": "N"}
    checks = ("ValidateUserDefinedFields", "ValidateFieldsOutOfOrder", "ValidateFieldsHaveValues")
    read = {"UseDataDictionary": "Y", "DataDictionary": str(dictionary), "AllowUnknownMsgFields": "Y"}
    return read | dict.fromkeys(checks, "N")


class Initiator:
    """One session to a venue, by way of a port on loopback (see services/gateway/initiator/relay.py). What a venue
    sends is not checked against a dictionary, as each has fields of its own; nothing of ours is kept to be sent again:
    an order that did not arrive must not arrive late, so whatever is asked for again is answered by a gap fill."""

    def __init__(
        self,
        venue: Venue,
        port: int,
        resets: bool,
        handler: OutwardHandler,
        on_failure: Callable[[BaseException], NoReturn],
        dictionary: Path | None = None,
    ) -> None:
        """`resets`: whether both numbers begin at 1 with each logon. `dictionary`: of messages with groups, which come
        apart without; nothing is refused by it."""
        settings, values = fix.SessionSettings(), fix.Dictionary()
        self._id = fix.SessionID(venue.begin_string, venue.sender, venue.target)
        for key, value in {
            "ConnectionType": "initiator",
            "SocketConnectHost": "127.0.0.1",
            "SocketConnectPort": str(port),
            "SocketNodelay": "Y",
            "ReconnectInterval": str(venue.reconnect),
            "HeartBtInt": str(venue.heartbeat),
            **ALWAYS_OPEN,
            "LogonTimeout": str(LOGON_TIMEOUT_S),
            "LogoutTimeout": str(LOGOUT_TIMEOUT_S),
            "MaxLatency": str(MAX_LATENCY_S),
            **_read_by(dictionary),
            "DefaultApplVerID": "FIX.5.0SP2",
            "TimestampPrecision": "3",
            "PersistMessages": "N",
            "ResetOnLogon": "Y" if resets else "N",
            "ResetOnLogout": "N",
            "ResetOnDisconnect": "N",
        }.items():
            values.setString(key, value)
        settings.set(values)  # ReconnectInterval is looked for here alone
        settings.set(self._id, values)
        # All three must live as long as the initiator: it keeps plain pointers.
        self._callbacks = _OutwardCallbacks(handler, on_failure)
        self._store, self._settings = fix.MemoryStoreFactory(), settings
        self._handler, self._head = handler, f"8={venue.begin_string}\x019=0\x01"
        self._dictionary = fix.DataDictionary(str(dictionary)) if dictionary is not None else None
        self._initiator = fix.SocketInitiator(self._callbacks, self._store, settings)

    def start(self) -> None:
        """Connects, and again whenever the connection is lost."""
        self._initiator.start()

    def send(self, body: str) -> None:
        """Sends `35=…␁…`. `OutwardHandler.sending` is called within, on this thread, unless nobody is connected and the
        numbers begin anew: then nothing happens."""
        text = f"{self._head}{body}10=000\x01"
        message = fix.Message(text, False) if self._dictionary is None else fix.Message(text, self._dictionary, False)
        header = message.getHeader()
        for tag, value in self._handler.header_fields(header.getField(35)):
            header.setField(fix.StringField(tag, value))
        fix.Session.sendToTarget(message, self._id)

    def log_out(self, reason: str) -> None:
        """Sends a Logout, and ends the connection once it is answered or has waited long enough."""
        fix.Session.lookupSession(self._id).logout(reason)

    def allow_logon(self) -> None:
        """After `log_out`: connects again."""
        fix.Session.lookupSession(self._id).logon()

"""A FIX client as a process: a real QuickFIX initiator that does what it is told.

stdin   one message a line, `35=D|11=a|…`; `logout`, `logon`; the end of stdin ends it
stdout  one event a line, as JSON: ["logon"], ["logout"], ["app" or "admin", raw]
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import quickfix as fix

from tapewire.fix.dictionary import FILES, FOLDER

_printing = threading.Lock()


def say(*event: str) -> None:
    with _printing:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


class Application(fix.Application):  # type: ignore[misc]
    def __init__(self, logon: list[tuple[int, str]], token: Path) -> None:
        super().__init__()
        self.logon, self.token = logon, token

    def onCreate(self, session_id: Any) -> None:
        self.session = session_id

    def onLogon(self, session_id: Any) -> None:
        say("logon")

    def onLogout(self, session_id: Any) -> None:
        say("logout")

    def toAdmin(self, message: Any, session_id: Any) -> None:
        if message.getHeader().getField(35) == "A":
            token = self.token.read_text().strip()
            for tag, value in [*self.logon, (95, str(len(token))), (96, token)]:
                message.setField(fix.StringField(tag, value))

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        say("admin", message.toString())

    def toApp(self, message: Any, session_id: Any) -> None:
        pass

    def fromApp(self, message: Any, session_id: Any) -> None:
        say("app", message.toString())


def main() -> None:
    port, version, comp_id, folder, token = sys.argv[1:6]
    logon = [(int(tag), value) for tag, _, value in (field.partition("=") for field in sys.argv[6:])]
    defaults, values = fix.Dictionary(), fix.Dictionary()
    for key, value in {
        "ConnectionType": "initiator",
        "SocketConnectHost": "127.0.0.1",
        "SocketConnectPort": port,
        "SocketNodelay": "Y",
        "HeartBtInt": "5",
        "StartTime": "00:00:00",
        "EndTime": "00:00:00",
        "FileStorePath": folder,
        "UseDataDictionary": "Y",
        "DataDictionary": str(FOLDER / FILES[version][-1]),
    }.items():
        values.setString(key, value)
    if version == "FIXT.1.1":
        values.setString("DefaultApplVerID", "FIX.5.0SP2")
        values.setString("TransportDataDictionary", str(FOLDER / FILES[version][0]))
        values.setString("AppDataDictionary", str(FOLDER / FILES[version][1]))
    defaults.setString("ConnectionType", "initiator")
    defaults.setString("ReconnectInterval", "1")
    settings = fix.SessionSettings()
    settings.set(defaults)
    session_id = fix.SessionID(version, comp_id, "TAPEWIRE")
    settings.set(session_id, values)
    application = Application(logon, Path(token))
    store = fix.FileStoreFactory(settings)
    Path(folder).mkdir(parents=True, exist_ok=True)
    initiator = fix.SocketInitiator(application, store, settings)
    dictionary = fix.DataDictionary(str(FOLDER / FILES[version][-1]))
    initiator.start()
    for line in sys.stdin:
        text = line.rstrip("\n")
        if text == "logout":
            fix.Session.lookupSession(session_id).logout()
        elif text == "logon":
            fix.Session.lookupSession(session_id).logon()
        else:
            body = text.replace("|", "\x01")
            fix.Session.sendToTarget(
                fix.Message(f"8={version}\x019=0\x01{body}10=000\x01", dictionary, False), session_id
            )
    os._exit(0)


main()

"""What the other hosts know of a tape: asked before a host goes on with a stream that went back.

{"roll": "<the asking host>"}      answered by every other replica of the tape: {"host", "sends", "known"}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from services.replica.asked import Asked
from services.replica.context import Context
from tapewire.errors import TapeError
from tapewire.interfaces import Received
from tapewire.replication import names
from tapewire.replication.known import Answer

WITHIN_S = 1.0


class Request(msgspec.Struct):
    roll: str = ""


class RollCall(Asked):
    """Answers as long as this host has to do with the tape, whatever it does with it."""

    def __init__(self, context: Context, sends: Callable[[], bool]) -> None:
        super().__init__(context)
        self._sends = sends

    def _on_request(self, message: Received) -> None:
        try:
            asking = msgspec.json.decode(message.data, type=Request).roll
        except (msgspec.DecodeError, msgspec.ValidationError):
            return  # for the fetch server to refuse
        if not asking or asking == self._of.host or not message.reply:
            return
        try:
            known = self._of.known
        except TapeError:
            return  # said where the tape is taken up
        answer = Answer(host=self._of.host, sends=self._sends(), known=known)
        self._of.transport.publish(message.reply, msgspec.json.encode(answer))


async def answers(context: Context) -> list[Answer]:
    """What the others say within a second. Raises TransportError."""
    found: list[Answer] = []

    def on_answer(message: Received) -> None:
        try:
            found.append(msgspec.json.decode(message.data, type=Answer))
        except (msgspec.DecodeError, msgspec.ValidationError):
            return  # the server's word that nobody listens, or a refusal by one that does not know the question

    inbox = context.transport.new_inbox()
    listening = await context.transport.subscribe(inbox, on_answer)
    try:
        asked = msgspec.json.encode(Request(roll=context.host))
        context.transport.publish(names.fetch(context.env, context.name), asked, reply=inbox)
        await asyncio.sleep(WITHIN_S)
    finally:
        if context.transport.connected:
            await listening.unsubscribe()
    return found

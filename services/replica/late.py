"""An answer that is late: the stream is asked whether another server leads it now. A leader that is killed takes the
answers that it owed with it; how far the next one came, it says."""

from __future__ import annotations

import asyncio

from services.replica.context import Context
from tapewire.errors import TransportError
from tapewire.replication.sender import Sender

EVERY_NS = 250_000_000


class LateAnswer:
    """Of one sender. It asks beside it: a sender that waits goes on saying that it is alive."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0
        self.leader = ""
        """The server that led the stream when what it holds was last looked at."""

    def step(self, machine: Sender) -> None:
        """At every turn of the sender's."""
        if self._asking is not None:
            if not self._asking.done():
                return
            self._asking.result()
            self._asking = None
        now = self._of.now()
        if (token := machine.late(now)) and now - self._asked_at >= EVERY_NS:
            self._asked_at = now
            self._asking = asyncio.get_running_loop().create_task(self._ask(machine, token))

    async def _ask(self, machine: Sender, token: int) -> None:
        try:
            info = await self._of.stream.info()
        except TransportError:
            return  # nobody leads it yet, or the bus is away, of which the sender hears
        if info is None:
            machine.looked(token, 0, same_leader=False)
        elif info.leader:  # empty: it is being elected, or there is one server alone
            machine.looked(token, info.last, same_leader=info.leader == self.leader)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

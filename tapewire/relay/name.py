"""What a relayed ring is called: in the settings, as a file, on the bus, in the messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from tapewire import messages as m
from tapewire.config import Config
from tapewire.folders import Folders
from tapewire.subjects import subject

ROUTER: Final = "router/"
"""How a client of the router is written in the settings: `router/api`."""
TAKEN_TYPES: Final[dict[str, tuple[int, ...]]] = {
    "orders": tuple(
        int(cls.TYPE)
        for cls in (
            *(m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel, m.BustTrade, m.CorrectTrade, m.AccountLimits),
            *(m.KillSwitch, m.InstrumentDefinition, m.SetInstrumentStatus, m.InputRefused),
        )
    ),
    "router": tuple(
        int(cls.TYPE) for cls in (m.NewParent, m.ReplaceParent, m.CancelParent, m.KillSwitch, m.InputRefused)
    ),
}
"""The messages on a tape that came by a ring, by what takes them: others carry positions of something else."""


class RingName(NamedTuple):
    """One producer's ring at one engine or router."""

    env: str
    kind: Literal["orders", "router"]
    number: int
    """Of the shard, or of the router."""
    source: int
    """The producer's place in the configuration, from 1."""
    producer: str
    capacity: int

    @property
    def file(self) -> str:
        return f"{self.kind}.{self.number}.{self.source}.{self.producer}"

    @property
    def full(self) -> str:
        """What both sides must agree about."""
        return f"{self.env}/{self.file}"

    @property
    def subject(self) -> str:
        """Where the side that writes is asked."""
        return subject(self.env, self.kind, "ring", f"{self.number}-{self.producer}")

    @property
    def user(self) -> str:
        """The bus's user who may carry this ring alone."""
        return f"relay-{self.kind}-{self.number}-{self.producer}"

    @property
    def tape(self) -> str:
        return f"{self.kind}.{self.number}"

    @property
    def types(self) -> tuple[int, ...]:
        return TAKEN_TYPES[self.kind]

    def path(self, folders: Folders) -> Path:
        return folders.ring(self.file)

    def bell(self, folders: Folders) -> Path:
        return folders.ring(f"{self.tape}.bell")


def names(config: Config, listed: Sequence[str]) -> list[RingName]:
    """The rings of `[relay] out` or `in`, whose names `tapewire.config` has checked."""
    engine, router = config.engine, config.router
    producers = {one.name: place for place, one in enumerate(engine.producers, start=1)}
    clients = {one.name: place for place, one in enumerate(router.clients, start=1)}
    found = []
    for name in listed:
        client = name.removeprefix(ROUTER)
        if client != name:
            found.append(RingName(config.env, "router", router.number, clients[client], client, router.ring_bytes))
        else:
            found.append(RingName(config.env, "orders", engine.shard, producers[name], name, engine.ring_bytes))
    return found

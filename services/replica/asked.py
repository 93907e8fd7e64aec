"""Who answers other hosts' questions about a tape: all come on one subject, and each answerer takes its own of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable

from services.replica.context import Context
from tapewire.interfaces import Received, Subscription
from tapewire.replication import names


class Asked(ABC):
    """Listens between `start` and `stop`."""

    def __init__(self, context: Context) -> None:
        self._of = context
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        subject = names.fetch(self._of.env, self._of.name)
        self._subscription = await self._of.transport.subscribe(subject, self._on_request)

    async def stop(self) -> None:
        if self._subscription is not None and self._of.transport.connected:
            await self._subscription.unsubscribe()

    @abstractmethod
    def _on_request(self, message: Received) -> Awaitable[None] | None:
        """Leaves alone what another answers."""

"""The slow, obvious twin of a stage log: the list of all batches, of which the last ones can be read."""

from __future__ import annotations

from tapewire.stages import Batch


class NaiveStages:
    """Writer and one reader."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.batches: list[Batch] = []
        self.next = self.missed = 0

    def poll(self, limit: int) -> list[Batch]:
        oldest = max(0, len(self.batches) - self.slots)
        if self.next < len(self.batches) and self.next < oldest and limit:
            self.missed += oldest - self.next
            self.next = oldest
        found = self.batches[self.next : self.next + limit]
        self.next += len(found)
        return found

    def find(self, seq: int) -> Batch | None:
        kept = self.batches[-self.slots :]
        return next((batch for batch in reversed(kept) if batch.first <= seq <= batch.last), None)

"""The stage log: when each batch of a tape was taken, matched, written, durable and released. Not the tape: a diary.

It holds the last 65,536 batches in shared memory. Nothing is decided by it and replay does not need it; spans of an
order (services/monitor, `tapewire trace`) are made of it and of the tapes.
"""

from tapewire.stages._stages import Batch, StageReader, StageWriter

__all__ = ["Batch", "StageReader", "StageWriter"]

"""What stands defined on an orders tape: instruments with their status, accounts with their limits.

    tape/snapshots/<seq>.snap ──definitions section──▶ Definitions ◀──the records behind it── tape

So nobody needs the records that said it: retention may remove them.
"""

from tapewire.definitions._definitions import Definitions
from tapewire.definitions.reading import bearer, by_ticker, read

__all__ = ["Definitions", "bearer", "by_ticker", "read"]

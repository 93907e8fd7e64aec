"""What of a data folder may go, by age and by size: a plan first, then the removal. Never what somebody still needs.

    store       a piece that goes at once             held back by
    tapes       a sealed segment                      the tape's consumers (tapewire/tape/retention.py)
    imported    the same, of a feed not configured    likewise
    archive     a UTC day of a feed, all kinds        an archiver that may write it again, a compaction under way
    cuts        a folder `cut-<time>` of a tape       -
    inputs      a strategy's run `<name>.inputs`      a process that has it open
    rings       a ring, stage log, page               who has it open; records in it that were not taken

Each piece goes in one step (a name), so that a crash in the middle leaves whole pieces, all readable, and the next run
goes on. One run at a time, by a clock that has not run ahead of the time that passed (tapewire/believed_clock.py).
Snapshots and views' pictures are kept in number by who writes them, backups by `tapewire backup --prune`, rows of
PostgreSQL and topics of Kafka by their sinks.
"""

from tapewire.believed_clock import Sight
from tapewire.retention.piece import Limit, Piece, choose
from tapewire.retention.run import Outcome, look, run
from tapewire.retention.stores import STORES, Planned, carry_out, plan

__all__ = ["STORES", "Limit", "Outcome", "Piece", "Planned", "Sight", "carry_out", "choose", "look", "plan", "run"]

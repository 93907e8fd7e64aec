from tapewire.messages import InstrumentStatus, Side

MAX_LIVE_ORDERS: int

class Matcher:
    """The books of a shard. Deterministic: the same commands give the same events, state and digest."""

    def __init__(self, max_live_orders: int = ...) -> None:
        """`max_live_orders`: 1 to MAX_LIVE_ORDERS; beyond it NewOrders are rejected with `capacity`."""
    def apply(self, command: bytes) -> list[bytes]:
        """The events of one flat, sequenced command, numbered from just past its seq.

        Raises WireError on malformed bytes.
        """
    def apply_batch(self, commands: list[bytes] | bytes) -> bytes:
        """The events of many commands (a list, or one bytes with all of them), one behind another: see `split`.

        All are checked before the first is applied: on WireError, which names the place, nothing was applied.
        """
    def snapshot(self) -> bytes:
        """The whole state as canonical bytes: equal states give equal bytes. The layout is in snapshot.hpp."""
    @staticmethod
    def restore(snapshot: bytes, max_live_orders: int = ...) -> Matcher:
        """The matcher that wrote `snapshot`. Raises WireError on anything that `snapshot` did not write."""
    def digest(self) -> str:
        """SHA-256 of the snapshot, in hexadecimal."""
    def best(self, instrument: int) -> tuple[int, int, int, int]:
        """(bid, bid quantity, ask, ask quantity), as displayed; zeros where a side shows nothing.

        Raises KeyError if the instrument is not defined, as do the next two.
        """
    def depth(self, instrument: int, side: Side, n: int) -> list[tuple[int, int, int]]:
        """The best `n` levels that show something, as (price, displayed quantity, displayed orders), best first."""
    def status(self, instrument: int) -> InstrumentStatus: ...
    def next_due(self) -> int:
        """When an AdvanceClock has something to do (UTC ns): it is to be sent once that has passed. 0: never."""
    def most_events(self) -> int:
        """The next command, whatever it is, causes fewer events than this."""
    @property
    def live_orders(self) -> int: ...
    @property
    def live_levels(self) -> int: ...
    @property
    def last_order_id(self) -> int:
        """The greatest order id seen; the next NewOrder must carry a greater one."""
    @property
    def next_match_id(self) -> int: ...

class Answering:
    """The matcher of one shard as a service: what an engine asks, answered."""

    def __init__(self, instance: int, version: str) -> None:
        """`instance`: what this one is called by engines, above 0; `version`: of Tapewire, as engines are told."""
    def answer(self, ask: bytes, now: int) -> bytes | None:
        """The answer to one message; None: it is for another instance. `now`: monotonic, ns."""
    @property
    def stands(self) -> int:
        """The record behind which its state is."""
    @property
    def ready(self) -> bool:
        """Whether an engine has brought it to a state."""

def split(events: bytes) -> list[bytes]:
    """The single messages of concatenated ones. Raises WireError where they end amiss."""

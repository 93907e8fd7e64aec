from typing import Final

TABLES: Final[tuple[str, ...]]
"""By the numbers they have in rows.hpp."""

class Rows:
    """Turns records of one tape into rows, and keeps the state that rows need. See rows.hpp.

    `tape` is the number of the tape in the target, `feed` the word for its market (`house`, `binance`), `router` says
    that it is a router's.
    """

    def __init__(self, tape: int, feed: str, router: bool = False) -> None: ...
    def define(self, instrument: int, price_exponent: int, qty_exponent: int, ticker: str) -> None:
        """Makes an instrument known that was defined by records which are no longer there."""
    def fold(self, records: list[bytes]) -> None:
        """Moves the state only. Raises WireError."""
    def put(self, records: list[bytes]) -> tuple[dict[str, tuple[int, bytes]], list[int]]:
        """By table how many rows, and them as COPY takes them; and the UTC days they fall on. Raises WireError."""
    @property
    def at(self) -> int:
        """The last record taken."""
    def state(self) -> bytes:
        """What `restore` goes on from. Equal folds give equal bytes."""
    def restore(self, state: bytes) -> None:
        """Raises SinkError for other bytes; it is then spent."""

def numeric(mantissa: int, exponent: int) -> bytes:
    """One NUMERIC as COPY has it, its length before it."""

def stream(frame: bytes) -> bytes:
    """The stream that a frame beginning with `{"stream":"` names; empty for any other beginning."""

def trade(frame: bytes, price_exponent: int, qty_exponent: int) -> tuple[int, int, int, int, bool] | None:
    """(trade id, price, quantity, time in ms, whether the buyer is the maker); None: not a whole trade frame.

    A price or quantity is -1 where its text is no number that the exponent can express.
    """

def top(frame: bytes, price_exponent: int, qty_exponent: int) -> tuple[int, int, int, int, int] | None:
    """(update id, bid, bid quantity, ask, ask quantity), -1 as in `trade`; None: not a whole bookTicker frame."""

def depth(frame: bytes) -> tuple[int, int, int, bytes, bytes] | None:
    """(time in ms, first and last update id, bids, asks), the levels as JSON text for `levels`; None: malformed."""

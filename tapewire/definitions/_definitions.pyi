from tapewire.messages import AccountLimits, InstrumentDefinition

class Definitions:
    """What stands defined after the records that were folded, in the order of the tape."""

    def __init__(self) -> None: ...
    def fold(self, record: bytes, /) -> None:
        """Takes the next record of the tape; other kinds change nothing. Raises WireError for no flat message."""

    @staticmethod
    def of_state(state: bytes) -> Definitions:
        """As a snapshot's state has them. Raises ValueError for other bytes, states of the first format included."""

    @property
    def instruments(self) -> dict[int, InstrumentDefinition]:
        """By rising id, delisted ones included: each as defined last, with its status and reference price of now.

        Their headers are those of the records that defined them.
        """

    @property
    def accounts(self) -> dict[int, AccountLimits]:
        """By rising account."""

"""What an orders tape has come to: orders, fills, positions, exposure, statuses, bars, as a pure fold."""

from tapewire.views.bars import INTERVALS
from tapewire.views.changes import Change, Fill, Kill
from tapewire.views.holding import Holding
from tapewire.views.orders import Order, Status
from tapewire.views.views import Views

__all__ = ["INTERVALS", "Change", "Fill", "Holding", "Kill", "Order", "Status", "Views"]

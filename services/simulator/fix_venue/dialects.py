"""All dialects by name."""

from __future__ import annotations

from services.simulator.fix_venue.broker import Broker42, Broker44
from services.simulator.fix_venue.dialect import Dialect

DIALECTS: dict[str, type[Dialect]] = {one.name: one for one in (Broker44, Broker42)}

"""Pre-trade risk: decides on commands before they are sequenced."""

from services.risk._risk import Risk

__all__ = ["Risk"]

"""Pre-trade risk: decides on commands before they are sequenced."""

from services.risk._risk import Answering, Risk

__all__ = ["Answering", "Risk"]

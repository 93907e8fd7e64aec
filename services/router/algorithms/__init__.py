"""The algorithms by which parents are worked, one file each, and what they need to be told."""

from services.router.algorithms.terms import Refusal, make, refuses

__all__ = ["Refusal", "make", "refuses"]

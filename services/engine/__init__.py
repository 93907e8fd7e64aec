"""The fused engine: risk, journal and matcher of one shard on one thread."""

from services.engine._engine import Audit, Engine, Recovery
from services.engine.producers import InboundRing

__all__ = ["Audit", "Engine", "InboundRing", "Recovery"]

"""The fused engine: risk, journal and matcher of one shard on one thread."""

from services.engine._engine import Audit, Engine, Recovery

__all__ = ["Audit", "Engine", "Recovery"]

from __future__ import annotations

from tests.services import jaeger, kafka, postgres, prometheus, redis

__all__ = ["jaeger", "kafka", "postgres", "prometheus", "redis"]

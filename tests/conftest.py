from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.services import jaeger, kafka, postgres, prometheus, redis

__all__ = ["jaeger", "kafka", "postgres", "prometheus", "redis"]

# How long an example or its making takes says something of the machine, and nothing of what is tested.
settings.register_profile("tapewire", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tapewire")

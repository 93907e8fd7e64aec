from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

from tests.services import jaeger, kafka, postgres, prometheus, redis

__all__ = ["jaeger", "kafka", "postgres", "prometheus", "redis"]

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would all that they start: the tests
# of what Ctrl-C ends would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example or its making takes says something of the machine, and nothing of what is tested.
settings.register_profile("tapewire", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tapewire")

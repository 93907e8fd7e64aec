"""Watches the platform: traces of orders and ticks, metrics. It reads tapes and pages; nobody waits for it."""

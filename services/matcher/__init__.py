"""The matcher: price-time priority books for every instrument of a shard, as a pure function of its commands."""

from services.matcher._matcher import MAX_LIVE_ORDERS, Answering, Matcher, split

__all__ = ["MAX_LIVE_ORDERS", "Answering", "Matcher", "split"]

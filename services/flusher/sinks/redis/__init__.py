"""Tapes into Redis: what holds now, what happens now, and the last of it."""

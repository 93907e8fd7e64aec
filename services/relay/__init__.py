"""Carries the records of producers' rings to the host of their engine: see README.md."""

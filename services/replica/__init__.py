"""Tapes carried to other hosts, and taken over by them."""

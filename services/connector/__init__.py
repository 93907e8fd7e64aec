"""Venue feeds in, normalised market data out: on the ring of its feed and on the bus."""

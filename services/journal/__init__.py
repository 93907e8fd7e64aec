"""The journal: gives records their place on the tape, republishes what is durable."""

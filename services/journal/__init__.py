"""The journal: gives records their place on the tape, keeps snapshots, republishes what is durable."""

"""What an orders tape has come to: orders, fills, positions, exposure, statuses, bars, as a pure fold of its records."""

"""Market data from the rings onto tapes, and every tape into columnar files."""

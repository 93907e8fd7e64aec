"""The tick store: tapes as columns. Written by the flusher's archiver, read by anyone through `tapewire.store.query`."""

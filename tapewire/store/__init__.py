"""The tick store: tapes as columns. Written by the flusher, read by anyone through `tapewire.store.query`."""

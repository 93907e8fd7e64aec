"""The stream with real sockets, and what a client of it does."""

"""The simulator: venues that speak the real protocols over real sockets, and traders for the house market."""

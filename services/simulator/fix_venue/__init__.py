"""Outside venues that speak the server's side of FIX over real sockets, and match by a real engine."""

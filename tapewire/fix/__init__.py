"""FIX: what the gateway, its clients and the tools share. Nothing here opens a socket but `client.py`."""

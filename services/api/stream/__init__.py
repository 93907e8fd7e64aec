"""WebSocket: who follows what, each at its own pace. See server.py; the protocol is in docs/stream.md."""

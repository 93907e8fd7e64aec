"""The bus behind one protocol (`tapewire.interfaces.Transport`): NATS, and one in memory for tests and simulation."""

MAX_PAYLOAD_BYTES = 1 << 20
DEFAULT_MAX_PENDING = 65_536

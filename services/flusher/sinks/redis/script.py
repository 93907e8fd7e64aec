"""What of a batch is many: streams and channels, in one command; and the position with them.

A command of its own for each message would cost the sink more than the fold that made it. If any part of this is
refused, the script ends there, and the position, which comes last, is not moved: the batch is given again.
"""

from __future__ import annotations

from typing import Final

from services.flusher.sinks.redis.fold import Changes

SCRIPT: Final = """\
local most, ttl, count, at = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), 6
-- What is no stream is refused before anything is put.
for i = 3, #KEYS do redis.call('XLEN', KEYS[i]) end
for _ = 1, count do
  redis.call('XADD', KEYS[tonumber(ARGV[at])], 'MAXLEN', most, '*', 'seq', ARGV[at + 1], 'data', ARGV[at + 2])
  at = at + 3
end
if ttl > 0 then
  for i = 3, #KEYS do redis.call('EXPIRE', KEYS[i], ttl) end
end
for i = at, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2]) end
redis.call('SET', KEYS[1], ARGV[1])
"""


def streams(changes: Changes, prefix: str) -> dict[str, str]:
    """The key of each stream that gets entries."""
    return {entry.stream: f"{prefix}trades:{entry.stream}" for entry in changes.entries}


def arguments(
    changes: Changes, keys: tuple[str, str], streams: dict[str, str], values: tuple[bytes, bytes], most: int, ttl: int
) -> list[str | int | bytes]:
    """Of EVAL, behind the script. `keys`, `values`: of the position and of the state (empty: it stays)."""
    number = {stream: at for at, stream in enumerate(streams, start=3)}
    terms: list[str | int | bytes] = [2 + len(streams), *keys, *streams.values()]
    terms += (*values, most, ttl, len(changes.entries))
    for stream, seq, payload in changes.entries:
        terms += (number[stream], seq, payload)
    for channel, payload in changes.messages:
        terms += (channel, payload)
    return terms

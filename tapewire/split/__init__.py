"""The engine in parts: risk and matcher as services of their own, which it asks in lock-step over the bus.

    engine ── AskCore + records, command ──▶ <env>.risk.ask.<shard>     ──▶ risk
           ◀── CoreAnswered + command as it will be sequenced ──
           ── AskCore + decided command ───▶ <env>.matcher.ask.<shard>  ──▶ matcher
           ◀── CoreAnswered + events ──

Same commands at the same times give the same tape, byte for byte, as the fused engine writes. A service holds no files:
an engine brings it to its state, whenever it stands elsewhere. `answering.hpp` is the part of a service that both
share, `serving.py` its shell; the asking side is in services/engine.
"""

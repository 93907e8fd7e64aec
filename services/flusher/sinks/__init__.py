"""Sinks: stores outside that follow tapes, exactly once.

    tape ──▶ Follower ──batch──▶ Target: data and position in one step
               ▲                    │
               └───── resume ◀──────┘   where the target stands is the only truth

`follower.py` reads one tape, `sink.py` drives all tapes of one target, `target.py` is what a store implements.
"""

"""What a tape is called on the bus: its stream, and the subjects of it.

<env>.tape.frames.<tape>   stored in the stream: frames as they stand on the tape
<env>.tape.claim.<tape>    stored in the stream: who writes the tape from here on
<env>.tape.alive.<tape>    from the sender, a few times a second: its writer lives
<env>.tape.fetch.<tape>    asked: what is older than the stream
"""

from __future__ import annotations

from tapewire.subjects import escape, subject

FEED = "tape"


def stream(env: str, tape: str) -> str:
    return f"TAPE_{env}_{escape(tape)}"


def frames(env: str, tape: str) -> str:
    return subject(env, FEED, "frames", tape)


def claim(env: str, tape: str) -> str:
    return subject(env, FEED, "claim", tape)


def alive(env: str, tape: str) -> str:
    return subject(env, FEED, "alive", tape)


def fetch(env: str, tape: str) -> str:
    return subject(env, FEED, "fetch", tape)

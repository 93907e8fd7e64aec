"""When a standby takes a tape over by itself, and where a former writer's own records end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tapewire.replication.copying import Copy, Mirror
from tapewire.replication.part import Part


class Silence:
    """How long nothing has been heard of a tape's writer. Silence while we were not connected is none.

    `after_ns`: 0: never long enough.
    """

    def __init__(self, after_ns: int) -> None:
        self._after = after_ns
        self._since: int | None = None

    def heard(self, now: int) -> None:
        self._since = now

    def away(self) -> None:
        """The bus is away: whoever is silent now may be well."""
        self._since = None

    def too_long(self, now: int, connected: bool) -> bool:
        if not connected:
            self._since = None
        elif self._since is None:
            self._since = now
        elif self._after and now - self._since >= self._after:
            return True
        return False


def claim_of(host: str, mirror: Mirror, copy: Copy) -> Part:
    """The claim that follows what `mirror` took last into `copy`.

    Its epoch is later than any that this host had by itself: one of a writer that never sent a record, too.
    """
    return Part(
        kind="claim",
        mark=mirror.mark,
        holder=host,
        epoch=max(mirror.epoch, copy.epoch) + 1,
        position=copy.end,
        end=copy.end,
        last=copy.last_seq,
        durability=mirror.durability,
    )


FOLLOWING = 16
"""Parts behind a claim that are compared. Who takes a tape over may first append what a batch lacked, in the bytes that
the former writer had for it, too; then comes its epoch, which nobody else has."""


def own_tail(
    claims: Sequence[tuple[Part, Sequence[Part]]],
    host: str,
    end: int,
    agrees: Callable[[Part], bool],
    *,
    stored: int = 0,
) -> Part | None:
    """The claim behind which a tape that ends at `end` holds records that are its own alone; None: none.

    `claims`: each of the stream, oldest first, with the first FOLLOWING parts behind it; `agrees`: whether the
    tape has a part's bytes, as far as it reaches. `stored`: the position up to which the stream is known to have held
    this tape: a claim before it stands in a stream that went back, and what is behind it is nobody's own.
    """
    for at, (claim, following) in enumerate(claims, start=1):
        if claim.holder == host or end <= claim.position or claim.position < stored:
            continue
        reach = following[-1].end if following else claim.position
        beyond = at == len(claims) and len(following) < FOLLOWING and end > reach
        if beyond or not all(agrees(part) for part in following):
            return claim
    return None

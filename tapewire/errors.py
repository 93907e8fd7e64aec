"""Every error Tapewire raises.

TapewireError                  what happened, where, what was expected, what to do
├── WireError                  bytes that are not a message of ours
├── ConfigError                a key of the configuration: its path, what it holds, what is allowed
├── RingError                  a ring that cannot be opened or used as asked
│   ├── RingMissing            no ring of that name: its service has not started yet
│   ├── RingBusy               another live producer or consumer holds that side
│   └── RingDamaged            a header, cursor or record that does not hold
├── TapeError                  a tape that cannot be opened or used as asked
│   ├── TapeMissing            no tape there: the service that writes it has not started yet
│   ├── TapeGone               the record was removed by retention; the tape begins later
│   ├── TapeDamaged            a checksum or sequence that does not hold; carries the exact offset
│   ├── TapeFenced             another writer owns the tape, or a newer epoch does
│   └── TapeFull               the disk refused more
├── StoreError                 the archive cannot answer, or does not fit its tape
├── BackupError                a backup that cannot be taken, does not hold, or must not be restored there
├── SinkError                  a sink cannot go on with a tape: records are gone, or it is another tape by now
│   └── TargetError            what a sink writes to is away, or refuses; it is tried again
├── StatsError                 a page of statistics that cannot be made or opened as asked
├── StageLogError              a stage log that cannot be made or opened as asked
├── TimeError                  text that means no time
├── TransportError             the bus cannot be reached, or refused
├── RelayError                 a ring that cannot be carried to another host: two hosts carry it, or records were lost
├── SubjectError               a subject or pattern of the bus that cannot be one
├── FixedError                 decimal text that does not fit its exponent exactly
├── FeedError                  a venue sent what its protocol does not allow
├── FixError                   a FIX message that breaks its rules: carries the tag and the number for 373
│   └── FixGarbled             bytes that are no FIX message: ignored by a session, as the standard says
├── OrderRefused               an order that was not sent, or that the door did not take: no record of it exists
├── GapError                   messages are missing, and the subscription was told to end at the first one
├── StrategyError              a strategy that cannot be loaded, or asks for what its runner has not
├── CredentialError            a logon secret that cannot be read, or is kept where others can read it
├── ServiceAway                risk or matcher gave no answer before the engine was stopped
└── EngineStopped              an invariant of the core does not hold: restart and recover by replay
"""

from __future__ import annotations


class TapewireError(Exception):
    """The root of all: catching it catches everything this library raises on purpose."""


class WireError(TapewireError, ValueError):
    """Bytes that are not a message of ours."""


class ConfigError(TapewireError, ValueError):
    """A key of the configuration is unknown, missing or out of range; the message names it and what is allowed."""


class RingError(TapewireError):
    """A ring cannot be opened or used as asked."""


class RingMissing(RingError):
    """No ring of that name exists yet."""


class RingBusy(RingError):
    """Another live producer, or consumer, has the ring open. Locks die with their process, so it is alive."""


class RingDamaged(RingError):
    """A header, a cursor or a record does not hold. What was read before is whole; nothing after it can be trusted."""


class TapeError(TapewireError):
    """A tape cannot be opened or used as asked."""


class TapeMissing(TapeError):
    """There is no tape at that path, or not yet."""


class TapeGone(TapeError):
    """The record asked for was removed by retention: the tape begins with a later one."""


class TapeDamaged(TapeError):
    """A checksum or a sequence does not hold anywhere but in a torn tail. The tape is refused, never repaired."""

    def __init__(self, path: str, offset: int, seq: int, found: str) -> None:
        super().__init__(
            f"{path}: damaged at byte {offset} (record {seq}): {found}. Nothing was changed. "
            f"Restore this segment from a copy, or cut the tape before record {seq} with `tapewire tape cut`."
        )
        self.path, self.offset, self.seq = path, offset, seq


class TapeFenced(TapeError):
    """Another writer holds the tape, or has started a newer epoch."""


class TapeFull(TapeError):
    """The disk has no room for the next segment. Nothing that was acknowledged is affected."""


class StoreError(TapewireError):
    """The archive of columns cannot answer what was asked, or does not fit the tape it was made from."""


class SinkError(TapewireError):
    """A sink cannot go on with a tape: records it needs are gone, or the tape is another one by now."""


class TargetError(SinkError):
    """What a sink writes to is away or refuses: nothing was written, or all of it. The sink tries again by itself."""


class TimeError(TapewireError, ValueError):
    """Text that means no time; the message says how times are written."""


class BackupError(TapewireError):
    """A backup that cannot be taken, does not hold, or must not be restored there: nothing was changed."""


class StatsError(TapewireError):
    """A page of statistics cannot be made or opened as asked."""


class StageLogError(TapewireError):
    """A stage log cannot be made or opened as asked."""


class TransportError(TapewireError):
    """The bus cannot be reached, or refused what was asked."""


class RelayError(TapewireError):
    """A ring whose records cannot be carried over as they are; the message says which and what to do."""


class SubjectError(TapewireError, ValueError):
    """Text that is not a subject or a pattern of ours."""


class FixedError(TapewireError, ValueError):
    """A text that is no decimal number, or does not fit its exponent or 64 bits exactly."""


class FeedError(TapewireError):
    """A venue sent what its protocol does not allow."""


class FixError(TapewireError, ValueError):
    """A FIX message that breaks its rules. `tag` is the field (0: none), `reason` the SessionRejectReason (373)."""

    def __init__(self, text: str, tag: int, reason: int) -> None:
        super().__init__(text)
        self.tag, self.reason = tag, reason


class FixGarbled(FixError):
    """Bytes that are no FIX message (8, 9, 10, length, checksum). A session ignores them and keeps its number."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 0, 99)


class OrderRefused(TapewireError):
    """An order or request that nothing was done about: refused here, by the door, or never taken by anybody."""


class GapError(TapewireError):
    """Messages of a subscription are missing, and it was told to end at the first gap."""


class StrategyError(TapewireError):
    """A strategy that cannot be loaded, has parameters that do not fit, or asks for what its runner does not have."""


class CredentialError(TapewireError):
    """A logon secret that cannot be read, has the wrong form, or is kept where others can read it. Never names it."""


class ServiceAway(TapewireError):
    """Risk or matcher, as services, gave no answer before the engine was stopped. Nothing was acknowledged."""


class EngineStopped(TapewireError):
    """An invariant of the core does not hold; restarting recovers by replay."""

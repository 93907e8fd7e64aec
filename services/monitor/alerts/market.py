"""Feeds and risk."""

from __future__ import annotations

from typing import Final

from services.monitor.alerts.alert import Alert, AlertGroup

FEEDS: Final = AlertGroup(
    "feeds",
    (
        Alert(
            "FeedStale",
            "tapewire_feed_books_live < tapewire_feed_books",
            "10s",
            "critical",
            "{{ $labels.feed }}: only {{ $value }} books are live",
            "Some books of the feed cannot be trusted: the connection is gone, they are being built anew, or the "
            "connector died. Messages say so by their quality, and the router avoids the venue.",
            ("`tapewire top`: quality by feed", "the connector's log", "the venue's own status page"),
            "A connector reconnects by itself. If it is not running, start it.",
        ),
        Alert(
            "FeedSilent",
            'time() - tapewire_tape_last_record_timestamp_seconds{tape=~"md\\\\..*"} > 60',
            "30s",
            "warning",
            "{{ $labels.tape }} got no record for {{ $value | humanizeDuration }}",
            "Nothing of this feed reached its tape for a minute.",
            ("does the venue trade at this hour", "the connector's and the flusher's logs"),
            "If the venue is open and others hear it, restart the connector.",
        ),
        Alert(
            "FeedGaps",
            "increase(tapewire_feed_gaps_total[5m]) > 3",
            "0s",
            "warning",
            "{{ $labels.feed }}: {{ $value }} gaps in five minutes",
            "The venue's numbering or checksums say that messages were lost on the way. Each costs a resync, during "
            "which that book is not live.",
            ("the connector's log", "`tapewire_feed_exchange_to_edge_seconds`: is the line slow"),
            "Look at the network; fewer instruments per connection help a slow line.",
        ),
        Alert(
            "FeedDropped",
            "increase(tapewire_feed_dropped_total[5m]) > 0",
            "0s",
            "critical",
            "{{ $labels.feed }} dropped messages: its ring was full",
            "The flusher did not empty the ring in time. Tape and bus both lack the messages; the next of each "
            "instrument is a whole book.",
            ("*RingFilling* and *ServiceDown* of the flusher", "the disk"),
            "See RingFilling.",
        ),
    ),
)

RISK: Final = AlertGroup(
    "risk",
    (
        Alert(
            "KillSwitchEngaged",
            "tapewire_risk_kill_switch_engaged == 1",
            "0s",
            "critical",
            "the kill switch of account {{ $labels.account }} is engaged (0: all accounts)",
            "New and replaced orders of the account are refused until somebody releases it.",
            ("`tapewire tape tail orders.0`: who engaged it, and the reason", "the account's positions"),
            "When the cause is understood: `tapewire operator release`.",
        ),
        Alert(
            "RiskLimitNear",
            "tapewire_risk_limit_used_ratio > 0.9",
            "30s",
            "warning",
            "account {{ $labels.account }} uses {{ $value | humanizePercentage }} of its limit",
            "Position and open orders of the account come close to its limit; beyond it orders are refused.",
            ("positions and open orders of the account",),
            "Reduce the position, or let risk raise the limit.",
        ),
        Alert(
            "RiskBreaches",
            "sum by (shard, reason) (rate(tapewire_risk_refused_total"
            '{reason=~"max_order_qty|max_notional|max_position|price_collar|not_your_order"}[1m])) > 1',
            "30s",
            "warning",
            "shard {{ $labels.shard }}: {{ $value }} orders a second are refused ({{ $labels.reason }})",
            "A client keeps sending what its limits forbid: a strategy that does not look at its answers.",
            ("`tapewire tape tail orders.0 --json`: which account",),
            "Speak to the client; the kill switch stops it.",
        ),
        Alert(
            "RefusedInputs",
            "increase(tapewire_engine_refused_inputs_total[5m]) > 0",
            "0s",
            "critical",
            "shard {{ $labels.shard }}: ring records that are no command were refused",
            "A producer wrote something that is no valid command: another version of the schema, or a fault.",
            ("`tapewire tape tail orders.0`: InputRefused tells the producer and its place in the ring",),
            "Stop that producer until it is repaired.",
        ),
        Alert(
            "LogonAttacks",
            "sum by (outcome) (rate(tapewire_front_connections_total"
            '{outcome=~"wrong|replayed|refused_address|refused_half_open|throttled_address|garbled"}[5m])) > 1',
            "1m",
            "warning",
            "the FIX front refuses {{ $value }} connections a second ({{ $labels.outcome }})",
            "Somebody tries credentials, replays Logons or floods the FIX front.",
            ("the front's log: from which address",),
            "Close the address at the firewall; the front's own limits hold meanwhile.",
        ),
        Alert(
            "VenueSessionDown",
            "tapewire_venue_state < 3",
            "30s",
            "critical",
            "the session to {{ $labels.venue }} is not ready",
            "No order reaches this venue. Cancels wait for the session, new orders are answered when they are too old.",
            ("the session's log: Logon refused, or no connection", "the venue's status page and trading hours"),
            "It connects by itself. Wrong credentials need a person.",
        ),
    ),
)

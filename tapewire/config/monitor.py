"""`[monitor]`: traces and metrics of the whole platform, made off the hot path."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tapewire.config.section import Section

Url = Annotated[str, Meta(pattern=r"^(https?://.+)?\Z", extra={"allowed": 'a URL such as "http://127.0.0.1:4318"'})]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Monitor(Section, frozen=True, kw_only=True):
    """`[monitor]`: what is traced, and where it goes."""

    otlp_url: Url = ""
    """The collector's address for OTLP over HTTP, without `/v1/traces`. Left out: no traces are made."""
    sample: Share = 0.01
    """Share of the orders without a trace context that are traced, 0 to 1; those that have one say it themselves."""
    slow: Annotated[float, Meta(ge=0.0, le=3600.0)] = 0.0
    """Orders whose answer took longer than this are always traced, seconds; 0: none for being slow."""
    slow_percentile: Annotated[float, Meta(ge=0.0, le=100.0)] = 99.9
    """Orders slower than this percentile of the last ones are always traced; 0: none."""
    rejected: bool = True
    """Whether refused orders are always traced."""
    tick_every: Annotated[int, Meta(ge=0, le=1 << 32)] = 0
    """One market-data message in so many is traced from socket to subscriber; 0: none. Connectors read it, too."""
    max_orders: Annotated[int, Meta(ge=100, le=1 << 22)] = 65_536
    """Orders held at once until their traces are whole; the oldest goes, counted, when there are more."""
    buffer: Annotated[int, Meta(ge=100, le=1 << 20)] = 16_384
    """Spans that may wait for the collector; what comes on top is dropped and counted."""
    nice: Annotated[int, Meta(ge=0, le=19)] = 19
    """How far it stands back where the CPUs are busy: 19 takes about a 70th of one, and falls behind; 0: not at all."""
    metrics_host: str = "127.0.0.1"
    """Where `/metrics` is served: an address of this host."""
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 9464
    """Its port; 0: metrics are not served."""
    bus: bool = True
    """Whether it tells on the bus how services are that do not speak there: engine, gateway, flusher and others."""
    exposure: bool = True
    """Whether the metrics tell what share of its limit each account uses: the orders tape is folded for it."""

"""The flat codec: encoding and decoding a message, native and from Python."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator

from bench import _native
from bench.harness import Row, median
from bench.probes import Probes
from tapewire import messages as m


def run(probes: Probes) -> Iterator[Row]:
    rounds = probes.scale(5_000_000)
    for metric, measure in (("encode", _native.codec_encode_ns), ("decode and check", _native.codec_decode_ns)):
        value, spread = median(lambda measure=measure: measure(rounds))  # type: ignore[misc]
        if spread[0] < 0:
            raise RuntimeError("the codec refused its own message")
        yield Row(id="W1", metric=f"NewOrder, {metric}, native", value=value, unit="ns", n=5 * rounds, spread=spread)
    encoder = m.Trade.encoder("seq", "ts", "price", "qty", ticker="BTCUSDT", price_exponent=-2)
    raw = encoder(1, 2, 3, 4)
    empty = probes.value("empty_call_ns")

    def encode() -> None:
        encoder(1, 2, 3, 4)

    def decode() -> None:
        m.decode(raw).seq  # noqa: B018 - reading one field is part of the cost

    calls: tuple[tuple[str, Callable[[], None]], ...] = (("encoder(4 fields)", encode), ("decode, one field", decode))
    for metric, call in calls:
        number = probes.scale(1_000_000)
        # The function around it is the bench's, not the codec's.
        value, spread = median(lambda call=call, n=number: timeit.timeit(call, number=n) / n * 1e9 - empty)  # type: ignore[misc]
        yield Row(
            id="W2",
            metric=f"Trade, {metric}, from Python",
            value=value,
            unit="ns",
            probe="empty_call_ns",
            ratio=value / empty,
            n=5 * number,
            spread=spread,
        )

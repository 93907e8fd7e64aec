from __future__ import annotations

import pytest

from tapewire.errors import TapewireError
from tapewire.tickers import Tickers


def test_ids_are_dense_from_one_in_order_of_first_sight() -> None:
    tickers = Tickers("binance", ["BTCUSDT", "ETHUSDT"])
    assert [tickers.add(t) for t in ("BTCUSDT", "SOLUSDT", "ETHUSDT")] == [1, 3, 2]
    assert list(tickers) == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert [tickers.id("SOLUSDT"), tickers.id("XRPUSDT")] == [3, 0]
    assert [tickers.name(n) for n in (0, 1, 3, 4, -1)] == ["", "BTCUSDT", "SOLUSDT", "", ""]
    assert len(tickers) == 3
    assert "ETHUSDT" in tickers


def test_names_are_interned_so_that_comparing_them_is_comparing_pointers() -> None:
    one, other = Tickers("a"), Tickers("b")
    one.add("".join(["BTC", "/", "USD"]))
    other.add("".join(["BTC/", "USD"]))
    assert one.name(1) is other.name(1)


@pytest.mark.parametrize("ticker", ["", "X" * 32, "A\0B", "é" * 16])
def test_what_does_not_fit_the_messages_is_refused(ticker: str) -> None:
    with pytest.raises(TapewireError, match="feed kraken: ticker"):
        Tickers("kraken").add(ticker)

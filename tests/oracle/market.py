"""Small markets for tests: messages of every kind, from a seed, in the order of a tape."""

from __future__ import annotations

from random import Random

from tapewire import messages as m

DAY = 86_400 * 10**9
NOON = 20_778 * DAY + DAY // 2  # 2026-11-21T12:00Z
TICKERS = ("BTCUSDT", "BTC/USD", "BRK.B")


def market_data(seed: int, count: int, first_seq: int = 1, start: int = NOON, step: int = 30 * 10**9) -> list[bytes]:
    """`count` messages of a feed, contiguous from `first_seq`, `step` ns apart on average."""
    random, ts, made = Random(seed), start, list[bytes]()
    for seq in range(first_seq, first_seq + count):
        ts += random.randrange(0, 2 * step)
        made.append(bytes(_market_message(random, seq, ts)))
    return made


def _market_message(random: Random, seq: int, ts: int) -> m.Message:
    header = {"seq": seq, "ts": ts, "ts_event": ts - random.randrange(10**9), "ts_recv": ts - random.randrange(10**5)}
    header["origin_seq"] = random.randrange(1 << 64)
    which = random.random()
    if which < 0.04:
        ticker = random.choice(("", *TICKERS))
        reason = "a gap of " * random.randrange(5)
        return m.FeedStatus(**header, ticker=ticker, gaps=seq, state=m.FeedState.resync, reason=reason)
    body = {
        "ticker": random.choice(TICKERS),
        "price_exponent": random.choice((-2, -2, -4)),
        "qty_exponent": random.choice((-8, -5)),
        "quality": random.choice(list(m.BookQuality)),
    }
    if which < 0.5:
        price, qty = random.randrange(1, 1 << 62), random.randrange(1, 1 << 40)
        return m.Trade(**header, **body, trade_id=seq * 7, price=price, qty=qty, aggressor=random.choice(list(m.Side)))
    if which < 0.7:
        return m.Quote(**header, **body, bid_price=seq, bid_qty=3, ask_price=seq + 1, ask_qty=1 << 50, book_seq=seq)
    cls = m.BookSnapshot if which < 0.75 else m.BookDelta
    levels = [(random.randrange(1 << 50), random.randrange(9), seq % 5, random.randrange(3)) for _ in range(seq % 4)]
    return cls(**header, **body, book_seq=seq, levels=levels)


def house(seed: int, count: int) -> list[bytes]:
    """An orders tape: instruments defined, one of them anew with other exponents, one refused, and matches between."""
    random, made = Random(seed), list[bytes]()
    for seq in range(1, count + 1):
        header = {"seq": seq, "ts": NOON + seq * 10**10, "cause": seq - 1}
        if seq <= 2 or seq % 40 == 0:
            refused = m.RejectReason.instrument_exists if seq % 80 == 0 else m.RejectReason.unspecified
            number = 1 + seq % 2
            made.append(
                bytes(
                    m.InstrumentDefinition(
                        **header,
                        instrument=number,
                        ticker=TICKERS[number],
                        tick_size=5,
                        price_exponent=-random.randrange(4),
                        qty_exponent=-1,
                        decision=refused,
                    )
                )
            )
        elif random.random() < 0.6:
            made.append(
                bytes(
                    m.OrderExecuted(
                        **header,
                        instrument=random.randrange(1, 3),
                        match_id=seq,
                        maker_order_id=seq - 1,
                        taker_order_id=seq,
                        price=random.randrange(1, 1 << 40),
                        qty=random.randrange(1, 1 << 20),
                        maker_account=7,
                        aggressor=m.Side.sell,
                    )
                )
            )
        else:
            made.append(bytes(m.NewOrder(**header, order_id=seq, price=1, qty=1, client_text="x" * (seq % 9))))
    return made

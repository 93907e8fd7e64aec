# Part of _latest.pyx: how one instrument stands, field by field.

@cython.final
@cython.freelist(256)
cdef class LatestValue:
    cdef Value it
    cdef readonly str ticker

    def __init__(self):
        raise TypeError("a LatestValue is what a Latest gives")

    @property
    def updates(self):
        return self.it.updates

    @property
    def seq(self):
        return self.it.seq

    @property
    def ts(self):
        return self.it.ts

    @property
    def ts_event(self):
        return self.it.ts_event

    @property
    def ts_recv(self):
        return self.it.ts_recv

    @property
    def gaps(self):
        return self.it.gaps

    @property
    def trade_seq(self):
        return self.it.trade_seq

    @property
    def trade_id(self):
        return self.it.trade_id

    @property
    def trade_ts(self):
        return self.it.trade_ts

    @property
    def trade_price(self):
        return self.it.trade_price

    @property
    def trade_qty(self):
        return self.it.trade_qty

    @property
    def quote_seq(self):
        return self.it.quote_seq

    @property
    def quote_ts(self):
        return self.it.quote_ts

    @property
    def bid_price(self):
        return self.it.bid_price

    @property
    def bid_qty(self):
        return self.it.bid_qty

    @property
    def ask_price(self):
        return self.it.ask_price

    @property
    def ask_qty(self):
        return self.it.ask_qty

    @property
    def top_seq(self):
        return self.it.top_seq

    @property
    def book_seq(self):
        return self.it.book_seq

    @property
    def top_ts(self):
        return self.it.top_ts

    @property
    def top_bid_price(self):
        return self.it.top_bid_price

    @property
    def top_bid_qty(self):
        return self.it.top_bid_qty

    @property
    def top_ask_price(self):
        return self.it.top_ask_price

    @property
    def top_ask_qty(self):
        return self.it.top_ask_qty

    @property
    def status_seq(self):
        return self.it.status_seq

    @property
    def status_ts(self):
        return self.it.status_ts

    @property
    def resume_time(self):
        return self.it.resume_time

    @property
    def feed_gaps(self):
        return self.it.feed_gaps

    @property
    def feed_resyncs(self):
        return self.it.feed_resyncs

    @property
    def feed_dropped(self):
        return self.it.feed_dropped

    @property
    def instrument(self):
        return self.it.instrument

    @property
    def trade_price_exponent(self):
        return self.it.trade_price_exponent

    @property
    def trade_qty_exponent(self):
        return self.it.trade_qty_exponent

    @property
    def quote_price_exponent(self):
        return self.it.quote_price_exponent

    @property
    def quote_qty_exponent(self):
        return self.it.quote_qty_exponent

    @property
    def top_price_exponent(self):
        return self.it.top_price_exponent

    @property
    def top_qty_exponent(self):
        return self.it.top_qty_exponent

    @property
    def status(self):
        return _named(INSTRUMENTSTATUS, self.it.status)

    @property
    def status_reason(self):
        return _named(STATUSREASON, self.it.status_reason)

    @property
    def limit_state(self):
        return _named(LIMITSTATE, self.it.limit_state)

    @property
    def feed_state(self):
        return _named(FEEDSTATE, self.it.feed_state)

    @property
    def feed_quality(self):
        return _named(BOOKQUALITY, self.it.feed_quality)

    @property
    def trade_quality(self):
        return _named(BOOKQUALITY, self.it.trade_quality)

    @property
    def quote_quality(self):
        return _named(BOOKQUALITY, self.it.quote_quality)

    @property
    def top_quality(self):
        return _named(BOOKQUALITY, self.it.top_quality)

    @property
    def aggressor(self):
        return _named(SIDE, self.it.aggressor)

    @property
    def quality(self):
        return self.quote_quality if self.it.quote_seq else self.top_quality

    def age_ns(self, int64_t now_ns, /):
        return now_ns - self.it.ts

    def to_dict(self):
        return {"ticker": self.ticker, **{name: getattr(self, name) for name in FIELDS}}

    def __repr__(self):
        it = self.it
        return (f"LatestValue({self.ticker}, seq {it.seq}, bid {it.bid_qty} at {it.bid_price}, ask {it.ask_qty} at "
                f"{it.ask_price}, last {it.trade_qty} at {it.trade_price}, {self.quality.name})")

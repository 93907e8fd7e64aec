// One message of a feed into the value of its instrument. Pure: no clock, no memory but the book it keeps.
#pragma once
#include <algorithm>
#include <vector>

#include "tapewire/latest/layout.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::latest {

// One side of a published book, best last: changes are near the best, so that little moves.
class Side {
  public:
    void clear() { levels_.clear(); }

    // `sign`: 1 for bids, -1 for asks, so that a better price is a greater one.
    void change(int64_t price, int64_t qty, int64_t sign) {
        const int64_t rank = sign * price;
        auto at = levels_.end();
        while (at != levels_.begin() && (at - 1)->rank >= rank) --at;
        const bool there = at != levels_.end() && at->rank == rank;
        if (qty == 0) {
            if (there) levels_.erase(at);
        } else if (there) {
            at->qty = qty;
        } else {
            levels_.insert(at, {rank, qty});
        }
    }

    void best(int64_t& price, int64_t& qty, int64_t sign) const {
        price = levels_.empty() ? 0 : sign * levels_.back().rank;
        qty = levels_.empty() ? 0 : levels_.back().qty;
    }

  private:
    struct Level {
        int64_t rank, qty;
    };
    std::vector<Level> levels_;
};

struct Folded {
    Value value{};
    Side bids, asks;
    bool book = false;  // whether the levels are the whole published book
};

enum class Kind : int { none, trade, quote, book, reference, feed };

inline Kind kind_of(wire::MessageType type) {
    using T = wire::MessageType;
    switch (type) {
        case T::trade: return Kind::trade;
        case T::quote: return Kind::quote;
        case T::book_delta:
        case T::book_snapshot: return Kind::book;
        case T::instrument_definition:
        case T::instrument_status_changed:
        case T::limit_state_changed: return Kind::reference;
        case T::feed_status: return Kind::feed;
        default: return Kind::none;
    }
}

template <class M>
inline const M& as(const uint8_t* message) {
    return *reinterpret_cast<const M*>(message);
}

// The ticker's room, of a message whose kind is not none.
inline const char* ticker_of(const uint8_t* p) {
    using T = wire::MessageType;
    switch (wire::header(p).type) {
        case T::trade: return as<wire::Trade>(p).ticker;
        case T::quote: return as<wire::Quote>(p).ticker;
        case T::book_delta: return as<wire::BookDelta>(p).ticker;
        case T::book_snapshot: return as<wire::BookSnapshot>(p).ticker;
        case T::instrument_definition: return as<wire::InstrumentDefinition>(p).ticker;
        case T::instrument_status_changed: return as<wire::InstrumentStatusChanged>(p).ticker;
        case T::limit_state_changed: return as<wire::LimitStateChanged>(p).ticker;
        default: return as<wire::FeedStatus>(p).ticker;
    }
}

// Whether the book holds a delta by what it was made of, the snapshot before it or the delta itself.
inline bool held_already(const Folded& it, const uint8_t* p) {
    const auto& book = as<wire::BookDelta>(p);
    return it.book && book.book_seq <= it.value.book_seq && book.header.ts <= it.value.top_ts;
}

// Whole without a snapshot: nothing is in it yet.
inline void begin_book(Folded& it) {
    it.bids.clear(), it.asks.clear();
    it.book = true, it.value.book_seq = 0;
}

// What may be missing is told by the qualities: a book waits for its next snapshot, a quote for the next one.
inline void lose(Value& v) {
    if (v.top_seq) v.top_quality = uint16_t(wire::BookQuality::resync);
    if (v.quote_seq) v.quote_quality = uint16_t(wire::BookQuality::resync);
}

// The quote of a feed whose quote is the top of its book, where it was lost or never told.
inline void quote_from_top(Value& v) {
    if (v.quote_seq && v.quote_quality != uint16_t(wire::BookQuality::resync)) return;
    v.quote_seq = v.top_seq, v.quote_ts = v.top_ts, v.quote_quality = v.top_quality;
    v.bid_price = v.top_bid_price, v.bid_qty = v.top_bid_qty, v.ask_price = v.top_ask_price, v.ask_qty = v.top_ask_qty;
    v.quote_price_exponent = v.top_price_exponent, v.quote_qty_exponent = v.top_qty_exponent;
}

inline void fold_book(Folded& it, const uint8_t* p, bool whole) {
    const auto& book = as<wire::BookDelta>(p);  // a snapshot has the same layout
    static_assert(offsetof(wire::BookSnapshot, levels_pointer) == offsetof(wire::BookDelta, levels_pointer) && sizeof(wire::BookSnapshot) == sizeof(wire::BookDelta));
    Value& v = it.value;
    if (whole) {
        begin_book(it);
    } else if (!it.book || book.book_seq != v.book_seq + 1) {
        if (it.book) ++v.gaps;
        it.book = false;
    }
    const size_t count = size_t(book.levels_pointer >> 35) / (sizeof(wire::BookLevel) / 8);
    const auto* level = reinterpret_cast<const wire::BookLevel*>(p + sizeof(wire::BookDelta) + 8);
    for (size_t i = 0; it.book && i < count; ++i)
        level[i].side == wire::Side::buy ? it.bids.change(level[i].price, level[i].qty, 1) : it.asks.change(level[i].price, level[i].qty, -1);
    v.top_seq = book.header.seq, v.top_ts = book.header.ts, v.book_seq = book.book_seq;
    if (it.book) {
        it.bids.best(v.top_bid_price, v.top_bid_qty, 1);
        it.asks.best(v.top_ask_price, v.top_ask_qty, -1);
    }
    // What is known of an incomplete book is told with the quality that says so.
    v.top_quality = it.book ? uint16_t(book.quality) : uint16_t(wire::BookQuality::resync);
    v.top_price_exponent = book.price_exponent, v.top_qty_exponent = book.qty_exponent;
}

// `p` was checked (wire::check), and its kind is not none.
inline void fold(Folded& it, const uint8_t* p) {
    using T = wire::MessageType;
    Value& v = it.value;
    const wire::Header& header = wire::header(p);
    ++v.updates;
    v.seq = header.seq, v.ts = header.ts, v.ts_event = header.ts_event, v.ts_recv = header.ts_recv;
    v.instrument = header.instrument;
    switch (header.type) {
        case T::trade: {
            const auto& t = as<wire::Trade>(p);
            v.trade_seq = header.seq, v.trade_ts = header.ts, v.trade_id = t.trade_id, v.trade_price = t.price, v.trade_qty = t.qty;
            v.aggressor = uint16_t(t.aggressor), v.trade_quality = uint16_t(t.quality);
            v.trade_price_exponent = t.price_exponent, v.trade_qty_exponent = t.qty_exponent;
            return;
        }
        case T::quote: {
            const auto& q = as<wire::Quote>(p);
            v.quote_seq = header.seq, v.quote_ts = header.ts;
            v.bid_price = q.bid_price, v.bid_qty = q.bid_qty, v.ask_price = q.ask_price, v.ask_qty = q.ask_qty;
            v.quote_quality = uint16_t(q.quality), v.quote_price_exponent = q.price_exponent, v.quote_qty_exponent = q.qty_exponent;
            return;
        }
        case T::book_delta: return fold_book(it, p, false);
        case T::book_snapshot: return fold_book(it, p, true);
        case T::instrument_definition:
            v.status_seq = header.seq, v.status_ts = header.ts, v.status = uint16_t(as<wire::InstrumentDefinition>(p).status);
            return;
        case T::instrument_status_changed: {
            const auto& s = as<wire::InstrumentStatusChanged>(p);
            v.status_seq = header.seq, v.status_ts = header.ts, v.resume_time = s.resume_time;
            v.status = uint16_t(s.status), v.status_reason = uint16_t(s.reason);
            return;
        }
        case T::limit_state_changed: v.limit_state = uint16_t(as<wire::LimitStateChanged>(p).state); return;
        default: {
            const auto& f = as<wire::FeedStatus>(p);
            v.feed_gaps = f.gaps, v.feed_resyncs = f.resyncs, v.feed_dropped = f.dropped;
            v.feed_state = uint16_t(f.state), v.feed_quality = uint16_t(f.quality);
        }
    }
}

}  // namespace tapewire::latest

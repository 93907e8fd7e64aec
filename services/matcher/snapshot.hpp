// The matcher's state as bytes, and back. Little endian, 8-byte words, in this order:
//
//   "TWMATCH1"  nextMatchId  lastOrderId
//   instruments, then per instrument by id:
//     id  tick  lot  maxQty  minPrice  maxPrice  status
//     then for bids, then for asks:
//       levels, then per level from the best:
//         price  orders, then per order from the front of the queue:
//           id  leaves  qty  account | timeInForce << 32 | postOnly << 48
//
// Nothing in it depends on where things lie in memory or on how the state came about: equal states give equal bytes.
// restore() takes only what snapshot() writes: anything else, to the last bit, is refused.
#pragma once
#include "services/matcher/matcher.hpp"
#include "tapewire/wire/words.hpp"

namespace tapewire::matcher {

inline constexpr uint64_t SNAPSHOT_MAGIC = 0x31484354414d5754;  // "TWMATCH1"

inline void Matcher::snapshot(std::vector<uint8_t>& out) const {
    wire::WordWriter w(out);
    w.expect(9 * instruments_.size() + 2 * store_.levels.size() + 4 * store_.orders.size() + 4);
    w.put(SNAPSHOT_MAGIC, next_match_id_, last_order_id_, instruments_.size());
    for (const uint32_t id : instruments_) {
        const Book& b = books_[id];
        w.put(id, b.tick.value(), b.lot.value(), b.max_qty, b.min_price, b.max_price, uint16_t(b.status));
        for (unsigned side = 0; side < 2; ++side) {
            w.put(b.sides[side].count());
            b.sides[side].each(store_, [&](uint32_t at) {
                const Level& level = store_.levels[at];
                w.put(b.price(level.key, side), level.count);
                for (uint32_t slot = level.head; slot; slot = store_.orders[slot].next) {
                    const Order& o = store_.orders[slot];
                    const uint64_t terms = o.account | uint64_t(o.time_in_force) << 32 | uint64_t(o.post_only) << 48;
                    w.put(o.id, o.leaves, o.qty, terms);
                }
                return true;
            });
        }
    }
}

inline bool Matcher::restore(const uint8_t* p, size_t n) {
    clear();
    wire::WordReader r(p, n);
    bool ok = r.get() == SNAPSHOT_MAGIC;
    next_match_id_ = r.get();
    last_order_id_ = r.get();
    ok = ok && next_match_id_ != 0 && last_order_id_ <= MAX_ORDER_ID;
    for (uint64_t left = ok ? r.count(9) : 0; ok && left; --left) ok = restore_book(r);
    if (!ok || !r.done()) return clear(), false;
    return true;
}

inline bool Matcher::restore_book(wire::WordReader& r) {
    const uint64_t id = r.get();
    const auto tick = int64_t(r.get()), lot = int64_t(r.get()), max_qty = int64_t(r.get());
    const auto min_price = int64_t(r.get()), max_price = int64_t(r.get());
    const uint64_t status = r.get();
    if (id >= MAX_INSTRUMENTS || (!instruments_.empty() && id <= instruments_.back()) || status > UINT16_MAX) return false;
    wire::InstrumentDefinition d{};
    d.header.instrument = uint32_t(id);
    d.tick_size = tick, d.lot_size = lot, d.max_qty = max_qty, d.min_price = min_price, d.max_price = max_price;
    d.status = wire::InstrumentStatus(status);
    // Bounds that were not given are in a snapshot as what they stand for.
    if (max_qty == 0 || min_price == 0 || max_price == 0 || check_definition(d)) return false;
    Book& b = add_book(uint32_t(id));
    b.set_terms(d);
    if (!restore_side(r, b, 0) || !restore_side(r, b, 1)) return false;
    return !b.crossed();
}

inline bool Matcher::restore_side(wire::WordReader& r, Book& b, unsigned side) {
    int64_t last_key = INT64_MAX;
    for (uint64_t levels = r.count(6); levels; --levels) {
        const auto price = int64_t(r.get());
        if (price <= 0 || price > MAX_PRICE) return false;
        const int64_t ticks = b.tick.quotient(price), key = Book::key(ticks, side);
        const uint64_t orders = r.count(4);
        if (ticks * b.tick.value() != price || key >= last_key || orders == 0) return false;
        last_key = key;
        for (uint64_t i = 0; i < orders; ++i)
            if (!restore_order(r, b, side, key)) return false;
    }
    return r.ok();
}

inline bool Matcher::restore_order(wire::WordReader& r, Book& b, unsigned side, int64_t key) {
    const uint64_t id = r.get();
    const auto leaves = int64_t(r.get()), qty = int64_t(r.get());
    const uint64_t terms = r.get();
    const uint64_t time_in_force = terms >> 32 & 0xffff, post_only = terms >> 48;
    if (id == 0 || id > last_order_id_ || store_.index.find(id)) return false;
    if (leaves <= 0 || leaves > qty || qty > MAX_QTY || b.lot.quotient(leaves) * b.lot.value() != leaves) return false;
    if (b.lot.quotient(qty) * b.lot.value() != qty || post_only > 1) return false;
    if (time_in_force < uint64_t(wire::TimeInForce::day) || time_in_force > uint64_t(wire::TimeInForce::gtc)) return false;
    if (live_orders() >= store_.orders.capacity()) return false;
    const uint32_t at = b.sides[side].find(key);
    if (at && store_.levels[at].qty > MAX_LEVEL_QTY - leaves) return false;
    const uint32_t slot = store_.add(id);
    Order& o = store_.orders[slot];
    o.leaves = leaves, o.qty = qty, o.account = uint32_t(terms), o.instrument = b.id, o.side = uint8_t(side);
    o.time_in_force = uint8_t(time_in_force), o.post_only = post_only != 0;
    b.append(store_, slot, key, at);
    return true;
}

}  // namespace tapewire::matcher
